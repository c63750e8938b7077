import { create, toBinary } from "@bufbuild/protobuf";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { expect, it } from "vitest";
import { GenerateContentRequestSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { fakeOpenAi, testApp } from "./support/app-on-fake-network.ts";

const service = "/qingyu.ai.AIService";
const jsonTypes = ["application/json", "application/connect+json", "application/grpc-web+json"] as const;
const binaryTypes = [
  "application/proto",
  "application/connect+proto",
  "application/grpc-web+proto",
  "application/grpc-web",
] as const;
type Type = (typeof jsonTypes | typeof binaryTypes)[number];

interface Call {
  readonly path: string;
  readonly init: RequestInit;
}

const utf8 = new TextEncoder();
const isUnary = (type: Type) => type === "application/json" || type === "application/proto";

/** A call whose body this is. */
function callOf(type: Type, body: BodyInit, more: Record<string, string> = {}): Call {
  const method = type.startsWith("application/connect+") ? "StreamGenerateContent" : "GenerateContent";
  return { path: `${service}/${method}`, init: { method: "POST", headers: { "content-type": type, ...more }, body } };
}

/** A call whose message this is, in the frame that its type wants. */
function call(type: Type, message: string | Uint8Array, more?: Record<string, string>): Call {
  const bytes = typeof message === "string" ? utf8.encode(message) : message;
  return callOf(type, isUnary(type) ? bytes : encodeEnvelope(0, bytes), more);
}

const nestedGroups = new Uint8Array(101).fill(0x3b);
const emptyMessages = new Uint8Array(3 * 50_001).map((_, index) => [0xa2, 0x06, 0x00][index % 3] ?? 0);
const unknownFields = new Uint8Array(2 * 50_001).map((_, index) => [0x38, 0x01][index % 2] ?? 0);
const notANumber = create(GenerateContentRequestSchema, { prompt: "Hi", options: { temperature: Number.NaN } });

/** What is sent as a message, and what its sender is told: the code that is logged, and the words. */
const notJson: Readonly<Record<string, readonly [message: string | Uint8Array, code: string, words: string]>> = {
  "no JSON": ["{", "invalid_json", "The body is not valid JSON."],
  "not UTF-8": [new Uint8Array([0x22, 0xff, 0x22]), "invalid_json", "The body is not UTF-8."],
  "half a surrogate pair": ['{"prompt":"\\ud83d"}', "invalid_json", "The body has an unpaired surrogate in a string."],
  "too many values": [`{"x":[${"{},".repeat(50_000)}{}]}`, "invalid_json", "The body has too many values in it."],
  "too deep": [`{"x":${"[".repeat(101)}`, "invalid_json", "The body is nested more than 100 levels deep."],
  "a number too large": ['{"x":1e400}', "invalid_json", "The body has a number that is too large."],
  "no object": ['["secret"]', "invalid_value", "The body is not the method's message."],
  "a field of another type": [
    '{"options":{"maxTokens":"secret"}}',
    "invalid_value",
    "The field 'max_tokens' is not of its type.",
  ],
  "not a number": [
    '{"prompt":"Hi","options":{"temperature":"NaN"}}',
    "invalid_value",
    "The field 'options.temperature' must be a number.",
  ],
};
const invalid = "The message is not the method's.";
const notBinary: typeof notJson = {
  "a length beyond the end": [new Uint8Array([0x1a, 0x05]), "invalid_protobuf", invalid],
  "an endless varint": [new Uint8Array(12).fill(0xff), "invalid_protobuf", invalid],
  "not UTF-8": [new Uint8Array([0x1a, 0x01, 0xff]), "invalid_protobuf", invalid],
  "a field of another wire type": [new Uint8Array([0x18, 0x00]), "invalid_protobuf", invalid],
  "a group without an end": [new Uint8Array([0x3b, 0x38, 0x01]), "invalid_protobuf", invalid],
  "a group too deep": [nestedGroups, "invalid_protobuf", "The message has too many fields in it."],
  "too many messages": [emptyMessages, "invalid_protobuf", "The message has too many fields in it."],
  "too many unknown fields": [unknownFields, "invalid_protobuf", "The message has too many fields in it."],
  "not a number": [
    toBinary(GenerateContentRequestSchema, notANumber),
    "invalid_value",
    "The field 'options.temperature' must be a number.",
  ],
};

const frame = encodeEnvelope(0, utf8.encode("{}"));
const brokenFrames: Readonly<Record<string, Uint8Array>> = {
  "half a head": frame.subarray(0, 3),
  "half a frame": frame.subarray(0, 6),
  "a frame of 4 GiB": new Uint8Array([0, 0xff, 0xff, 0xff, 0xff]),
};
/** Of which Connect's conformance suite asks for other codes. */
const otherFrames: readonly (readonly [name: string, body: Uint8Array, code: string, grpcStatus: number])[] = [
  ["no frame", new Uint8Array(), "unimplemented", 12],
  ["two frames", new Uint8Array([...frame, ...frame]), "unimplemented", 12],
  ["a compressed frame", encodeEnvelope(1, utf8.encode("{}")), "internal", 13],
];

const wrong = [
  ...jsonTypes.flatMap((type) => Object.entries(notJson).map(([name, row]) => ({ type, name, row }))),
  ...binaryTypes.flatMap((type) => Object.entries(notBinary).map(([name, row]) => ({ type, name, row }))),
].map(({ type, name, row: [message, code, words] }) => ({ type, name, code, words, ...call(type, message) }));
const unframed = [...jsonTypes, ...binaryTypes]
  .filter((type) => !isUnary(type))
  .flatMap((type) => Object.entries(brokenFrames).map(([name, body]) => ({ type, name, ...callOf(type, body) })))
  .map((row) => ({ ...row, code: "invalid_frame", words: "The body ends within a frame." }));

it.each([...wrong, ...unframed])("a message is an invalid argument in our words: $type, $name", async (row) => {
  const { path, init, type, code, words } = row;
  const { status, text, log } = await testApp().send(path, init);
  if (type.startsWith("application/grpc-web")) {
    expect(text).toContain("grpc-status: 3\r\n");
    expect(decodeURIComponent(text)).toContain(`grpc-message: ${words}\r\n`);
  } else {
    expect(JSON.parse(text.slice(text.indexOf("{")))).toMatchObject(
      isUnary(type)
        ? { code: "invalid_argument", message: words }
        : { error: { code: "invalid_argument", message: words } },
    );
  }
  expect(text).not.toContain("secret");
  expect(status).toBe(isUnary(type) ? 400 : 200);
  expect(log.map((line) => JSON.parse(line))).toEqual([expect.objectContaining({ error: code, level: "info" })]);
});

it.each(
  otherFrames.flatMap(([name, body, code, grpcStatus]) =>
    (["application/connect+json", "application/grpc-web+proto"] as const).map((type) => {
      const told = type === "application/connect+json" ? `"code":"${code}"` : `grpc-status: ${grpcStatus}\r\n`;
      return { type, name, code, told, ...callOf(type, body) };
    }),
  ),
)("a body is not one message: $type, $name", async ({ path, init, code, told }) => {
  const { text, log } = await testApp().send(path, init);
  expect(text).toContain(told);
  expect(log.map((line) => JSON.parse(line))).toEqual([expect.objectContaining({ error: code, level: "info" })]);
});

it.each([...jsonTypes, ...binaryTypes])("a message may have what its type does not know: %s", async (type) => {
  const json = JSON.stringify({ prompt: "Hi", stranger: [1] });
  const binary = toBinary(GenerateContentRequestSchema, create(GenerateContentRequestSchema, { prompt: "Hi" }));
  const message = type.endsWith("json") ? json : new Uint8Array([...binary, 0x38, 0x01, 0x3b, 0x38, 0x01, 0x3c]);
  const { network, seen } = fakeOpenAi();
  const { path, init } = call(type, message, { "cache-control": "no-store" });
  expect((await testApp({ network }).send(path, init)).text).toContain("青");
  expect(seen.length).toBe(1);
});
