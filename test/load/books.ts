import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { at } from "../support/json.ts";
import { sha256Hex } from "./setting.ts";
import { keyMark, keyOf } from "./tenants.ts";

/** What is written of an answer in its tenant's ledger. */
export interface Written {
  readonly requestId: string;
  readonly upstreamRequestId: string;
  readonly provider: string;
  readonly isCharged: boolean;
  readonly isEstimated: boolean;
  readonly outcome: string;
  readonly tokens: number;
}

/** All entries of all tenants, read from the disk past the gateway. */
export function entriesIn(objectsFolder: string): Written[] {
  const folder = join(objectsFolder, "Ledger");
  const ledgers = readdirSync(folder).filter((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite");
  return ledgers.flatMap((name) => {
    const database = new DatabaseSync(join(folder, name), { readOnly: true });
    const rows = database.prepare("SELECT * FROM entries").all();
    database.close();
    return rows.map((row) => ({
      requestId: String(row.request_id),
      upstreamRequestId: String(row.upstream_request_id),
      provider: String(row.provider),
      isCharged: row.source === "provider",
      isEstimated: row.estimated === 1,
      outcome: String(row.outcome),
      tokens: Number(row.total),
    }));
  });
}

const operatorKey = `${keyMark}operator`;
export const operators = `operator:${sha256Hex(operatorKey)}`;

/** What `GET /admin/usage` says was charged, by the names of a group. */
export async function usageBy(group: "provider" | "tenant", port: number): Promise<ReadonlyMap<string, number>> {
  const said = await get(`http://127.0.0.1:${port}/admin/usage?group=${group}`, operatorKey);
  const rows = at(said, "data");
  if (!Array.isArray(rows)) throw new Error(`no usage: ${JSON.stringify(said)}`);
  return new Map(rows.map((row) => [String(at(row, group)), Number(at(row, "totalTokens"))]));
}

/** What a tenant's account has counted. */
export async function usedBy(tenant: string, port: number): Promise<number> {
  return Number(at(await get(`http://127.0.0.1:${port}/api/v1/ai/quota`, keyOf(tenant)), "data", "usedQuota"));
}

async function get(url: string, key: string): Promise<unknown> {
  return await (await fetch(url, { headers: { authorization: `Bearer ${key}` } })).json();
}
