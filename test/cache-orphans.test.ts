import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createFlights } from "../src/cache/sharing/single-flight.ts";
import type { Generation } from "../src/generation.ts";
import { createInFlight } from "../src/in-flight.ts";
import { generateOperation } from "../src/operations/generate.ts";
import type { Call } from "../src/upstream.ts";

const operation = generateOperation({
  defaults: { model: "m", platform: { maxTokens: 1, temperature: 0 }, asWritten: {}, mostTokens: 9 },
  limits: { requestMs: 1, firstTokenMs: 1, idleMs: 1 },
  lifetimes: { ttlSeconds: 1, staleSeconds: 0 },
  scope: "tenant",
});

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

function callUntil(deadlineMs: number, signal: AbortSignal): Call {
  return {
    requestId: "r",
    trace: { traceId: "0", traceparent: "0" },
    hops: ["0"],
    caller: { tenant: "t", roles: [] },
    stream: false,
    delivery: "live",
    deadlineMs,
    signal,
    waitUntil: () => {},
    memory: createInFlight({ maxBytes: 0, maxTenantBytes: 0 }).open("t", deadlineMs),
    record: { requestId: "r", traceId: "0", startedAtMs: 0, attempts: [], method: "POST" },
  };
}

it("whoever shares the call of one who left asks anew when the runtime may have ended it", async () => {
  const flights = createFlights();
  const deadlineMs = Date.now() + 120_000;
  const leaving = new AbortController();
  const answer: Generation = {
    provider: "p",
    model: "m",
    createdAtMs: 0,
    choices: [{ content: "own", finishReason: "stop" }],
  };
  const asked: string[] = [];
  const led = flights.share({
    key: "key",
    operation,
    call: callUntil(deadlineMs, leaving.signal),
    upstream: () => {
      asked.push("leader");
      return new Promise(() => {});
    },
  });
  void led.catch(() => {});
  const joined = flights.share({
    key: "key",
    operation,
    call: callUntil(deadlineMs, new AbortController().signal),
    upstream: async () => {
      asked.push("joined");
      return answer;
    },
  });
  await vi.advanceTimersByTimeAsync(1_000);
  leaving.abort();
  await vi.advanceTimersByTimeAsync(29_000);
  expect(asked).toEqual(["leader"]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toEqual(["leader", "joined"]);
  expect(await joined).toEqual({ answer, isJoined: false });
});

it("whoever asks anew joins no call for something else that has begun under the same key meanwhile", async () => {
  const flights = createFlights();
  const answerOf = (content: string): Generation => ({
    provider: "p",
    model: "m",
    createdAtMs: 0,
    choices: [{ content, finishReason: "stop" }],
  });
  const ask = (tag: string, forMs: number, upstream: () => Promise<Generation>) =>
    flights.share({
      key: "key",
      tag,
      operation,
      call: callUntil(Date.now() + forMs, new AbortController().signal),
      upstream,
    });
  // When the first one's time is over, and before the other one who waits for it is woken.
  const other = () => new Promise<Generation>((resolve) => setTimeout(() => resolve(answerOf("other")), 1_000));
  setTimeout(() => void ask("other", 60_000, other), 11_000);
  void ask("same", 10_000, () => new Promise(() => {})).catch(() => {});
  const joined = ask("same", 60_000, async () => answerOf("same"));
  await vi.advanceTimersByTimeAsync(12_000);
  expect(await joined).toEqual({ answer: answerOf("same"), isJoined: false });
});
