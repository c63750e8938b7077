/** The providers, as fast as they can be: answers made beforehand, on a raw socket. Prints its port. Run by mock-process.ts. */
import { createServer, type Socket } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { GenerateContentChunkSchema, GenerateContentResponseSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { answerText, streams } from "./payload.ts";

const usage = { prompt_tokens: 500, completion_tokens: 300, total_tokens: 800 };
const completion = JSON.stringify({
  id: "chatcmpl-mock",
  object: "chat.completion",
  created: 1,
  model: "gpt-4o",
  choices: [{ index: 0, message: { role: "assistant", content: answerText }, finish_reason: "stop" }],
  usage,
});
const message = toBinary(
  GenerateContentResponseSchema,
  create(GenerateContentResponseSchema, { content: answerText, model: "mock", tokensUsed: 800, finishReason: "stop" }),
);

/** The messages of a stream: one for each piece, and what ends it. */
interface Messages {
  readonly pieces: readonly Buffer[];
  readonly end: Buffer;
}

function openAiEvents(pieces: readonly string[]): Messages {
  const event = (data: string) => Buffer.from(`data: ${data}\n\n`);
  const chunk = (delta: object, finish_reason: string | null = null) => {
    const choices = [{ index: 0, delta, finish_reason }];
    return event(
      JSON.stringify({ id: "chatcmpl-mock", object: "chat.completion.chunk", created: 1, model: "gpt-4o", choices }),
    );
  };
  const usageEvent = event(JSON.stringify({ choices: [], usage }));
  return {
    pieces: pieces.map((content) => chunk({ content })),
    end: Buffer.concat([chunk({}, "stop"), usageEvent, event("[DONE]")]),
  };
}

/** Connect's envelopes: flags, length, message (https://connectrpc.com/docs/protocol#streaming-rpcs). */
function connectFrames(pieces: readonly string[]): Messages {
  const frame = (flags: number, body: Uint8Array) => {
    const head = Buffer.alloc(5);
    head.writeUInt8(flags, 0);
    head.writeUInt32BE(body.length, 1);
    return Buffer.concat([head, body]);
  };
  const chunk = (fields: { delta?: string; finishReason?: string }) =>
    frame(0, toBinary(GenerateContentChunkSchema, create(GenerateContentChunkSchema, { model: "mock", ...fields })));
  return {
    pieces: pieces.map((delta) => chunk({ delta })),
    end: Buffer.concat([chunk({ finishReason: "stop" }), frame(2, Buffer.from("{}"))]),
  };
}

function whole(type: string, body: Uint8Array | string): Buffer {
  const bytes = Buffer.from(body);
  const head = `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
}

/** A streamed answer's writes: the head with the first piece, then each piece as an HTTP chunk, and the end with the body's. */
function streamed(type: string, { pieces, end }: Messages): Buffer[] {
  const head = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`);
  const chunk = (bytes: Buffer) =>
    Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
  const [first = Buffer.alloc(0), ...rest] = pieces.map(chunk);
  return [Buffer.concat([head, first]), ...rest, Buffer.concat([chunk(end), Buffer.from("0\r\n\r\n")])];
}

interface Paced {
  readonly model: string;
  readonly paceMs: number;
  readonly writes: readonly Buffer[];
}

/** What a provider has to say to each kind of request. */
function answers(plain: Buffer, type: string, encode: (pieces: readonly string[]) => Messages) {
  const kinds = Object.values(streams).map(({ model, paceMs, pieces }): Paced => {
    const writes = streamed(type, encode(pieces));
    return { model, paceMs, writes: paceMs === 0 ? [Buffer.concat(writes)] : writes };
  });
  return { plain, kinds };
}
const openAi = answers(whole("application/json", completion), "text/event-stream", openAiEvents);
const aiService = answers(whole("application/proto", message), "application/connect+proto", connectFrames);

function answer(socket: Socket, request: Buffer): void {
  const isConnect = request.includes("/qingyu.ai.AIService/");
  const isStream = request.includes(isConnect ? "/StreamGenerateContent" : '"stream":true');
  const { plain, kinds } = isConnect ? aiService : openAi;
  const kind = kinds.find(({ model }) => request.includes(model));
  if (isStream && kind) send(socket, kind);
  else socket.write(plain);
}

function send(socket: Socket, kind: Paced, sent = 0): void {
  const next = kind.writes[sent];
  if (!next || socket.destroyed) return;
  socket.write(next);
  setTimeout(send, kind.paceMs, socket, kind, sent + 1);
}

const server = createServer((socket) => {
  let pending = Buffer.alloc(0);
  socket.setNoDelay().on("error", () => socket.destroy());
  socket.on("data", (data) => {
    pending = pending.length === 0 ? data : Buffer.concat([pending, data]);
    for (;;) {
      const end = wholeRequest(pending);
      if (end === -1) return;
      answer(socket, pending.subarray(0, end));
      pending = pending.subarray(end);
    }
  });
});

/** Where the first request of the bytes ends; -1 while it is not whole. */
function wholeRequest(bytes: Buffer): number {
  const head = bytes.indexOf("\r\n\r\n");
  if (head === -1) return -1;
  const text = bytes.toString("latin1", 0, head);
  const length = /content-length: (\d+)/i.exec(text)?.[1];
  if (length !== undefined) return bytes.length >= head + 4 + Number(length) ? head + 4 + Number(length) : -1;
  if (!/transfer-encoding: chunked/i.test(text)) return head + 4;
  const last = bytes.indexOf("0\r\n\r\n", head);
  return last === -1 ? -1 : last + 5;
}

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address) console.log(address.port);
});
