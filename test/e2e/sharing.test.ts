import { request } from "node:http";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import { type Setting, type SettingOptions, startSetting } from "../load/setting.ts";
import { keyOf, tenants } from "../load/tenants.ts";

/*
 * Requests that share one upstream call, in a workerd where each has a context of its own: there a promise of one request is
 * not simply another one's to wait for, and what the runtime ends it ends without a word.
 */

let script: string;
beforeAll(() => {
  script = buildBundle({ minify: true }).path;
});

/** No limit that a busy machine could reach: what is shared here is shared because it was asked for meanwhile. */
const patient = {
  QINGYU_DEADLINES_REQUEST_MS: "60000",
  QINGYU_DEADLINES_FIRST_TOKEN_MS: "60000",
  QINGYU_DEADLINES_IDLE_MS: "60000",
  QINGYU_CACHE_READ_TIMEOUT_MS: "10000",
};

async function start({ settings, ...options }: Partial<SettingOptions> = {}): Promise<Setting> {
  const setting = await startSetting(script, { primary: "openai", settings: { ...patient, ...settings }, ...options });
  onTestFinished(() => setting.stop());
  setting.order("primary", "slow");
  return setting;
}

const [tenant = ""] = tenants;
const headers = { "content-type": "application/json", authorization: `Bearer ${keyOf(tenant)}` };
const bodyOf = (stream: boolean) =>
  JSON.stringify({ user: tenant, stream, messages: [{ role: "user", content: "写" }] });

async function ask(port: number, stream: boolean, more: Record<string, string>) {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: "POST",
    headers: { ...headers, ...more },
    body: bodyOf(stream),
    signal: AbortSignal.timeout(18_000),
  });
  const text = await answer.text();
  const said = [...text.matchAll(/"content":"([0-9a-f]+)"/g)].map(([, part]) => part).join("");
  return { status: answer.status, said, cache: answer.headers.get("x-cache") };
}

const ways: readonly { what: string; more: Record<string, string> }[] = [
  { what: "the same idempotency key", more: { "idempotency-key": "one", "cache-control": "no-store" } },
  { what: "the cache", more: { "x-qingyu-delivery": "live" } },
];

describe.each(ways)("requests that share a call by $what", ({ more }) => {
  it.each([false, true])("make one of it, a thousand of them: stream %s first", async (stream) => {
    const { port, report } = await start();
    const all = [stream, ...Array.from({ length: 999 }, (_, index) => index % 2 === 0)];
    const answers = await Promise.all(all.map((each) => ask(port, each, more)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ said }) => said)).size).toBe(1);
    expect(answers[0]?.said).toHaveLength(64);
    expect((await report()).visits).toEqual({ primary: 1 });
  });

  it.each([false, true])("go on when the first caller's connection breaks: stream %s", async (stream) => {
    const { port, visited, report } = await start();
    const first = request({ port, path: "/v1/chat/completions", method: "POST", headers: { ...headers, ...more } });
    first.on("error", () => {});
    first.end(bodyOf(stream));
    await visited("primary", 1);
    const others = Promise.all(Array.from({ length: 20 }, (_, index) => ask(port, index % 2 === 0, more)));
    // An answer to this means that they have arrived too.
    await report();
    first.socket?.resetAndDestroy();
    const answers = await others;
    expect(new Set(answers.map(({ status, said }) => `${status} ${said.length}`))).toEqual(new Set(["200 64"]));
    // One where they had joined before he left, and at most one more where they were not.
    expect((await report()).visits.primary).toBeLessThanOrEqual(2);
  });
});

describe("isolates that want the same", () => {
  const isolates = 4;
  const askAll = ({ ports }: Setting, stream: boolean) =>
    Promise.all(
      Array.from({ length: 200 }, (_, index) => ask(ports[index % isolates] ?? 0, stream !== (index % 3 === 0), {})),
    );

  it.each([false, true])("make one call where a Durable Object coordinates them: stream %s", async (stream) => {
    const setting = await start({
      isolates,
      settings: { QINGYU_CACHE_COORDINATE: "true", CACHE_ENCRYPTION_KEY: "k".repeat(32) },
    });
    const answers = await askAll(setting, stream);
    expect(new Set(answers.map(({ status, said }) => `${status} ${said.length}`))).toEqual(new Set(["200 64"]));
    expect((await setting.report()).visits).toEqual({ primary: 1 });
  });

  it("make one call each where nobody coordinates them", async () => {
    const setting = await start({ isolates });
    await askAll(setting, false);
    expect((await setting.report()).visits).toEqual({ primary: isolates });
  });

  it("are given nothing that was forgotten, and nothing older than they want", async () => {
    const setting = await start({ isolates: 3, settings: { QINGYU_CACHE_COORDINATE: "true" } });
    setting.order("primary", "up");
    const [here = 0, there = 0, elsewhere = 0] = setting.ports;
    const purge = async () => {
      const url = `http://127.0.0.1:${here}/api/v1/ai/cache`;
      return (await fetch(url, { method: "DELETE", headers })).status;
    };
    const cache = async (port: number, more = {}) => (await ask(port, false, more)).cache;
    expect([await cache(here), await purge(), await cache(here)]).toEqual(["MISS", 200, "MISS"]);
    expect(await cache(there, { "cache-control": "no-cache" })).toBe("BYPASS");
    expect(await cache(elsewhere)).toMatch(/^(HIT|COALESCED)$/);
    expect((await setting.report()).visits).toEqual({ primary: 3 });
  });

  it("do not wait for one who led and failed", async () => {
    const setting = await start({ isolates, settings: { QINGYU_CACHE_COORDINATE: "true" } });
    for (const provider of ["primary", "secondary"] as const) setting.order(provider, "down");
    const sinceMs = Date.now();
    const answers = await askAll(setting, false);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    // Far less than the leader's deadline.
    expect(Date.now() - sinceMs).toBeLessThan(10_000);
  });
});

describe("an answer under an idempotency key that another isolate has got", () => {
  const keyed = async (port: number, stream: boolean) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: "POST",
      headers: { ...headers, "idempotency-key": "long" },
      body: bodyOf(stream),
    });
    const said = [...(await answer.text()).matchAll(/"content":"([^"]+)"/g)].map(([, part]) => part).join("");
    return { status: answer.status, characters: said.length, replayed: answer.headers.get("idempotent-replayed") };
  };

  it.each([false, true])(
    "is given again by one that learns of it bit by bit, as long as can be stored: stream %s",
    async (stream) => {
      const setting = await start({
        isolates: 2,
        // Some 4 MB come in two seconds, of which the first byte is to come in time.
        kvBytesPerMs: 2_000,
        settings: { QINGYU_CACHE_READ_TIMEOUT_MS: "1000", CACHE_ENCRYPTION_KEY: "k".repeat(32) },
      });
      setting.order("primary", "long");
      const [first = 0, second = 0] = setting.ports;
      expect(await keyed(first, stream)).toEqual({ status: 200, characters: 1_390_000, replayed: null });
      await setting.stored("idempotency:");
      expect(await keyed(second, stream)).toEqual({ status: 200, characters: 1_390_000, replayed: "true" });
      expect((await setting.report()).visits).toEqual({ primary: 1 });
    },
  );
});
