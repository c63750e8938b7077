import { describe, expect, it } from "vitest";
import { fakeOpenAi, onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";

/** How much a body may have in it, beside how long it may be. What more would do is in `test/attacks/`. */

const chat = "/v1/chat/completions";
const generate = "/api/v1/ai/generate";
const list = (item: string, count: number) => `[${Array.from({ length: count }, () => item).join(",")}]`;
const members = (count: number) => Array.from({ length: count }, (_, index) => `"k${index}":0`).join(",");
const chatWith = (member: string) => `{"messages":[{"role":"user","content":"Hi"}],${member}}`;

interface Refused {
  readonly body: string;
  readonly path?: string;
  readonly error: { readonly param?: string; readonly code: string; readonly message: string };
}

const tooMany = { code: "invalid_json", message: "The body has too many values in it." };
const tooLarge = { code: "invalid_json", message: "The body has a number that is too large." };
const wrongMessages = `{"messages":${list('{"role":1}', 2048)}}`;
const refused: Readonly<Record<string, Refused>> = {
  objects: { body: `{"messages":${list("{}", 50_000)}}`, error: tooMany },
  "objects, to purge": { body: `{"messages":${list("{}", 50_000)}}`, path: "/api/v1/ai/cache/purge", error: tooMany },
  strings: { body: chatWith(`"stop":${list('""', 50_000)}`), error: tooMany },
  members: { body: chatWith(`"tools":${list(`{${members(2000)}}`, 25)}`), error: tooMany },
  "members of one object": {
    body: `{${members(2049)}}`,
    path: generate,
    error: { code: "invalid_json", message: "The body has more than 2048 members in an object." },
  },
  numbers: { body: `{"input":${list("1", 500_001)}}`, path: "/v1/embeddings", error: tooMany },
  messages: {
    body: `{"messages":${list("{}", 2049)}}`,
    error: {
      code: "invalid_value",
      param: "messages",
      message: "The field 'messages' must be at most 2048 items long.",
    },
  },
  "messages to generate": {
    body: `{"projectId":"p","messages":${list("{}", 2049)}}`,
    path: generate,
    error: { code: "invalid_value", message: "The field 'messages' must be at most 2048 items long." },
  },
  "stop words": {
    body: chatWith(`"stop":${list("1", 17)}`),
    error: { code: "invalid_value", param: "stop", message: "The field 'stop' must be at most 16 items long." },
  },
  "wrong messages": {
    body: wrongMessages,
    error: { code: "invalid_value", param: "messages[0].role", message: expect.stringContaining("must be one of") },
  },
  digits: { body: chatWith(`"x":[${"9".repeat(309)}]`), error: tooLarge },
  "an exponent": { body: chatWith('"x":{"y":[-1e400]}'), error: tooLarge },
  "an exponent with a sign, to embed": { body: '{"input":"Hi","x":1E+400}', path: "/v1/embeddings", error: tooLarge },
  "an exponent, in a known field": { body: chatWith('"temperature":1e309'), error: tooLarge },
};

describe("a body is refused for", () => {
  it.each(Object.entries(refused))("%s", async (_, { body, path = chat, error }) => {
    const answer = await testApp().post(path, body, { "accept-language": "en" });
    const { code, param, message } = error;
    expect(answer.status).toBe(400);
    const told = path.startsWith("/v1")
      ? { error: { code, message, ...(param && { param }) } }
      : { error: code, message };
    expect(answer.json()).toMatchObject(told);
  });
});

it.each([
  [
    "2,048 messages of three parts",
    `{"messages":${list('{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"x"},{"type":"x"}]}', 2048)}}`,
  ],
  ["2,048 members in an object", chatWith(`"logit_bias":{${members(2048)}}`)],
  ["numbers that only look too large", chatWith(`"x":[1e308,1e-400,-0.5E-7,"1e400","${"9".repeat(400)}"]`)],
])("a body is taken with %s", async (_, body) => {
  const { network, seen } = fakeOpenAi();
  const answer = await testApp({ network }).post(chat, body);
  expect([answer.status, seen.length]).toEqual([200, 1]);
});

it.each([
  [chat, "application/json", 408, '"code":"request_timeout"'],
  ["/v1/embeddings", "application/json", 408, '"code":"request_timeout"'],
  [generate, "application/json", 408, '"code":1001'],
  ["/api/v1/ai/cache/purge", "application/json", 408, '"code":1001'],
  ["/qingyu.ai.AIService/EmbedText", "application/json", 504, '"code":"deadline_exceeded"'],
  ["/qingyu.ai.AIService/HealthCheck", "application/proto", 504, '"code":"deadline_exceeded"'],
  ["/qingyu.ai.AIService/StreamGenerateContent", "application/connect+json", 200, '"code":"deadline_exceeded"'],
  ["/qingyu.ai.AIService/GenerateContent", "application/grpc-web+proto", 200, "grpc-status: 4"],
])("a body that does not come to its end is not waited for: %s as %s", async (path, type, status, told) => {
  const { send } = testApp({ settings: { ...onlyOpenAi, QINGYU_DEADLINES_REQUEST_MS: "20" } });
  const body = new ReadableStream({ start: (pieces) => pieces.enqueue(new Uint8Array([0x7b])) });
  const answer = await send(path, { method: "POST", headers: { "content-type": type }, body });
  expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(told)]);
  expect(answer.log.map((line) => JSON.parse(line).error)).toEqual(["request_timeout"]);
});
