import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface Sample {
  /** Until the first byte of the body, which in a stream is the first token's event; in milliseconds. */
  readonly firstByteMs: number;
  readonly totalMs: number;
}

export interface LoadOptions {
  readonly port: number;
  readonly path: string;
  /** The body of the next request. */
  readonly bodyOf: () => string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly requests: number;
}

/** Sends requests over keep-alive connections, one at a time on each, and measures every one. Throws on an answer that is not 200. */
export async function load(options: LoadOptions): Promise<{ samples: Sample[]; elapsedMs: number }> {
  let next = 0;
  const samples: Sample[] = [];
  const sockets = await Promise.all(Array.from({ length: options.connections }, () => open(options.port)));
  const startedMs = performance.now();
  const run = async (socket: Socket) => {
    while (next++ < options.requests) samples.push(await exchange(socket, requestBytes(options)));
  };
  await Promise.all(sockets.map(run));
  const elapsedMs = performance.now() - startedMs;
  for (const socket of sockets) socket.destroy();
  return { samples, elapsedMs };
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").setNoDelay();
  await once(socket, "connect");
  return socket;
}

function requestBytes({ path, headers, bodyOf }: LoadOptions): Buffer {
  const body = Buffer.from(bodyOf());
  const all = { host: "bench", "content-type": "application/json", ...headers, "content-length": body.length };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

const endOfHead = Buffer.from("\r\n\r\n");
const lastChunk = Buffer.from("\r\n0\r\n\r\n");

/** One request and its whole answer, by length or in chunks. */
function exchange(socket: Socket, request: Buffer): Promise<Sample> {
  return new Promise((resolve, reject) => {
    const startedMs = performance.now();
    let firstByteMs = 0;
    let received = Buffer.alloc(0);
    let bodyStart = -1;
    let length = -1;
    const settle = (error?: Error) => {
      socket.off("data", read).off("close", close);
      if (error) reject(error);
      else resolve({ firstByteMs, totalMs: performance.now() - startedMs });
    };
    const close = () => settle(new Error("the connection was closed"));
    const read = (data: Buffer) => {
      received = received.length === 0 ? data : Buffer.concat([received, data]);
      if (bodyStart === -1) {
        const head = received.indexOf(endOfHead);
        if (head === -1) return;
        bodyStart = head + endOfHead.length;
        const text = received.toString("latin1", 0, head);
        if (!text.startsWith("HTTP/1.1 200")) return settle(new Error(received.toString().slice(0, 500)));
        length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? -1);
      }
      if (firstByteMs === 0 && received.length > bodyStart) firstByteMs = performance.now() - startedMs;
      const isWhole =
        length >= 0 ? received.length >= bodyStart + length : received.subarray(-lastChunk.length).equals(lastChunk);
      if (isWhole) settle();
    };
    socket.on("data", read).on("close", close);
    socket.write(request);
  });
}
