import { Agent, request } from "node:http";
import { type RpcName, rpcKinds } from "./rpc-kinds.ts";
import { keyOf } from "./tenants.ts";

export interface Asked {
  readonly tenant: string;
  readonly prompt: string;
  /** Chat unless told otherwise. */
  readonly rpc?: RpcName;
  /** A stream may be held back until it is complete; an RPC's answer may come as an event. */
  readonly delivery: "plain" | "live" | "atomic" | "events";
  /** Whether the answer may come from the cache. */
  readonly mayBeCached: boolean;
  readonly idempotencyKey?: string;
}

/** An answer as it came over the wire. */
export interface Answered {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  /** Everything that was received, the headers included. */
  readonly bytes: string;
  readonly body: string;
  /** Whether HTTP says that it is all. */
  readonly isComplete: boolean;
  readonly tookMs: number;
}

/** How a caller goes: `close` as a client does who has had enough, `reset` as one whose machine or proxy gives up. */
export type Leaving = "close" | "reset";

export interface Caller {
  /** Undefined where no answer came, or not all of it. */
  readonly ask: (asked: Asked) => Promise<Answered | undefined>;
  /** Reads the first token and ends the connection. False where there was none. */
  readonly askAndLeave: (asked: Asked, leaving: Leaving) => Promise<boolean>;
  readonly close: () => void;
}

/** Far longer than the gateway may take: what has not ended by then is lost. */
const patienceMs = 30_000;

/** Callers of a gateway over so many connections. */
export function caller(port: number, connections: number): Caller {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const post = (asked: Asked) => {
    const { tenant, rpc, delivery, mayBeCached, idempotencyKey } = asked;
    const body = JSON.stringify(rpc ? rpcKinds[rpc].bodyOf(asked) : chatOf(asked));
    const sent = request({
      agent,
      port,
      host: "127.0.0.1",
      path: rpc ? rpcKinds[rpc].path : "/v1/chat/completions",
      method: "POST",
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        authorization: `Bearer ${keyOf(tenant)}`,
        ...(!mayBeCached && { "cache-control": "no-store" }),
        ...(delivery === "atomic" && { "x-qingyu-delivery": "atomic" }),
        ...(delivery === "events" && { accept: "text/event-stream" }),
        ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }),
      },
      signal: AbortSignal.timeout(patienceMs),
    });
    sent.end(body);
    return sent;
  };
  return {
    ask: (asked) =>
      new Promise((resolve) => {
        const startedMs = performance.now();
        const sent = post(asked).on("error", () => resolve(undefined));
        sent.on("response", (response) => {
          const pieces: Buffer[] = [];
          response.on("data", (piece: Buffer) => pieces.push(piece)).on("error", () => {});
          response.on("close", () => {
            const body = Buffer.concat(pieces).toString();
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              bytes: `${response.statusMessage}\n${response.rawHeaders.join("\n")}\n\n${body}`,
              body,
              isComplete: response.complete,
              tookMs: performance.now() - startedMs,
            });
          });
        });
      }),
    askAndLeave: (asked, leaving) =>
      new Promise((resolve) => {
        let body = "";
        const hasToken = () => /"content":"[^"]/.test(body);
        const sent = post(asked).on("error", () => resolve(hasToken()));
        sent.on("response", (response) => {
          response.on("error", () => {}).on("close", () => resolve(hasToken()));
          response.setEncoding("utf8").on("data", (text: string) => {
            body += text;
            if (!hasToken()) return;
            if (leaving === "reset") sent.socket?.resetAndDestroy();
            else sent.destroy();
          });
        });
      }),
    close: () => agent.destroy(),
  };
}

function chatOf({ tenant, prompt, delivery }: Asked): object {
  const streamed = { stream: true, stream_options: { include_usage: true } };
  return { user: tenant, messages: [{ role: "user", content: prompt }], ...(delivery !== "plain" && streamed) };
}
