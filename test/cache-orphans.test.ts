import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createFlights } from "../src/cache/sharing/single-flight.ts";
import type { Generation } from "../src/generation.ts";
import { generateOperation } from "../src/operations/generate.ts";
import type { Call } from "../src/upstream.ts";

const operation = generateOperation({
  defaults: { model: "m", maxTokens: 1, temperature: 0 },
  limits: { requestMs: 1, firstTokenMs: 1, idleMs: 1 },
  scope: "tenant",
});

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

function callUntil(deadlineMs: number, signal: AbortSignal): Call {
  return {
    requestId: "r",
    trace: { traceId: "0", traceparent: "0" },
    tenant: "t",
    stream: false,
    delivery: "live",
    deadlineMs,
    signal,
    waitUntil: () => {},
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
