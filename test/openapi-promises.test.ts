import { env } from "cloudflare:workers";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { Hono } from "hono";
import { expect, it } from "vitest";
import { errorHeaderNames } from "../src/http/docs/headers.ts";
import type { Gateway } from "../src/upstream.ts";
import { fakeOpenAi, onlyOpenAi, type TestAppOptions, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { expectDescribed, membersOf, operations } from "./support/openapi.ts";
import { bearer, secret, signed } from "./support/tokens.ts";

interface Scenario extends TestAppOptions {
  readonly headers?: Record<string, string>;
  /** What is sent instead of a good body. */
  readonly spoil?: (body: string) => string | ReadableStream;
  /** Sent before under the same headers. */
  readonly before?: (body: string) => string;
}

const { network } = fakeOpenAi();
const fresh = { "cache-control": "no-store" };
const anotherModel = (body: string) => body.replace(/"model":"[^"]*/, "$&-2");
const answering = (status: number, body = "", type = "text/plain") =>
  new Hono().all("*", (c) => c.body(body, status as 200, { "content-type": type }));

/** What can be wrong with a request, the gateway or what is behind it; each is tried on every route. */
const scenarios: readonly Scenario[] = [
  // Before anything is kept.
  { headers: { "cache-control": "only-if-cached" } },
  {},
  { before: (body) => body },
  { headers: { "idempotency-key": "again", ...fresh }, before: (body) => body },
  { spoil: () => "{" },
  { spoil: (body) => body + " ".repeat(2000), settings: { ...onlyOpenAi, QINGYU_LIMITS_BODY_BYTES: "2000" } },
  { spoil: () => new ReadableStream(), settings: { ...onlyOpenAi, QINGYU_DEADLINES_REQUEST_MS: "20" } },
  {
    spoil: (body) => body.replace("{", '{"store":true,'),
    settings: {
      AI_PROVIDERS: JSON.stringify([
        { name: "c", type: "anthropic", baseUrl: "https://c.test", model: "claude-sonnet-4-5" },
      ]),
    },
    network: answering(200, '{"content":[{"type":"text","text":"夜"}],"stop_reason":"end_turn"}', "application/json"),
    headers: fresh,
  },
  { headers: { "content-type": "text/plain" } },
  { headers: { "content-encoding": "br" } },
  { headers: { "x-request-timeout-ms": "soon" } },
  { headers: { "idempotency-key": "promises" }, before: anotherModel },
  { settings: { ...onlyOpenAi, GATEWAY_API_KEYS: `a:${"0".repeat(64)}` } },
  { settings: { ...onlyOpenAi, JWT_SECRET: secret }, headers: bearer(await signed({ claims: { exp: 0 } })) },
  { settings: { ...onlyOpenAi, QINGYU_AI_MODELS: "another" } },
  { settings: { ENVIRONMENT: "production" } },
  {
    headers: {
      "x-qingyu-hops": Array.from({ length: 8 }, () => crypto.randomUUID().slice(-12).padStart(16, "0")).join(", "),
    },
  },
  ...[400, 401, 404, 413, 429, 500, 503, 504, 508].map((status) => ({ network: answering(status), headers: fresh })),
  { network: answering(200, "<html>"), headers: fresh },
  { network: answering(404, JSON.stringify({ error: { code: "model_not_found" } })), headers: fresh },
  { kv: brokenKv() },
  { replace: unforeseen },
];

function brokenKv(): KVNamespace {
  const fail = () => Promise.reject(new Error("kv"));
  return new Proxy(env.CACHE, { get: (kv, name) => (name === "get" ? kv.get.bind(kv) : fail) });
}

/** A gateway whose every operation fails as nobody has foreseen. */
function unforeseen(gateway: Gateway): Gateway {
  const fail = () => Promise.reject(new TypeError("unforeseen"));
  return { ...gateway, generate: fail, embed: fail, rpc: () => fail };
}

/** A good request: the first example of its body, or a prompt in a frame. */
function goodRequest(operation: unknown): { type?: string; body?: string } {
  const content = at(operation, "requestBody", "content");
  const json = at(content, "application/json");
  if (json !== undefined) {
    const [example] = membersOf(at(json, "examples"));
    return { type: "application/json", body: JSON.stringify(at(example, 1, "value") ?? {}) };
  }
  const [type] = Object.keys(content ?? {});
  return type === undefined
    ? {}
    : {
        type,
        body: new TextDecoder().decode(
          encodeEnvelope(0, new TextEncoder().encode(JSON.stringify({ projectId: "p", prompt: "夜" }))),
        ),
      };
}

it.each(operations)(
  "$method $path ends in every status and header that is promised, and in no other",
  async ({ path, method, operation }) => {
    const seen = new Map<string, Set<string>>();
    const { type, body = "" } = goodRequest(operation);
    const sent = (headers: Record<string, string>, text: string | ReadableStream) => ({
      method: method.toUpperCase(),
      headers: { ...(type && { "content-type": type }), ...headers },
      body: type && text,
    });
    for (const { headers = {}, spoil = (text: string) => text, before, ...options } of scenarios) {
      const { send } = testApp({ network, ...options });
      const target = path.replace("{id}", "gpt-4o");
      if (before) await send(target, sent(headers, before(body)));
      const answer = await send(target, sent(headers, spoil(body)));
      expectDescribed(answer, operation);
      const status = String(answer.status);
      seen.set(status, new Set([...(seen.get(status) ?? []), ...answer.headers.keys()]));
    }
    const promised = membersOf(at(operation, "responses"));
    expect([...seen.keys()].sort()).toEqual(promised.map(([status]) => status));
    for (const [status, response] of promised) {
      const missing = membersOf(at(response, "headers")).filter(([name]) => !seen.get(status)?.has(name));
      // What Connect itself refuses lacks the headers that every other error has.
      expect(missing.filter(([name]) => !errorHeaderNames.includes(name))).toEqual([]);
    }
  },
);
