/** The providers, as fast as they can be: answers made beforehand, on a raw socket. Prints its port. Run by bench/run.ts. */
import { createServer } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { GenerateContentResponseSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { answerText } from "./payload.ts";

const completion = JSON.stringify({
  id: "chatcmpl-mock",
  object: "chat.completion",
  created: 1,
  model: "gpt-4o",
  choices: [{ index: 0, message: { role: "assistant", content: answerText }, finish_reason: "stop" }],
  usage: { prompt_tokens: 500, completion_tokens: 300, total_tokens: 800 },
});
const message = toBinary(
  GenerateContentResponseSchema,
  create(GenerateContentResponseSchema, { content: answerText, model: "mock", tokensUsed: 800, finishReason: "stop" }),
);

const chunk = (delta: object, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ id: "chatcmpl-mock", object: "chat.completion.chunk", created: 1, model: "gpt-4o", choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
const pieces = answerText.match(/.{1,4}/gsu) ?? [];
const events = [
  ...pieces.map((content) => chunk({ content })),
  chunk({}, "stop"),
  'data: {"choices":[],"usage":{"prompt_tokens":500,"completion_tokens":300,"total_tokens":800}}\n\n',
  "data: [DONE]\n\n",
];

const whole = (type: string, body: Uint8Array | string) => {
  const bytes = Buffer.from(body);
  return Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${bytes.length}\r\n\r\n`),
    bytes,
  ]);
};
const httpChunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

const plainAnswer = whole("application/json", completion);
const connectAnswer = whole("application/proto", message);
const streamedAnswer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n${events.map(httpChunk).join("")}0\r\n\r\n`,
);

const server = createServer((socket) => {
  let pending = Buffer.alloc(0);
  socket.setNoDelay().on("error", () => socket.destroy());
  socket.on("data", (data) => {
    pending = pending.length === 0 ? data : Buffer.concat([pending, data]);
    for (;;) {
      const end = wholeRequest(pending);
      if (end === -1) return;
      const request = pending.subarray(0, end);
      pending = pending.subarray(end);
      if (request.includes("/qingyu.ai.AIService/")) socket.write(connectAnswer);
      else socket.write(request.includes('"stream":true') ? streamedAnswer : plainAnswer);
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
