import { Hono } from "hono";
import { expect, it } from "vitest";
import { onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { requestTo } from "./support/surfaces.ts";

it("a provider's stream that never waits gives way to everybody else", async () => {
  const comment = new TextEncoder().encode(`:${"-".repeat(512 * 1024)}\n`);
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
