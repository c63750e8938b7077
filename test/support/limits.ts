import { env } from "cloudflare:workers";
import type { Hono } from "hono";
import { tenantAccount } from "../../src/policy/holders.ts";
import type { Policy } from "../../src/policy.ts";
import { fakeOpenAi, onlyOpenAi, sha256Hex, type TestAppOptions, testApp } from "./app-on-fake-network.ts";

/** What the fake provider says that each answer takes. */
export const tokensEach = 18;
const key = "key";
const authorization = `Bearer ${key}`;
const hash = await sha256Hex(key);

export interface LimitedScene extends Pick<TestAppOptions, "accounts" | "floodGate"> {
  readonly network?: Hono;
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** A gateway for a tenant of its own, who asks by a key under this policy, and the account in which that is counted. */
export function limitedScene(
  policy: Policy,
  { network = fakeOpenAi().network, settings, ...options }: LimitedScene = {},
) {
  const tenant = crypto.randomUUID();
  const { app, post, send } = testApp({
    ...options,
    network,
    settings: {
      ...onlyOpenAi,
      GATEWAY_API_KEYS: `${tenant}:${hash}`,
      AI_POLICIES: [{ tenant, ...policy }],
      ...settings,
    },
  });
  const account = env.ACCOUNTS.getByName(tenantAccount(tenant));
  return {
    tenant,
    app,
    account,
    send: (path: string, init: RequestInit = {}) =>
      send(path, { ...init, headers: { ...init.headers, authorization } }),
    /** Asks OpenAI's route. */
    ask: (text: string, more: object = {}, headers: Record<string, string> = {}) =>
      post(
        "/v1/chat/completions",
        { model: "gpt-4o", messages: [{ role: "user", content: text }], ...more },
        { authorization, ...headers },
      ),
    request: (text: string, more: object, init: RequestInit = {}) =>
      new Request("http://localhost/v1/chat/completions", {
        method: "POST",
        headers: { "content-type": "application/json", authorization },
        body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: text }], ...more }),
        ...init,
      }),
    used: async () => (await account.quota(undefined, {}, false)).used,
  };
}
