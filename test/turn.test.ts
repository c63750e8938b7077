import { Hono } from "hono";
import { afterEach, expect, it, vi } from "vitest";
import { createInFlight, inFlightLimits } from "../src/in-flight.ts";
import { fakeOpenAi, onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { requestTo } from "./support/surfaces.ts";

afterEach(() => void vi.useRealTimers());

it.each([
  { clock: "goes on", pieceBytes: 512 * 1024 },
  { clock: "stands still", pieceBytes: 16 * 1024 },
])("a provider's stream that never waits gives way to everybody else while the clock $clock", async (is) => {
  if (is.clock === "stands still") vi.useFakeTimers({ toFake: ["Date"] });
  const comment = new TextEncoder().encode(`:${"-".repeat(is.pieceBytes)}\n`);
  const network = new Hono().post("*", () => {
    const body = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(comment) });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const order: string[] = [];
  const { path, init } = requestTo("openai", true, "never waits");
  const asked = testApp({ network, settings: { ...onlyOpenAi, QINGYU_CACHE_ENABLED: "false" } }).send(path, init);
  setTimeout(() => order.push("somebody else"));
  const { log } = await asked;
  order.push("its caller");
  expect(order).toEqual(["somebody else", "its caller"]);
  expect(JSON.parse(log.at(-1) ?? "")).toMatchObject({ attempts: [{ outcome: "oversized" }] });
});

it("the requests of a tenant take turns with room between them, and wait for nobody else's", async () => {
  vi.useFakeTimers();
  const inFlight = createInFlight(inFlightLimits);
  const startedMs = Date.now();
  const begun: string[] = [];
  const work = async (tenant: string) => {
    await inFlight.open(tenant, startedMs + 1_000).turn(40);
    begun.push(`${tenant} after ${Date.now() - startedMs} ms`);
  };
  const all = Promise.all(["one", "one", "one", "two"].map(work));
  await vi.advanceTimersByTimeAsync(1_000);
  await all;
  expect(begun).toEqual(["one after 0 ms", "two after 0 ms", "one after 50 ms", "one after 100 ms"]);
});

it.each([
  { bodyBytes: 60_000, waitsFor: "nobody" },
  { bodyBytes: 200_000, waitsFor: "its turn" },
])("a request of $bodyBytes bytes waits for $waitsFor", async ({ bodyBytes, waitsFor }) => {
  const app = testApp({ network: fakeOpenAi().network, settings: onlyOpenAi });
  vi.useFakeTimers();
  let answered = 0;
  const ask = async (seed: number) => {
    await app.post("/v1/chat/completions", {
      messages: [{ role: "user", content: "x".repeat(bodyBytes) }],
      seed,
    });
    answered++;
  };
  const all = Promise.all([ask(1), ask(2)]);
  for (let turns = 0; turns < 100; turns++) await vi.advanceTimersByTimeAsync(0);
  expect(answered).toBe(waitsFor === "nobody" ? 2 : 1);
  await vi.advanceTimersByTimeAsync(1_000);
  await all;
});
