import { Hono } from "hono";
import { describe, expect, it, vi } from "vitest";
import { testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";

/** `GET /v1/models`: what the providers have, as they say it themselves. */

const list = (...names: readonly unknown[]) => ({ object: "list", data: names.map((id) => ({ id, object: "model" })) });
const one = { name: "one", type: "openai", baseUrl: "https://one.test/v1", apiKey: "sk-one" };
const claude = { name: "claude", type: "anthropic", baseUrl: "https://claude.test", apiKey: "sk-claude" };
const service = { name: "ai", type: "ai-service", baseUrl: "https://ai.test" };

type Answer = (request: Request) => Response | Promise<Response>;

/** A gateway whose providers answer what they are asked for lists; by host. */
function gateway(providers: readonly object[], answers: Readonly<Record<string, Answer>>, settings = {}) {
  const asked: Request[] = [];
  const network = new Hono().get("*", (c) => {
    asked.push(c.req.raw);
    return answers[new URL(c.req.url).hostname]?.(c.req.raw) ?? c.notFound();
  });
  const app = testApp({ network, settings: { AI_PROVIDERS: JSON.stringify(providers), ...settings } });
  const names = async () => {
    const answer = await app.send("/v1/models");
    expect(answer.status).toBe(200);
    return (at(answer.json(), "data") as { id: string }[]).map(({ id }) => id);
  };
  const status = async (id: string) => (await app.send(`/v1/models/${id}`)).status;
  return { app, asked, names, status };
}

describe("the list of models", () => {
  it("is what the providers say, in their order and each once", async () => {
    const { names, status, asked } = gateway([one, claude], {
      "one.test": () => Response.json(list("gpt-4o", "o3", "gpt-4o")),
      "claude.test": () => Response.json({ ...list("claude-opus-4-6", "gpt-4o"), has_more: false }),
    });
    expect(await names()).toEqual(["gpt-4o", "o3", "claude-opus-4-6"]);
    expect([await status("o3"), await status("claude-opus-4-6"), await status("gpt-5")]).toEqual([200, 200, 404]);
    expect(asked.map(({ url }) => url)).toEqual([
      "https://one.test/v1/models",
      "https://claude.test/v1/models?limit=1000",
    ]);
    const [first, second] = asked.map(({ headers }) => Object.fromEntries(headers));
    expect(first).toMatchObject({ authorization: "Bearer sk-one", "x-qingyu-hops": expect.any(String) });
    expect(second).toMatchObject({ "x-api-key": "sk-claude", "anthropic-version": "2023-06-01" });
  });

  it("says in OpenAI's words that there is no such model", async () => {
    const { app } = gateway([one], { "one.test": () => Response.json(list("gpt-4o")) });
    const answer = await app.send("/v1/models/gpt-5");
    expect([answer.status, answer.json()]).toMatchObject([404, { error: { code: "model_not_found", param: "model" } }]);
  });

  it("is within ai.models, and has no default that nobody has", async () => {
    const answers = { "one.test": () => Response.json(list("gpt-4o", "o3")) };
    const allowed = { QINGYU_AI_MODELS: "gpt-*,qwen-max" };
    const { names, status } = gateway([one], answers, allowed);
    expect(await names()).toEqual(["gpt-4o"]);
    expect([await status("o3"), await status("qwen-max")]).toEqual([404, 404]);
    expect(await gateway([service], {}).names()).toEqual(["BAAI/bge-large-zh-v1.5"]);
  });

  it("has only those that a provider is asked for by their names", async () => {
    const entry = { ...one, model: "mine", models: ["gpt-*"], embeddingModels: ["text-*"] };
    const { names } = gateway([entry], {
      "one.test": () => Response.json(list("gpt-4o", "mine", "whisper-1", "text-embedding-3-small", 7, "<script>", "")),
    });
    expect(await names()).toEqual(["gpt-4o", "mine", "text-embedding-3-small"]);
  });

  it("takes the settings' names, and every other, where a provider says nothing", async () => {
    const entry = { ...one, model: "mine", models: ["gpt-*", "mine", "other"] };
    const { names, status } = gateway(
      [entry, service],
      { "one.test": () => new Response("no", { status: 404 }) },
      {
        QINGYU_AI_MODELS: "mine,other,qwen-max,BAAI/*",
      },
    );
    expect(await names()).toEqual(["mine", "other", "BAAI/bge-large-zh-v1.5", "qwen-max"]);
    expect([await status("BAAI/x"), await status("gpt-5")]).toEqual([200, 404]);
  });

  it.each<[string, Answer]>([
    ["is broken", () => new Response("<html>", { headers: { "content-type": "text/html" } })],
    ["is none", () => Response.json({ data: "none" })],
    ["is too large", () => new Response(`"${"x".repeat(3_000_000)}"`)],
    ["has too many", () => Response.json(list(...Array.from({ length: 2_001 }, (_, index) => `m${index}`)))],
    ["is not all", () => Response.json({ ...list("gpt-4o"), has_more: true })],
    ["fails", () => new Response("", { status: 500 })],
    ["leads elsewhere", () => new Response("", { status: 302, headers: { location: "https://elsewhere.test" } })],
  ])("does without a list that %s", async (_, answer) => {
    const { names, status } = gateway([{ ...one, model: "mine" }], { "one.test": answer });
    expect([await names(), await status("anything")]).toEqual([["mine"], 200]);
  });

  it.concurrent.each<[string, Answer]>([
    ["before it", () => new Promise<Response>(() => {})],
    ["in the middle of it", () => new Response(new ReadableStream({ pull: () => new Promise(() => {}) }))],
  ])("waits for no list for ever, be the silence %s", async (_, answer) => {
    const { names } = gateway([{ ...one, model: "mine" }, claude], {
      "one.test": answer,
      "claude.test": () => Response.json(list("claude-x")),
    });
    expect(await names()).toEqual(["mine", "claude-x"]);
  });

  it("is asked for once in five minutes, by many at once too, and kept where a provider is gone", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      let isGone = false;
      const { names, asked, status } = gateway([one], {
        "one.test": () => (isGone ? new Response("", { status: 503 }) : Response.json(list("gpt-4o"))),
      });
      await Promise.all([names(), names(), status("gpt-4o")]);
      vi.advanceTimersByTime(299_000);
      await names();
      expect(asked).toHaveLength(1);
      isGone = true;
      vi.advanceTimersByTime(2_000);
      expect([await names(), await status("gpt-5"), asked.length]).toEqual([["gpt-4o"], 404, 2]);
      isGone = false;
      vi.advanceTimersByTime(31_000);
      await names();
      expect(asked).toHaveLength(3);
    } finally {
      vi.useRealTimers();
    }
  });
});
