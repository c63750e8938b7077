import {
  createExecutionContext,
  runDurableObjectAlarm,
  runInDurableObject,
  waitOnExecutionContext,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { Entry } from "../src/ledger/entry.ts";
import { createQueue, queueLimits } from "../src/ledger/queue.ts";
import { fakeOpenAi, onlyOpenAi } from "./support/app-on-fake-network.ts";
import { appWithLedger, entriesOf, ledgerOf, ledgers, row, rowsOf } from "./support/ledger.ts";
import { keepingLog } from "./support/log.ts";

const chat = "/v1/chat/completions";
const question = () => ({ messages: [{ role: "user", content: crypto.randomUUID() }] });

/** An app whose ledger's object does what `write` does with each batch, which may call the real one. */
async function scene(write: (real: () => Promise<void>, entries: readonly Entry[]) => Promise<void>) {
  const ofTenant = new Proxy(env.LEDGER, {
    get: (objects, name) =>
      name !== "get"
        ? Reflect.get(objects, name).bind(objects)
        : (id: DurableObjectId) => ({
            write: (entries: readonly Entry[], keptDays: number) =>
              write(async () => await objects.get(id).write(entries, keptDays), entries),
          }),
  });
  return await appWithLedger({
    network: fakeOpenAi().network,
    settings: onlyOpenAi,
    ledgers: { ...ledgers, ofTenant },
  });
}

describe("an entry", () => {
  it("is written behind the answer, which does not wait for it", async () => {
    const go = Promise.withResolvers<void>();
    const { app, auth, tenant, keyId } = await scene(async (real) => {
      await go.promise;
      await real();
    });
    await keepingLog(async () => {
      const context = createExecutionContext();
      const request = new Request(`http://localhost${chat}`, {
        method: "POST",
        body: JSON.stringify(question()),
        headers: { ...auth, "content-type": "application/json" },
      });
      const response = await app.fetch(request, env, context);
      expect((await response.text()).length).toBeGreaterThan(0);
      expect(await entriesOf(tenant)).toEqual([]);
      go.resolve();
      await waitOnExecutionContext(context);
    });
    expect(await entriesOf(tenant)).toEqual([row({ key_id: keyId })]);
  });

  it("is written however often the object fails before", async () => {
    let failures = 3;
    const { post, auth, tenant, keyId } = await scene(async (real) => {
      if (failures-- > 0) throw new Error("overloaded");
      await real();
    });
    const { log } = await post(chat, question(), auth);
    expect(await entriesOf(tenant)).toEqual([row({ key_id: keyId })]);
    expect(log.join("")).not.toContain("ledger_");
  });

  it("is written once where the object fails after it has written it", async () => {
    let failures = 2;
    const { post, auth, tenant, keyId } = await scene(async (real) => {
      await real();
      if (failures-- > 0) throw new Error("restarted");
    });
    await post(chat, question(), auth);
    expect(await entriesOf(tenant)).toEqual([row({ key_id: keyId })]);
    const sums = await ledgerOf(tenant).sums({ fromDay: 0, toDay: 1e6, groups: [], limit: 2 });
    expect(sums).toEqual([expect.objectContaining({ requests: 1, charged: 1, total: 18 })]);
  });

  it("is there after the object has been restarted", async () => {
    const { post, auth, tenant, keyId } = await scene((real) => real());
    await post(chat, question(), auth);
    await runInDurableObject(ledgerOf(tenant), (_, state) => state.abort("restart")).catch(() => {});
    await post(chat, question(), auth);
    expect(await entriesOf(tenant)).toEqual([row({ key_id: keyId }), row({ key_id: keyId })]);
  });

  it("goes with the others that wait", async () => {
    const sizes: number[] = [];
    const allAreThere = Promise.withResolvers<void>();
    const { post, auth, tenant } = await scene(async (real, entries) => {
      sizes.push(entries.length);
      if (sizes.length === 1) await allAreThere.promise;
      await real();
    });
    const sent = Array.from({ length: 20 }, () => post(chat, question(), auth));
    setTimeout(allAreThere.resolve, 200);
    await Promise.all(sent);
    expect(await entriesOf(tenant)).toHaveLength(20);
    expect(sizes.length).toBeLessThan(5);
  });
});

describe("the queue", () => {
  const entry = (id: string): Entry => ({
    ...{ id, atMs: Date.now(), requestId: "r", operation: "generate", model: "m", provider: "p" },
    ...{ source: "provider", outcome: "complete", isEstimated: false, tokens: { total: 1 } },
  });

  /** A queue that is asked for some entries, one after the other. */
  async function queued(ids: readonly string[], limits: Partial<typeof queueLimits>, isWritten: () => boolean) {
    const written: string[] = [];
    const write = async (_: string, entries: readonly Entry[]) => {
      if (!isWritten()) throw new Error("busy");
      for (const { id } of entries) written.push(id);
    };
    const queue = createQueue({ ...queueLimits, ...limits, write });
    const lines = await keepingLog(async (log) => {
      const work: Promise<unknown>[] = [];
      for (const id of ids) queue.add("t", entry(id), (each) => void work.push(each));
      await Promise.all(work);
      return log;
    });
    return { written, log: lines.map((line) => JSON.parse(line)), queue };
  }
  const lost = (reason: string) => ({ message: "ledger_lost", level: "warn", tenant: "t", entries: "1", reason });
  const waiting = { message: "ledger_waiting", level: "warn", tenant: "t" };

  it("counts and logs what there is no room for, and writes the rest", async () => {
    const { written, log } = await queued(["1", "2", "3"], { maxEntries: 2 }, () => true);
    expect([written.toSorted(), log]).toEqual([["1", "2"], [lost("no room")]]);
    const size = JSON.stringify(entry("1")).length;
    const few = await queued(["1", "2", "3"], { maxBytes: 2 * size + 1 }, () => true);
    expect([few.written.toSorted(), few.log]).toEqual([["1", "2"], [lost("no room")]]);
  });

  it("leaves what nobody could write to those that follow, and says so", async () => {
    let isBusy = true;
    const { written, log, queue } = await queued(["1"], { workForMs: 100 }, () => !isBusy);
    expect([written, log]).toEqual([[], [{ ...waiting, entries: "1" }]]);
    isBusy = false;
    const work: Promise<unknown>[] = [];
    queue.add("t", entry("2"), (each) => void work.push(each));
    await Promise.all(work);
    expect(written).toEqual(["1", "2"]);
  });

  it("counts and logs what has become too old", async () => {
    const { written, log } = await queued(["1"], { workForMs: 100, maxAgeMs: -1 }, () => false);
    expect([written, log]).toEqual([[], [lost("too old"), { ...waiting, entries: "0" }]]);
  });

  it("does without whoever was ended while he wrote", async () => {
    let calls = 0;
    const written: string[] = [];
    const queue = createQueue({
      ...queueLimits,
      writeTimeoutMs: 50,
      write: async (_, entries) => {
        if (++calls === 1) return await new Promise<void>(() => {});
        for (const { id } of entries) written.push(id);
      },
    });
    const work: Promise<unknown>[] = [];
    queue.add("t", entry("1"), () => {});
    queue.add("t", entry("2"), (each) => void work.push(each));
    await Promise.all(work);
    expect(written).toEqual(["1", "2"]);
  });
});

describe("what is older than the settings say", () => {
  it("is forgotten by the clock, a part at a time, and its sums with it", async () => {
    const tenant = crypto.randomUUID();
    const dayMs = 86_400_000;
    const nowMs = Date.now();
    const entry = (daysAgo: number): Entry => ({
      ...{ id: crypto.randomUUID(), atMs: nowMs - daysAgo * dayMs, requestId: "r", operation: "generate" },
      ...{ model: "m", provider: "p", source: "provider", outcome: "complete", isEstimated: false },
      tokens: { total: 1 },
    });
    const ledger = ledgerOf(tenant);
    await ledger.write([...Array.from({ length: 1_500 }, () => entry(12)), entry(9), entry(0)], 10);
    const count = async () => (await rowsOf(tenant)).length;
    const totals = async () =>
      (await ledger.sums({ fromDay: 0, toDay: 1e6, groups: [], limit: 9 })).map(({ total }) => total);
    expect([await count(), await totals()]).toEqual([1_502, [1_502]]);
    expect(await runDurableObjectAlarm(ledger)).toBe(true);
    expect(await count()).toBe(502);
    expect(await runDurableObjectAlarm(ledger)).toBe(true);
    expect([await count(), await totals()]).toEqual([2, [2]]);
    // Two days on, and once all is gone no alarm wakes it any more.
    for (const [daysOn, left] of [
      [2, 1],
      [12, 0],
    ] as const) {
      vi.useFakeTimers({ toFake: ["Date"], now: nowMs + daysOn * dayMs });
      await runDurableObjectAlarm(ledger);
      vi.useRealTimers();
      expect(await count()).toBe(left);
    }
    expect(await runDurableObjectAlarm(ledger)).toBe(false);
  });
});
