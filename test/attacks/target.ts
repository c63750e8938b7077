import { type Agent, request } from "node:http";
import { connect, type Socket } from "node:net";

/** The gateway as an attacker sees it. */
export interface Target {
  readonly port: number;
  readonly key: string;
  /** Asks once and reads the whole answer; undefined where none came. */
  readonly ask: (sent: Sent) => Promise<Received | undefined>;
  /** Asks so many times, so many at once. */
  readonly askAll: (times: number, atOnce: number, sent: (index: number) => Sent) => Promise<void>;
  /** A raw connection, for who does not speak HTTP or does not read. It is closed when the attack is over. */
  readonly connect: () => Socket;
}

interface Sent {
  readonly method?: string;
  /** Chat completions unless told otherwise. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Whose connections are used; a new one unless told otherwise. */
  readonly agent?: Agent;
  /** How long an answer is waited for; a minute unless told otherwise. */
  readonly patienceMs?: number;
}

interface Received {
  readonly status: number;
  readonly body: Buffer;
}

/** What an attacker got, and a way to end it. */
export interface OpenTarget extends Target {
  /** By status; 0 where no answer came. */
  readonly statuses: () => Readonly<Record<number, number>>;
  readonly longestMs: () => number;
  readonly close: () => void;
}

/** A gateway at a port, for the caller with this key. */
export function openTarget(port: number, key: string): OpenTarget {
  const statuses: Record<number, number> = {};
  const sockets = new Set<Socket>();
  let longestMs = 0;
  const ask = async (sent: Sent) => {
    const startedMs = performance.now();
    const received = await askOnce(port, key, sent);
    const status = received?.status ?? 0;
    statuses[status] = (statuses[status] ?? 0) + 1;
    longestMs = Math.max(longestMs, performance.now() - startedMs);
    return received;
  };
  return {
    port,
    key,
    ask,
    async askAll(times, atOnce, sent) {
      let asked = 0;
      const run = async () => {
        while (asked < times) await ask(sent(asked++));
      };
      await Promise.all(Array.from({ length: atOnce }, run));
    },
    connect() {
      const socket = connect(port, "127.0.0.1").on("error", () => {});
      sockets.add(socket);
      return socket;
    },
    statuses: () => statuses,
    longestMs: () => longestMs,
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Undefined where no answer came. */
export function askOnce(
  port: number,
  key: string,
  { method = "POST", path = "/v1/chat/completions", headers, body = "", agent, patienceMs = 60_000 }: Sent,
) {
  return new Promise<Received | undefined>((resolve) => {
    const sent = request({
      port,
      host: "127.0.0.1",
      method,
      path,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        authorization: `Bearer ${key}`,
        ...headers,
      },
      agent: agent ?? false,
      signal: AbortSignal.timeout(patienceMs),
    });
    sent.once("error", () => resolve(undefined));
    sent.once("response", (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece)).on("error", () => {});
      response.once("close", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces) }));
    });
    sent.end(body);
  });
}
