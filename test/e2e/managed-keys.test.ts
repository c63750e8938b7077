import { setTimeout as pause } from "node:timers/promises";
import { beforeAll, expect, it, onTestFinished } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import { sha256Hex, startSetting } from "../load/setting.ts";

/* Managed keys in isolates of their own, which share nothing but the registries. */

let script: string;
beforeAll(() => {
  script = buildBundle({ minify: true }).path;
});

const root = "an-operator's-key";

async function startIsolates(isolates: number) {
  const setting = await startSetting(script, {
    primary: "openai",
    isolates,
    settings: { GATEWAY_ADMIN_KEYS: `root:${sha256Hex(root)}` },
  });
  onTestFinished(() => setting.stop());
  setting.order("primary", "up");
  const send = (port: number, path: string, key: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      ...init,
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    });
  return {
    ports: setting.ports,
    make: async (port: number, tenant: string): Promise<{ id: string; key: string }> => {
      const made = await send(port, "/admin/keys", root, { method: "POST", body: JSON.stringify({ tenant }) });
      return await made.json();
    },
    revoke: async (port: number, id: string) =>
      (await send(port, `/admin/keys/${id}`, root, { method: "DELETE" })).status,
    ask: async (port: number, key: string) => (await send(port, "/v1/models", key)).status,
  };
}

it("a key opens in every isolate, and after it was revoked in one in none: there at once, elsewhere within 30 s", async () => {
  const { ports, make, revoke, ask } = await startIsolates(3);
  const [here = 0, there = 0, elsewhere = 0] = ports;
  const { id, key } = await make(here, "one");
  expect([await ask(here, key), await ask(there, key)]).toEqual([200, 200]);
  const sinceMs = performance.now();
  expect(await revoke(here, id)).toBe(200);
  expect([await ask(here, key), await ask(elsewhere, key)]).toEqual([401, 401]);
  while ((await ask(there, key)) !== 401) await pause(100);
  expect(performance.now() - sinceMs).toBeLessThan(31_000);
}, 60_000);

it("keys that all isolates make and revoke at once are each what was said of it last", async () => {
  const { ports, make, revoke, ask } = await startIsolates(4);
  const portAt = (index: number) => ports[index % ports.length] ?? 0;
  const rounds = await Promise.all(
    Array.from({ length: 80 }, async (_, index) => {
      const { id, key } = await make(portAt(index), "two");
      const isRevoked = index % 2 === 0;
      const said = isRevoked ? await Promise.all(ports.map((port) => revoke(port, id))) : [];
      const asked = await Promise.all(ports.map((port) => ask(port, key)));
      return { isRevoked, said, asked };
    }),
  );
  for (const { isRevoked, said, asked } of rounds) {
    expect(said).toEqual(isRevoked ? [200, 200, 200, 200] : []);
    expect(asked).toEqual(ports.map(() => (isRevoked ? 401 : 200)));
  }
});
