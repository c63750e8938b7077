import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { createApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import { createGateway, type GatewayDependencies, type RunObject } from "../../src/gateway.ts";
import type { Gateway } from "../../src/upstream.ts";
import { completion, completionChunk, embeddingList, event, usageChunk } from "../upstreams/openai-answers.ts";
import { readBody } from "./body.ts";
import { instanceOf } from "./instance-of.ts";
import { at } from "./json.ts";
import { keepingLog } from "./log.ts";

/**
 * The app in the test's isolate on a network that is none: a Hono app answers what it fetches, and its KV can be looked
 * into. For what the gateway answers, stores and sends. What only a network can do is for `worker-on-sockets.ts`.
 */
export interface TestApp {
  /** Sends a request and waits until everything that it began has ended, KV writes and the log line included. */
  readonly send: (path: string, init?: RequestInit) => Promise<Sent>;
  readonly post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<Sent>;
  /** The same for code that needs a `fetch`, such as a Connect client. */
  readonly fetch: (url: string, init?: RequestInit) => Promise<Response>;
  readonly app: ReturnType<typeof createApp>;
}

export interface Sent {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly json: () => unknown;
  /** Whether the body has ended abnormally. */
  readonly isBroken: boolean;
  /** What was written to the log for this request. */
  readonly log: readonly string[];
}

export interface TestAppOptions {
  readonly settings?: Record<string, unknown>;
  readonly network?: Hono;
  readonly kv?: KVNamespace;
  readonly coordinators?: typeof env.COORDINATOR;
  readonly accounts?: typeof env.ACCOUNTS;
  readonly floodGate?: RateLimit;
  /** Where what is used is written down; nowhere unless told. */
  readonly ledgers?: GatewayDependencies["ledgers"];
  /** Null where none are bound. */
  readonly keyRegistries?: typeof env.KEYS | null;
  /** Null where none are bound. */
  readonly chats?: typeof env.CHATS | null;
  /** Null where nothing is kept. */
  readonly results?: typeof env.RESULTS | null;
  /** Carries on long work (`test-runs.ts`); with its own settings and network, be they the same. */
  readonly runs?: DurableObjectNamespace<RunObject>;
  /** Puts something else in the gateway's place. */
  readonly replace?: (gateway: Gateway) => Gateway;
}

/** Settings that send everything to an OpenAI-type provider at `https://openai.test/v1`. */
export const onlyOpenAi = {
  OPENAI_API_KEY: "sk-upstream",
  OPENAI_BASE_URL: "https://openai.test/v1",
  AI_PROVIDERS: "openai",
};

export function testApp({
  settings = onlyOpenAi,
  network = new Hono(),
  kv = env.CACHE,
  coordinators,
  accounts = env.ACCOUNTS,
  floodGate,
  ledgers,
  keyRegistries = env.KEYS,
  chats = env.CHATS,
  results = env.RESULTS,
  runs,
  replace = (gateway) => gateway,
}: TestAppOptions = {}): TestApp {
  const loaded = loadConfig({ ENVIRONMENT: "development", ...settings });
  const app = loaded.config
    ? createApp({
        settings: loaded,
        gateway: replace(
          createGateway(loaded.config, {
            kv,
            coordinators,
            accounts,
            floodGate,
            ledgers,
            keyRegistries: keyRegistries ?? undefined,
            chats: chats ?? undefined,
            runs,
            results: results ?? undefined,
            fetch: async (url, init) => network.fetch(new Request(url, init)),
          }),
        ),
      })
    : createApp({ settings: loaded });

  const send = (path: string, init?: RequestInit): Promise<Sent> =>
    keepingLog(async (log) => {
      const context = createExecutionContext();
      const response = await app.fetch(new Request(new URL(path, "http://localhost"), init), env, context);
      const { bytes, isBroken } = await readBody(response);
      const text = new TextDecoder().decode(bytes);
      await waitOnExecutionContext(context);
      const { status, headers } = response;
      return { status, headers, bytes, text, json: () => JSON.parse(text), isBroken, log };
    });
  return {
    app,
    send,
    post: (path, body, headers) =>
      send(path, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
        headers: { "content-type": "application/json", ...headers },
      }),
    // connect-web asks for `redirect: "error"`, which workerd does not know.
    fetch: (url, init) =>
      keepingLog(async () =>
        app.fetch(new Request(url, { ...init, redirect: "manual" }), env, createExecutionContext()),
      ),
  };
}

/** OpenAI as a Hono app: it answers plain or streamed as asked, or with what fits a schema, and keeps the bodies that it was sent. */
export function fakeOpenAi(pieces: readonly string[] = ["青", "羽"]) {
  const seen: Record<string, unknown>[] = [];
  const network = new Hono().post("/v1/chat/completions", async (c) => {
    const body: Record<string, unknown> = await c.req.json();
    seen.push(body);
    const schema = at(body, "response_format", "json_schema", "schema");
    if (schema) return c.json(completion(JSON.stringify(instanceOf(schema, pieces.join("")))));
    if (body.stream !== true) return c.json(completion(pieces.join("")));
    const chunks = [
      ...pieces.map((content) => completionChunk({ content })),
      completionChunk({}, "stop"),
      usageChunk(),
    ];
    return c.body([...chunks, "[DONE]"].map(event).join(""), 200, { "content-type": "text/event-stream" });
  });
  network.post("/v1/embeddings", async (c) => {
    const body: { input: unknown[] } = await c.req.json();
    seen.push(body);
    return c.json(embeddingList(body.input.map((_, index) => [index + 1, 0.5])));
  });
  return { network, seen };
}

/** What stands in GATEWAY_API_KEYS for a key. */
export async function sha256Hex(key: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key))).toHex();
}
