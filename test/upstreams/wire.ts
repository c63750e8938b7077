import type { Socket } from "node:net";
import { marker } from "./texts.ts";

/** A connection as an upstream writes to it, byte by byte where it must. Every connection serves one request. */
export interface Wire {
  /** Settles when the client has gone or we have ended. */
  readonly closed: Promise<void>;
  readonly isOpen: boolean;
  /** Begins an answer: with its length, in chunks, or as what comes until the connection closes. */
  head(
    status: number,
    contentType: string,
    headers?: Readonly<Record<string, string>>,
    length?: number | "until-close",
  ): Promise<void>;
  send(bytes: Uint8Array): Promise<void>;
  /** Sends chunks that are framed already. */
  sendAsItIs(chunks: Uint8Array): Promise<void>;
  /** Ends the answer as HTTP wants it. */
  finish(): Promise<void>;
  /** Ends the connection, not the answer. */
  close(): void;
  /** The same with a TCP reset. */
  reset(): void;
}

/** What no upstream may slip into an answer. */
const markedHeaders = {
  server: marker,
  "x-request-id": marker,
  "x-marker": marker,
  "set-cookie": `session=${marker}`,
  "openai-organization": marker,
  "www-authenticate": `Bearer realm="${marker}"`,
};

/** Each byte as a chunk of its own. */
export function inCrumbs(bytes: Uint8Array): Uint8Array {
  const chunks = Buffer.alloc(6 * bytes.byteLength, "1\r\n.\r\n");
  for (const [index, byte] of bytes.entries()) chunks[6 * index + 3] = byte;
  return chunks;
}

/** A write that takes longer than this waits for a client that does not read. */
const stalledAfterMs = 300;

interface Watcher {
  /** We are about to end the connection ourselves. */
  readonly onEnd: () => void;
  readonly onStall: () => void;
}

export function wireOn(socket: Socket, { onEnd, onStall }: Watcher): Wire {
  let isChunked = false;
  socket.setNoDelay(true);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.once("close", () => resolve());
  const write = async (bytes: Uint8Array | string) => {
    if (!socket.writable) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.write(bytes, () => resolve());
    const timer = setTimeout(onStall, stalledAfterMs);
    await Promise.race([promise, closed]);
    clearTimeout(timer);
  };
  return {
    closed,
    get isOpen() {
      return socket.writable;
    },
    async head(status, contentType, headers = {}, length) {
      isChunked = length === undefined;
      const framing: Record<string, string> = isChunked
        ? { "transfer-encoding": "chunked" }
        : length === "until-close"
          ? {}
          : { "content-length": String(length) };
      const type: Record<string, string> = contentType === "" ? {} : { "content-type": contentType };
      const lines = Object.entries({ ...markedHeaders, ...type, ...framing, ...headers, connection: "close" });
      await write(
        `HTTP/1.1 ${status} ${marker}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`,
      );
    },
    async send(bytes) {
      if (bytes.byteLength === 0) return;
      if (!isChunked) return await write(bytes);
      await write(Buffer.concat([Buffer.from(`${bytes.byteLength.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]));
    },
    sendAsItIs: write,
    async finish() {
      onEnd();
      if (isChunked) await write("0\r\n\r\n");
      socket.end();
    },
    close() {
      onEnd();
      socket.end();
    },
    reset() {
      onEnd();
      socket.resetAndDestroy();
    },
  };
}
