import { env } from "cloudflare:workers";
import { toBinary } from "@bufbuild/protobuf";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { Hono } from "hono";
import { expect, it } from "vitest";
import { GatewayError } from "../src/errors.ts";
import { exampleOf } from "../src/http/docs/contract-examples.ts";
import { errorHeaderNames } from "../src/http/docs/headers.ts";
import { tenantAccount } from "../src/policy/holders.ts";
import { rpcs } from "../src/rpcs/rpcs.ts";
import type { Gateway } from "../src/upstream.ts";
import { fakeOpenAi, onlyOpenAi, sha256Hex, type TestAppOptions, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { ledgers } from "./support/ledger.ts";
import { expectDescribed, membersOf, operations } from "./support/openapi.ts";
import { bearer, secret, signed } from "./support/tokens.ts";
import { writers } from "./support/writers.ts";

interface Scenario extends Omit<TestAppOptions, "settings"> {
  /** In the place of the usual ones, or beside them. */
  readonly settings?: Record<string, unknown> | ((usual: Record<string, unknown>) => Record<string, unknown>);
  readonly headers?: Record<string, string>;
  /** What is sent instead of a good body. */
  readonly spoil?: (body: string) => string | ReadableStream;
  /** Sent before under the same headers. */
  readonly before?: (body: string) => string;
  /** In a path, in the place of one that there is. */
  readonly id?: string;
  readonly query?: string;
}

/** Both kinds of providers; of the AI service's methods those that have an example. */
const { network } = fakeOpenAi();
for (const rpc of rpcs) {
  const { output, name } = rpc.method;
  network.post(`/qingyu.ai.AIService/${name}`, (c) => {
    return c.body(toBinary(output, exampleOf(rpc).answer).slice(), 200, { "content-type": "application/proto" });
  });
}
/** Who is asked for what only the AI service has. */
const onlyService = {
  PYTHON_AI_SERVICE_URL: "http://ai.test",
  AI_PROVIDERS: "ai-service",
  QINGYU_CACHE_KNOWLEDGE_SECONDS: "60",
};
/** What only operators may do is done by one. */
const onlyOperators = { ...onlyOpenAi, GATEWAY_ADMIN_KEYS: `root:${await sha256Hex("root")}` };
/** What only administrators may do is done by one. */
const onlyAdministrators = { ...onlyOpenAi, JWT_SECRET: secret };
const administrator = bearer(await signed({ claims: { roles: ["admin"] } }));
const fresh = { "cache-control": "no-store" };
const anotherModel = (body: string) => body.replace(/"model":"[^"]*/, "$&-2");
/** The code that the AI service says together with a status. */
const connectCodes: Readonly<Record<number, object>> = {
  400: { code: "invalid_argument" },
  404: { code: "not_found" },
  429: { code: "resource_exhausted" },
  504: { code: "deadline_exceeded" },
  508: { code: "failed_precondition", message: "loop_detected: it leads back" },
};
const answering = (status: number, body = JSON.stringify(connectCodes[status] ?? {}), type = "application/json") =>
  new Hono().all("*", (c) => c.body(body, status as 200, { "content-type": type }));

/** Limits that nobody here comes to, so that what is said of them is seen. */
const plenty = { requestsPerMinute: 1_000_000, tokensPerDay: 1_000_000_000 };
const generous = { AI_POLICIES: [{ tenant: "development", ...plenty }] };

/** A user whom an administrator has stopped. */
const ofSuspended = {
  settings: { JWT_SECRET: secret, AI_POLICIES: [{ tenant: "qingyu", ...plenty }] },
  headers: bearer(await signed({ claims: { user_id: "stopped" } })),
};
await env.ACCOUNTS.getByName(tenantAccount("qingyu")).suspend("stopped");

/** What can be wrong with a request, the gateway or what is behind it; each is tried on every route. */
const scenarios: readonly Scenario[] = [
  // Before anything is kept.
  { headers: { "cache-control": "only-if-cached" } },
  {},
  { before: (body) => body },
  { headers: { "idempotency-key": "again", ...fresh }, before: (body) => body },
  { spoil: () => "{" },
  { spoil: (body) => body + " ".repeat(2000), settings: (usual) => ({ ...usual, QINGYU_LIMITS_BODY_BYTES: "2000" }) },
  { spoil: () => new ReadableStream(), settings: (usual) => ({ ...usual, QINGYU_DEADLINES_REQUEST_MS: "20" }) },
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
  { settings: (usual) => ({ ...usual, GATEWAY_API_KEYS: `a:${"0".repeat(64)}` }), headers: bearer("unknown") },
  { settings: { ...onlyOpenAi, GATEWAY_API_KEYS: `a:${await sha256Hex("a")}` }, headers: bearer("a") },
  { settings: onlyOperators, headers: bearer("root"), id: "nobody's" },
  { query: "?tenant=a" },
  { query: "?tenant=%20" },
  { query: "?limit=0" },
  { keyRegistries: null },
  { chats: null },
  { results: null },
  { replace: noMoreKeys },
  { ledgers },
  {
    settings: (usual) => ({ ...usual, JWT_SECRET: secret }),
    headers: bearer(await signed({ claims: { exp: 0 } })),
  },
  {
    settings: (usual) => ({
      ...usual,
      AI_POLICIES: [{ tenant: "development", requestsPerMinute: 1_000, tokensPerDay: 0 }],
    }),
  },
  { settings: (usual) => ({ ...usual, ...ofSuspended.settings }), headers: ofSuspended.headers },
  { settings: (usual) => ({ ...usual, QINGYU_AI_MODELS: "another" }) },
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
  return { ...gateway, generate: fail, embed: fail, task: fail, chat: fail, rpc: () => fail };
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

/** The query of a good request. */
function queryOf(operation: unknown): string {
  const examples = membersOf(at(operation, "parameters")).flatMap(([, parameter]) =>
    at(parameter, "in") === "query" && at(parameter, "example") !== undefined
      ? [[String(at(parameter, "name")), String(at(parameter, "example"))]]
      : [],
  );
  return examples.length > 0 ? `?${new URLSearchParams(examples)}` : "";
}

function noMoreKeys(gateway: Gateway): Gateway {
  const refuse = () =>
    Promise.reject(new GatewayError("conflict", "There are as many keys as there may be; revoke one first."));
  return { ...gateway, keys: { ...gateway.keys, make: refuse, rotate: refuse } };
}

/** The id of a key that there is. */
async function madeKey(): Promise<string> {
  const { post } = testApp({ settings: onlyOperators });
  return String(at((await post("/admin/keys", { tenant: crypto.randomUUID() }, bearer("root"))).json(), "id"));
}

/** The id of a chat session that there is. */
async function madeSession(): Promise<string> {
  return String(at((await testApp().post("/api/v1/ai/chat/sessions", {})).json(), "data", "id"));
}

/** The id of what was found in a text, or of a check of it. */
async function madeResult(path: string): Promise<string> {
  const says = { issues: [{ originalText: "夜" }], sensitiveWords: [] };
  const { post } = testApp({ network: writers([{ says }]).network });
  const [made, ...id] = path.includes("/suggestions/")
    ? ["/api/v1/ai/writing/proofread", "issues", 0, "id"]
    : ["/api/v1/ai/audit/sensitive-words", "checkId"];
  return String(at((await post(String(made), { content: "夜" })).json(), "data", ...id));
}

/** The id of something that a path names. */
async function madeFor(path: string): Promise<string> {
  if (path.startsWith("/admin/")) return await madeKey();
  if (path.includes("/sessions/")) return await madeSession();
  return /\/(suggestions|sensitive-words)\/\{id\}$/.test(path) ? await madeResult(path) : "gpt-4o";
}

/** Whether an operation is an RPC of the contract's table, by whichever surface. */
function isRpc(operation: unknown): boolean {
  const id = String(at(operation, "operationId"));
  return (
    storiesAndKnowledge.includes(id) || rpcs.some(({ method }) => id.startsWith(method.localName) || id === method.name)
  );
}

const storiesAndKnowledge = ["generateStory", "retrieveKnowledge", "searchKnowledge"];

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
    const isOperators = path.startsWith("/admin/");
    const isAdministrators = path.startsWith("/api/v1/admin/");
    const usual = isOperators
      ? onlyOperators
      : isAdministrators
        ? onlyAdministrators
        : isRpc(operation)
          ? onlyService
          : onlyOpenAi;
    const known = await madeFor(path);
    for (const { spoil = (text: string) => text, before, id = known, query = "", ...scenario } of scenarios) {
      const { settings = usual, headers: own, ...options } = scenario;
      const headers = { ...(isOperators && bearer("root")), ...(isAdministrators && administrator), ...own };
      const { replace = (gateway) => gateway } = options;
      const { send } = testApp({
        network,
        ...options,
        replace: (gateway) => replace({ ...gateway, chapterText: async () => ({ text: "夜雨。" }) }),
        settings: { ...generous, ...(typeof settings === "function" ? settings(usual) : settings) },
      });
      const target = path.replace("{id}", id) + (query || queryOf(operation));
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
