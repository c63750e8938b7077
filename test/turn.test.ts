import { Hono } from "hono";
import { afterEach, expect, it, vi } from "vitest";
import { onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
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
