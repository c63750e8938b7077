import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Buffer } from "node:buffer";
import { create, toBinary } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { GenerateContentChunkSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { testApp } from "./support/app-on-fake-network.ts";
import { readBody } from "./support/body.ts";
import { requestTo } from "./support/surfaces.ts";
import { frame } from "./upstreams/ai-service-dialects.ts";

const protocols = [
  { protocol: "connect", contentType: "application/connect+proto", endFlag: 2, end: "{}" },
  { protocol: "grpc-web", contentType: "application/grpc-web+proto", endFlag: 0x80, end: "grpc-status: 0\r\n" },
] as const;

const utf8 = new TextEncoder();
const message = (delta: string) =>
  frame(0, toBinary(GenerateContentChunkSchema, create(GenerateContentChunkSchema, { delta })));
const joined = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

/** The writes to a caller whose AI service sends these pieces, each in a read of its own. */
async function writesFor({ protocol, contentType }: (typeof protocols)[number], pieces: readonly Uint8Array[]) {
  const network = new Hono().post("*", () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const piece of pieces) controller.enqueue(piece);
        controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": contentType } });
  });
  const provider = { name: "ai", type: "ai-service", protocol, baseUrl: "https://ai.test" };
  const settings = { AI_PROVIDERS: [provider], QINGYU_CACHE_ENABLED: "false" };
  const { path, init } = requestTo("openai", true, "frames");
  const request = new Request(new URL(path, "http://localhost"), init);
  const response = await testApp({ network, settings }).app.fetch(request, env, createExecutionContext());
  const decoder = new TextDecoder();
  return (await readBody(response)).pieces.map((bytes) => decoder.decode(bytes));
}

function contentOf(text: string): string {
  return [...text.matchAll(/"content":"([^"]+)"/g)].map(([, content]) => content).join("");
}

describe.each(protocols)("frames: $protocol", (dialect) => {
  const end = frame(dialect.endFlag, utf8.encode(dialect.end));

  it("are read wherever a piece of the body ends", async () => {
    const bytes = joined(message("青"), message("羽🪶"), end);
    for (let at = 0; at <= bytes.byteLength; at++) {
      const text = (await writesFor(dialect, [bytes.slice(0, at), bytes.slice(at)])).join("");
      expect([at, contentOf(text), text.endsWith("data: [DONE]\n\n")]).toEqual([at, "青羽🪶", true]);
    }
  });

  it("leave together where they came together", async () => {
    const [first] = await writesFor(dialect, [joined(message("1"), message("2"), message("3")), end]);
    expect(contentOf(first ?? "")).toBe("123");
  });

  it("are handed out that came with what is wrong", async () => {
    for (const wrong of [frame(1, message("2")), frame(0, Uint8Array.of(0x0a, 0x7f))]) {
      const text = (await writesFor(dialect, [joined(message("1"), wrong)])).join("");
      expect([contentOf(text), text.includes('"upstream_bad_response"')]).toEqual(["1", true]);
    }
  });

  it("may be long and come in many pieces", async () => {
    const long = "字".repeat(50_000);
    const bytes = joined(message(long), end);
    const pieces = Array.from({ length: Math.ceil(bytes.byteLength / 999) }, (_, index) =>
      bytes.slice(index * 999, (index + 1) * 999),
    );
    expect(contentOf((await writesFor(dialect, pieces)).join(""))).toBe(long);
  });

  it("end an answer in 64 KiB at most", async () => {
    const padded = (bytes: number) => frame(dialect.endFlag, utf8.encode(dialect.end.padEnd(bytes)));
    for (const [bytes, isComplete] of [
      [65_536, true],
      [65_537, false],
    ] as const) {
      const text = (await writesFor(dialect, [message("1"), padded(bytes)])).join("");
      expect([contentOf(text), text.endsWith("data: [DONE]\n\n")]).toEqual(["1", isComplete]);
    }
  });
});
