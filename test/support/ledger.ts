import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { sha256Hex, type TestAppOptions, testApp } from "./app-on-fake-network.ts";

/** Where the test's isolate writes down what is used. */
export const ledgers = { ofTenant: env.LEDGER, tenants: env.LEDGER_TENANTS };

export const ledgerOf = (tenant: string) => env.LEDGER.get(env.LEDGER.idFromName(tenant));

/** All that is written of a tenant, in the order of its being written, without what is different each time. */
export async function entriesOf(tenant: string): Promise<Record<string, unknown>[]> {
  const rows = await rowsOf(tenant);
  return rows.map(({ id: _, at: __, request_id: ___, upstream_request_id: ____, ...row }) => row);
}

/** The same with all columns. */
export async function rowsOf(tenant: string): Promise<Record<string, unknown>[]> {
  return await runInDurableObject(ledgerOf(tenant), (_, { storage }) =>
    storage.sql.exec("SELECT * FROM entries ORDER BY rowid").toArray(),
  );
}

/** An entry's row: a whole answer of `gpt-upstream`, paid for, of unknown price, unless told otherwise. */
export const row = (more: Record<string, unknown> = {}) => ({
  ...{ user: "", key_id: null, operation: "generate", model: "gpt-upstream", provider: "openai" },
  ...{ source: "provider", outcome: "complete", estimated: 0 },
  ...{ prompt: 11, cached: null, completion: 7, reasoning: null, total: 18 },
  ...{ currency: null, micros: null, picos: null },
  ...more,
});

/** An app with a ledger, asked by a tenant whom nobody else asks for. */
export async function appWithLedger({ settings, ...options }: TestAppOptions = {}) {
  const tenant = `t${crypto.randomUUID().slice(0, 8)}`;
  const hash = await sha256Hex(`key-of-${tenant}`);
  const keyId = hash.slice(0, 8);
  const app = testApp({ ledgers, ...options, settings: { ...settings, GATEWAY_API_KEYS: `${tenant}:${hash}` } });
  return { ...app, tenant, keyId, auth: { authorization: `Bearer key-of-${tenant}` } };
}
