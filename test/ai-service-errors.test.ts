import { Buffer } from "node:buffer";
import { create, toBinary } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { GenerateContentResponseSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { testApp } from "./support/app-on-fake-network.ts";
import { requestTo } from "./support/surfaces.ts";
import { frame } from "./upstreams/ai-service-dialects.ts";

const utf8 = new TextEncoder();
const trailers = (text: string) => frame(0x80, utf8.encode(text));
const message = frame(
  0,
  toBinary(
    GenerateContentResponseSchema,
    create(GenerateContentResponseSchema, { content: "青羽", finishReason: "stop" }),
  ),
);
const grpcWeb = { "content-type": "application/grpc-web+proto" };
const connectJson = { "content-type": "application/json" };
const connectStream = { "content-type": "application/connect+proto" };

/** What came of an AI service that answers so: the attempt's outcome, and what the caller is told of when to ask again. */
async function outcomeOf(
  protocol: "connect" | "grpc-web",
  stream: boolean,
  [status, headers, ...body]: readonly [number, Record<string, string>, ...Uint8Array[]],
) {
  const network = new Hono().post("*", () => new Response(Buffer.concat(body), { status, headers }));
  const provider = { name: "ai", type: "ai-service", protocol, baseUrl: "https://ai.test" };
  const settings = { AI_PROVIDERS: [provider], QINGYU_CACHE_ENABLED: "false" };
  const { path, init } = requestTo("openai", stream, "errors");
  const answer = await testApp({ network, settings }).send(path, init);
  return { outcome: answer.headers.get("x-qingyu-attempts")?.split(", ").at(-1), headers: answer.headers };
}

describe("an error of a unary Connect call", () => {
  it.each([
    ["says more than 501", 501, { code: "unavailable" }, "ai:unavailable"],
    ["says what 501 says", 501, { code: "unimplemented", message: "no" }, "ai:unimplemented"],
    ["has no code beside 501", 501, {}, "ai:unimplemented"],
    ["is no error beside 501", 501, [], "ai:unimplemented"],
    ["says more than 500", 500, { code: "resource_exhausted" }, "ai:rate_limited"],
  ])("%s", async (_, status, body, outcome) => {
    const bytes = utf8.encode(JSON.stringify(body));
    expect(await outcomeOf("connect", false, [status, connectJson, bytes])).toMatchObject({ outcome });
  });

  it("is 501 alone where the body is none of Connect's", async () => {
    const answer = [501, { "content-type": "text/html" }, utf8.encode("<html>")] as const;
    expect(await outcomeOf("connect", false, answer)).toMatchObject({ outcome: "ai:unimplemented" });
  });

  it("says when to ask again, also where its body cannot be read", async () => {
    const { headers } = await outcomeOf("connect", false, [
      503,
      { ...connectJson, "retry-after": "7" },
      utf8.encode("-"),
    ]);
    expect(headers.get("retry-after")).toBe("7");
  });
});

describe("the details of an error", () => {
  const field = (number: number, bytes: Uint8Array) => Uint8Array.of((number << 3) | 2, bytes.length, ...bytes);
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64").replace(/=+$/, "");
  const info = (reason: string) => Uint8Array.of(...field(1, utf8.encode(reason)), ...field(2, utf8.encode("ai.test")));
  // 34.5 seconds.
  const retry = field(1, Uint8Array.of(0x08, 34, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01));
  const details = [
    ["google.rpc.ErrorInfo", info("CONTEXT_LENGTH_EXCEEDED"), "invalid_argument", "context_length_exceeded"],
    ["google.rpc.ErrorInfo", info("content_filter"), "invalid_argument", "content_filter"],
    ["google.rpc.ErrorInfo", info("MODEL_NOT_FOUND"), "failed_precondition", "model_not_found"],
    ["google.rpc.ErrorInfo", info("QUOTA_EXHAUSTED"), "resource_exhausted", "quota_exhausted"],
    ["google.rpc.ErrorInfo", info("SOMETHING_ELSE"), "invalid_argument", "invalid_request"],
    ["google.rpc.ErrorInfo", Uint8Array.of(0x0a, 0x7f), "invalid_argument", "invalid_request"],
    ["another.ErrorInfo", info("CONTENT_FILTER"), "resource_exhausted", "rate_limited"],
  ] as const;

  it.each(details)("say what it is: %s %s in %s", async (type, value, code, outcome) => {
    const error = { code, message: "no", details: [{ type, value: base64(value) }] };
    const unary = [400, connectJson, utf8.encode(JSON.stringify(error))] as const;
    expect(await outcomeOf("connect", false, unary)).toMatchObject({ outcome: `ai:${outcome}` });
    const streamed = [200, connectStream, frame(2, utf8.encode(JSON.stringify({ error })))] as const;
    expect(await outcomeOf("connect", true, streamed)).toMatchObject({ outcome: `ai:${outcome}` });
    const any = Uint8Array.of(...field(1, utf8.encode(`type.googleapis.com/${type}`)), ...field(2, value));
    const number = { invalid_argument: 3, failed_precondition: 9, resource_exhausted: 8 }[code];
    const status = base64(Uint8Array.of(0x08, number, ...field(3, any)));
    const inTrailers = trailers(`grpc-status: ${number}\r\ngrpc-status-details-bin: ${status}\r\n`);
    expect(await outcomeOf("grpc-web", true, [200, grpcWeb, inTrailers])).toMatchObject({ outcome: `ai:${outcome}` });
  });

  it("say when to ask again", async () => {
    const error = { code: "resource_exhausted", details: [{ type: "google.rpc.RetryInfo", value: base64(retry) }] };
    const { outcome, headers } = await outcomeOf("connect", false, [
      429,
      connectJson,
      utf8.encode(JSON.stringify(error)),
    ]);
    expect([outcome, headers.get("retry-after")]).toEqual(["ai:rate_limited", "35"]);
  });
});

describe("an error over gRPC-Web", () => {
  const busy = { ...grpcWeb, "grpc-status": "8" };

  it.each<[string, string, ...Parameters<typeof outcomeOf>[2]]>([
    ["stands in the headers of an answer without a body", "rate_limited", 200, busy],
    ["stands in the headers where the trailers are empty", "rate_limited", 200, busy, trailers("")],
    ["stands in the trailers where both have a status", "unavailable", 200, busy, trailers("grpc-status: 14\r\n")],
    [
      "is kept with a broken percent sign in its message",
      "rate_limited",
      200,
      { ...busy, "grpc-message": "100% busy" },
    ],
    ["is kept so in trailers", "rate_limited", 200, grpcWeb, trailers("grpc-status: 8\r\ngrpc-message: %E0%A4%A\r\n")],
    ["is kept so beside HTTP's status", "unavailable", 503, { ...busy, "grpc-message": "%" }],
    ["is kept with details that are none", "rate_limited", 200, { ...busy, "grpc-status-details-bin": "***" }],
    [
      "has a message of which the first word counts, broken or not",
      "context_length_exceeded",
      200,
      { ...grpcWeb, "grpc-status": "3", "grpc-message": "context_length_exceeded: at 101%" },
    ],
    ["is no status at all where only empty trailers come", "malformed", 200, grpcWeb, trailers("")],
    [
      "is a torn answer where the headers say that all is well",
      "truncated",
      200,
      { ...grpcWeb, "grpc-status": "0" },
      message,
    ],
  ])("%s: %s", async (_, outcome, ...answer) => {
    expect(await outcomeOf("grpc-web", false, answer)).toMatchObject({ outcome: `ai:${outcome}` });
  });

  it("does not stand in the headers where trailers say that all is well", async () => {
    const answer = [200, { ...grpcWeb, "grpc-status": "0" }, message, trailers("grpc-status: 0\r\n")] as const;
    expect(await outcomeOf("grpc-web", false, answer)).toMatchObject({ outcome: "ai:ok" });
  });
});

describe.each([
  [
    "connect",
    connectStream,
    frame(2, utf8.encode('{"error":{"code":"resource_exhausted"},"metadata":{"retry-after":["7"]}}')),
  ],
  ["grpc-web", grpcWeb, trailers("grpc-status: 8\r\nretry-after: 7\r\n")],
] as const)("a stream over %s", (protocol, headers, end) => {
  it("may say when to ask again in its headers and at its end", async () => {
    const told = await outcomeOf(protocol, true, [200, { ...headers, "retry-after": "7" }, end]);
    expect([told.outcome, told.headers.get("retry-after")]).toEqual(["ai:rate_limited", "7"]);
  });

  it("that is compressed is no answer, and nothing that the service said", async () => {
    const name = protocol === "connect" ? "connect-content-encoding" : "grpc-encoding";
    const told = await outcomeOf(protocol, true, [200, { ...headers, [name]: "zstd" }, end]);
    expect(told.outcome).toBe("ai:malformed");
  });
});
