import { describe, expect, it } from "vitest";
import { at } from "./support/json.ts";
import { provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";

const image = [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }];
const tool = { type: "function", function: { name: "look_up", parameters: {} } };

/** What only OpenAI-type providers carry. */
const demanding = {
  tools: { tools: [tool] },
  "a JSON schema": { response_format: { type: "json_schema", json_schema: { name: "n", schema: {} } } },
  images: { messages: [{ role: "user", content: image }] },
  "several choices": { n: 2 },
};

describe.concurrent("a request that not every provider can carry", () => {
  it.each(Object.entries(demanding))("goes to those who can: %s", async (_, body) => {
    const [ai, claude, last] = [upstream("ok"), upstream("ok"), upstream("turns:ok")];
    const { ask } = gateway([
      provider("ai", "connect", ai),
      { name: "claude", type: "anthropic", baseUrl: claude.url, apiKey: "k", model: "claude-x" },
      provider("last", "openai", last),
    ]);
    const { attempts } = await ask({ body });
    expect(attempts).toMatch(/^last:/);
    expect([await ai.seen(), await claude.seen()]).toEqual([[], []]);
  });

  const long = { messages: [{ role: "user", content: "字".repeat(3_000) }] };
  it("goes past a context that is too short for it", async () => {
    const [small, large] = [upstream("ok"), upstream("ok")];
    const { ask } = gateway([
      provider("small", "openai", small, { contextTokens: 1_000 }),
      provider("large", "openai", large, { contextTokens: 8_000 }),
    ]);
    expect((await ask({ body: long })).attempts).toBe("large:ok");
    expect((await ask()).attempts).toBe("small:ok");
    expect(await small.seen()).toHaveLength(1);
  });

  it("is too long where no context has room for it", async () => {
    const small = upstream("ok");
    const { ask } = gateway([provider("small", "connect", small, { contextTokens: 1_000 })]);
    const { status, code } = await ask({ body: long });
    expect([status, code, await small.seen()]).toEqual([400, "context_length_exceeded", []]);
  });
});

describe.concurrent("a refusal by the fallback", () => {
  const prefill = {
    messages: [
      { role: "user", content: "写" },
      { role: "assistant", content: "从前" },
    ],
  };

  it.each(["error:400:invalid_value", "error:400:context_length_exceeded", "error:400:content_filter"])(
    "never hides the first failure: %s",
    async (scenario) => {
      const { ask } = gateway([
        provider("first", "openai", upstream("html:200")),
        provider("second", "openai", upstream(scenario)),
      ]);
      const { status, code } = await ask({ body: prefill });
      expect([status, code]).toEqual([502, "upstream_bad_response"]);
    },
  );

  it("leads on to a third provider", async () => {
    const { ask } = gateway([
      provider("first", "openai", upstream("html:200")),
      provider("second", "openai", upstream("error:400:invalid_value")),
      provider("third", "openai", upstream("ok")),
    ]);
    const { attempts } = await ask({ body: prefill });
    expect(attempts).toBe("first:malformed, second:invalid_request, third:ok");
  });

  it("is told at once where it was a content filter: nobody shops around for a laxer one", async () => {
    const third = upstream("ok");
    const { ask } = gateway([
      provider("first", "openai", upstream("html:200")),
      provider("second", "openai", upstream("error:400:content_filter")),
      provider("third", "openai", third),
    ]);
    const { status, events } = await ask();
    expect([status, at(events[0], "error", "code"), await third.seen()]).toEqual([502, "upstream_bad_response", []]);
  });
});

describe.concurrent("our own credential", () => {
  it.each([
    ["error:401:invalid_api_key", "unauthenticated"],
    ["status:403", "permission_denied"],
    ["error:429:insufficient_quota", "quota_exhausted"],
  ])("raises an alarm in the log when it is refused: %s", async (scenario, reason) => {
    const { ask } = gateway([
      provider("first", "openai", upstream(scenario)),
      provider("second", "openai", upstream("ok")),
    ]);
    const { status, log } = await ask();
    const alarms = log.map((line) => JSON.parse(line)).filter(({ message }) => message === "alarm");
    expect([status, alarms]).toEqual([200, [expect.objectContaining({ level: "warn", provider: "first", reason })]]);
  });
});

describe.concurrent("an alarm in mid-stream", () => {
  it.each(["live", "atomic"])("is raised once: %s", async (delivery) => {
    const chain = [
      provider("first", "connect", upstream("error-mid:unauthenticated")),
      provider("second", "openai", upstream("ok")),
    ];
    const { log } = await gateway(chain).ask({ stream: true, headers: { "x-qingyu-delivery": delivery } });
    expect(log.filter((line) => JSON.parse(line).message === "alarm")).toHaveLength(1);
  });
});

describe("a stream's connection", () => {
  it.each(["openai", "connect", "grpc-web"] as const)("is used again for the next one: %s", async (kind) => {
    const first = upstream("kept");
    const { ask } = gateway([provider("first", kind, first)]);
    for (let index = 0; index < 8; index++) await ask({ stream: true });
    const connections = new Set((await first.seen()).map(({ connection }) => connection));
    expect(connections.size).toBeLessThan(4);
  });
});
