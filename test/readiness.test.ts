import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { testApp } from "./support/app-on-fake-network.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

/** A gateway with an AI service that answers its probes only when the test says so. */
function gateway() {
  const probes: ((status: number) => void)[] = [];
  const network = new Hono().post("/qingyu.ai.AIService/HealthCheck", async (c) => {
    const answered = Promise.withResolvers<number>();
    probes.push(answered.resolve);
    const status = await answered.promise;
    // An empty message has no status, so the service counts as unhealthy; a failed probe does too.
    return c.body(status === 200 ? healthy : "", status as 200, { "content-type": "application/proto" });
  });
  const app = testApp({ settings: { AI_PROVIDERS: "ai-service" }, network });
  const ask = async () => (await app.send("/health/ready")).status;
  const askOften = (times: number) => Array.from({ length: times }, ask);
  return { probes, ask, askOften };
}

/** `{ status: "healthy" }` in binary. */
const healthy = new Uint8Array([0x0a, 7, ...new TextEncoder().encode("healthy")]);

describe("/health/ready", () => {
  it("asks a provider once, however many want to know it first", async () => {
    const { probes, askOften } = gateway();
    const answers = askOften(50);
    await vi.waitFor(() => expect(probes).toHaveLength(1));
    await vi.advanceTimersByTimeAsync(1_000);
    probes[0]?.(200);
    expect(new Set(await Promise.all(answers))).toEqual(new Set([200]));
    expect(probes).toHaveLength(1);
  });

  it("says what was known before while one asks anew", async () => {
    const { probes, ask, askOften } = gateway();
    const first = ask();
    await vi.waitFor(() => expect(probes).toHaveLength(1));
    probes[0]?.(200);
    expect(await first).toBe(200);
    vi.setSystemTime(Date.now() + 5_000);
    const prober = ask();
    await vi.waitFor(() => expect(probes).toHaveLength(2));
    expect(new Set(await Promise.all(askOften(50)))).toEqual(new Set([200]));
    probes[1]?.(503);
    expect(await prober).toBe(503);
    expect(await ask()).toBe(503);
    expect(probes).toHaveLength(2);
  });

  it("has another one ask where who asked was ended without a word", async () => {
    const { probes, ask, askOften } = gateway();
    void ask();
    await vi.waitFor(() => expect(probes).toHaveLength(1));
    const answers = askOften(50);
    // He has had the two seconds of a probe and is waited for a little longer.
    await vi.advanceTimersByTimeAsync(2_400);
    expect(probes).toHaveLength(1);
    await vi.waitFor(() => expect(probes).toHaveLength(2));
    probes[1]?.(200);
    expect(new Set(await Promise.all(answers))).toEqual(new Set([200]));
    expect(probes).toHaveLength(2);
  });
});
