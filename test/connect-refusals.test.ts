import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { onlyOpenAi, sha256Hex, testApp } from "./support/app-on-fake-network.ts";

const service = "/qingyu.ai.AIService";
const types = ["application/json", "application/connect+json", "application/grpc-web+json"] as const;
type Type = (typeof types)[number];

/** A call that sends this text as its message, in the frames that its type wants. */
function call(type: Type, text: string, more: Record<string, string> = {}): { path: string; init: RequestInit } {
  const message = new TextEncoder().encode(text);
  const body = type === "application/json" ? message : new Uint8Array([0, 0, 0, 0, message.byteLength, ...message]);
  const method = type === "application/connect+json" ? "StreamGenerateContent" : "GenerateContent";
  return { path: `${service}/${method}`, init: { method: "POST", headers: { "content-type": type, ...more }, body } };
}

const headerOfCompression: Readonly<Record<Type, string>> = {
  "application/json": "content-encoding",
  "application/connect+json": "connect-content-encoding",
  "application/grpc-web+json": "grpc-encoding",
};
const headerOfTimeout = (type: Type) => (type === "application/grpc-web+json" ? "grpc-timeout" : "connect-timeout-ms");

/** A body that says nothing of its length. */
const chunked = ({ path, init }: ReturnType<typeof call>) => ({
  path,
  init: { ...init, body: new Response(init.body).body },
});

type Refusal = readonly [error: string, status: number, call: (type: Type) => ReturnType<typeof call>];
const refusals: Readonly<Record<string, Refusal>> = {
  "is compressed": ["unimplemented", 501, (type) => call(type, "{}", { [headerOfCompression[type]]: "br" })],
  "has no such time": ["invalid_argument", 400, (type) => call(type, "{}", { [headerOfTimeout(type)]: "soon" })],
  "is too large": [
    "payload_too_large",
    429,
    (type) => chunked(call(type, JSON.stringify({ prompt: "x".repeat(200) }))),
  ],
  "says that it is too large": ["payload_too_large", 429, (type) => call(type, "{}", { "content-length": "999" })],
  "asks for no method": ["unimplemented", 501, (type) => ({ ...call(type, "{}"), path: `${service}/Nothing` })],
  "has no model that there is": [
    "model_not_found",
    404,
    (type) => call(type, '{"prompt":"p","options":{"model":"x"}}'),
  ],
};
const rows = types.flatMap((type) =>
  Object.entries(refusals).map(([name, [error, status, make]]) => ({ type, name, error, status, ...make(type) })),
);

describe("a call that is refused before anybody is asked", () => {
  it.each(rows)("is written down as refused: $type, $name", async ({ type, path, init, error, status }) => {
    const settings = { ...onlyOpenAi, QINGYU_LIMITS_BODY_BYTES: "200", QINGYU_AI_MODELS: "gpt-*" };
    const answer = await testApp({ settings }).send(path, init);
    // Only unary Connect has HTTP say it too.
    expect(answer.status).toBe(type === "application/json" ? status : 200);
    const line = expect.objectContaining({ error, status, attempts: [] });
    expect(answer.log.map((text) => JSON.parse(text))).toEqual([line]);
  });

  it("is written down where its type is none of the method's", async () => {
    const { path, init } = call("application/json", "{}");
    const { status, log } = await testApp().send(path, { ...init, headers: { "content-type": "text/plain" } });
    expect([status, JSON.parse(log.at(-1) ?? "").error]).toEqual([415, "unsupported_media_type"]);
  });

  it.each(types)("is no failure of ours where its body breaks off: %s", async (type) => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.error(new Error("the connection broke")),
    });
    const { path, init } = call(type, "");
    const { status, log } = await testApp().send(path, { ...init, body });
    expect(status).toBe(type === "application/json" ? 499 : 200);
    expect(log.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ level: "info", error: "cancelled", status: 499 }),
    ]);
  });
});

it.each(types)("says each thing once where a call gets nowhere: %s", async (type) => {
  const locked = testApp({ settings: { ...onlyOpenAi, GATEWAY_API_KEYS: `a:${await sha256Hex("key-of-a")}` } });
  const unusable = testApp({ settings: { ...onlyOpenAi, QINGYU_AI_TEMPERATURE: "hot" } });
  const { path, init } = call(type, "{}");
  expect((await locked.send(path, init)).headers.get("x-should-retry")).toBe("false");
  const { headers } = await unusable.send(path, init);
  expect([headers.get("x-should-retry"), headers.get("retry-after")]).toEqual(["false", "60"]);
});

describe.each(["connect", "grpc-web"] as const)("what a client of %s reads of an error", (protocol) => {
  const transport = (app: ReturnType<typeof testApp>) => {
    const options = {
      baseUrl: "http://localhost",
      fetch: (url: RequestInfo | URL, init?: RequestInit) => app.fetch(String(url), init),
    };
    return protocol === "connect" ? createConnectTransport(options) : createGrpcWebTransport(options);
  };
  const busy = new Hono().all("*", (c) => c.json({ error: {} }, 429, { "retry-after": "60" }));
  const refusing: Readonly<Record<string, Parameters<typeof testApp>[0]>> = {
    "before its handler": { settings: { ...onlyOpenAi, QINGYU_AI_TEMPERATURE: "hot" } },
    "in its handler": { settings: onlyOpenAi, network: busy },
  };

  it.each(Object.entries(refusing))("says once when to ask again, refused %s", async (_, options) => {
    const client = createClient(AIService, transport(testApp(options)));
    const calls = [
      () => client.generateContent({ prompt: "p" }),
      () => Array.fromAsync(client.streamGenerateContent({ prompt: "p" })),
    ];
    for (const ask of calls) {
      const error = ConnectError.from(await ask().catch((thrown: unknown) => thrown));
      expect(error.metadata.get("retry-after")).toBe("60");
    }
  });
});

describe("what HTTP itself refuses", () => {
  const other = [...types, "application/proto", "application/connect+proto", "application/grpc-web"];

  it.each(other)("is told of a method in the protocol of %s, with 405 and Allow", async (type) => {
    const { status, headers, text } = await testApp().send(`${service}/GenerateContent`, {
      method: "DELETE",
      headers: { "content-type": type },
    });
    expect([status, headers.get("allow")]).toEqual([405, "POST"]);
    if (type.includes("grpc-web")) expect([headers.get("grpc-status"), text]).toEqual(["2", ""]);
    else expect(JSON.parse(text)).toEqual({ code: "unknown", message: "Use POST." });
  });

  it.each(other.slice(1))("is told of a path in the protocol of %s", async (type) => {
    const { status, headers, text, log } = await testApp().send("/other.Service/Method", {
      method: "POST",
      headers: { "content-type": type },
      body: "{}",
    });
    expect(status).toBe(404);
    if (type.includes("grpc-web")) expect([headers.get("grpc-status"), text]).toEqual(["12", ""]);
    else expect(JSON.parse(text)).toMatchObject({ code: "unimplemented" });
    expect(JSON.parse(log[0] ?? "")).toMatchObject({ error: "not_found", status: 404 });
  });

  it("is told to a client of Connect who sends JSON, and else as OpenAI does", async () => {
    const send = async (headers: Record<string, string>) =>
      (await testApp().post("/other.Service/Method", {}, headers)).json();
    expect(await send({ "connect-protocol-version": "1" })).toMatchObject({ code: "unimplemented" });
    expect(await send({})).toMatchObject({ error: { code: "not_found" } });
  });
});
