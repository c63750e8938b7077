import { describe, expect, it } from "vitest";
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

const refusals: Readonly<Record<string, readonly [error: string, call: (type: Type) => ReturnType<typeof call>]>> = {
  "is no message": ["invalid_argument", (type) => call(type, "{")],
  "is compressed": ["unimplemented", (type) => call(type, "{}", { [headerOfCompression[type]]: "gzip" })],
  "has no such time": ["invalid_argument", (type) => call(type, "{}", { [headerOfTimeout(type)]: "soon" })],
  "is too large": ["resource_exhausted", (type) => chunked(call(type, JSON.stringify({ prompt: "x".repeat(200) })))],
  "asks for no method": ["unimplemented", (type) => ({ ...call(type, "{}"), path: `${service}/Nothing` })],
};
const rows = types.flatMap((type) =>
  Object.entries(refusals).map(([name, [error, make]]) => ({ type, name, error, ...make(type) })),
);

describe("a call that Connect refuses before anybody is asked", () => {
  it.each(rows)("is written down as refused: $type, $name", async ({ path, init, error }) => {
    const settings = { ...onlyOpenAi, QINGYU_LIMITS_BODY_BYTES: "200" };
    const { log } = await testApp({ settings }).send(path, init);
    expect(log.map((line) => JSON.parse(line))).toEqual([expect.objectContaining({ error, attempts: [] })]);
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
      expect.objectContaining({ level: "info", error: "cancelled" }),
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
