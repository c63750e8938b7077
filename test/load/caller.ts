import { Agent, request } from "node:http";

export interface Asked {
  readonly tenant: string;
  readonly prompt: string;
  readonly stream: boolean;
  /** Whether the answer may come from the cache. */
  readonly mayBeCached: boolean;
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

export interface Caller {
  /** Undefined where no answer came, or not all of it. */
  readonly ask: (asked: Asked) => Promise<Answered | undefined>;
  /** Reads the first bytes and breaks the connection. */
  readonly askAndLeave: (asked: Asked) => Promise<void>;
  readonly close: () => void;
}

export const keyMark = "key-of-";
/** The key of a tenant. */
export const keyOf = (tenant: string) => keyMark + tenant;

/** Callers of a gateway over so many connections. */
export function caller(port: number, connections: number): Caller {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const post = ({ tenant, prompt, stream, mayBeCached }: Asked) => {
    const body = JSON.stringify({ user: tenant, messages: [{ role: "user", content: prompt }], stream });
    const sent = request({
      agent,
      port,
      host: "127.0.0.1",
      path: "/v1/chat/completions",
      method: "POST",
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        authorization: `Bearer ${keyOf(tenant)}`,
        ...(!mayBeCached && { "cache-control": "no-store" }),
      },
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
          response.on("data", (piece: Buffer) => pieces.push(piece));
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
    askAndLeave: (asked) =>
      new Promise((resolve) => {
        const sent = post(asked).on("error", () => resolve());
        sent.on("response", (response) => {
          response.once("data", () => sent.socket?.resetAndDestroy());
          response.on("close", () => resolve());
        });
      }),
    close: () => agent.destroy(),
  };
}
