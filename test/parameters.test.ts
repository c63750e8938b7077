import { describe, expect, it } from "vitest";
import { testApp } from "./support/app-on-fake-network.ts";
import { threeProviders } from "./support/three-providers.ts";

/** What of OpenAI's parameters binds a request to providers that have it, what may be left out, and what says nothing. */

const path = "/v1/chat/completions";
const [ask, answer] = [
  { role: "user", content: "写" },
  { role: "assistant", content: "从前" },
];
const messages = [ask];
/** A conversation whose second turn has more in it. */
const turn = (more: object) => ({ messages: [ask, { ...answer, ...more }, ask] });
const part = (more: object) => ({ messages: [{ role: "user", content: [{ type: "text", text: "写", ...more }] }] });

const providers = {
  openai: { name: "p", type: "openai", baseUrl: "https://p.test/v1", model: "m" },
  anthropic: { name: "p", type: "anthropic", baseUrl: "https://p.test", model: "claude-sonnet-4-5" },
  "ai-service": { name: "p", type: "ai-service", baseUrl: "https://p.test" },
} as const;

function gateway(...types: readonly (keyof typeof providers)[]) {
  const { network, seen } = threeProviders();
  const AI_PROVIDERS = JSON.stringify(types.map((type) => ({ ...providers[type], name: type })));
  // A cache of its own, in the KV of all.
  const settings = { AI_PROVIDERS, CACHE_KEY_SECRET: crypto.randomUUID() };
  return { ...testApp({ network, settings }), seen };
}

const nothing: readonly object[] = [
  { tools: [] },
  { tools: [], tool_choice: "auto" },
  { tool_choice: "none" },
  { tool_choice: "auto" },
  { parallel_tool_calls: true },
  { parallel_tool_calls: false },
  { functions: [], function_call: "auto" },
  { modalities: ["text"] },
  { metadata: {} },
  { metadata: null },
  { store: false },
  { service_tier: "auto" },
  { logit_bias: {} },
  { logprobs: false },
  { n: 1 },
  { stop: [] },
  { response_format: { type: "text" } },
  { stream_options: { include_usage: true } },
  turn({ annotations: [] }),
  turn({ tool_calls: [] }),
  turn({ tool_calls: null, function_call: null, audio: null, refusal: null }),
  turn({ provider_specific_fields: {} }),
  turn({ provider_specific_fields: null, reasoning_content: null }),
  part({ annotations: [], cache_control: null }),
];

const optional: readonly [object, string][] = [
  [{ metadata: { 章: "一" } }, "metadata"],
  [{ store: true }, "store"],
  [{ service_tier: "flex" }, "service_tier"],
  [{ safety_identifier: "u" }, "safety_identifier"],
  [{ prompt_cache_key: "k" }, "prompt_cache_key"],
  [{ prompt_cache_retention: "24h" }, "prompt_cache_retention"],
  [{ reasoning_effort: "low" }, "reasoning_effort"],
  [{ verbosity: "high" }, "verbosity"],
  [{ prediction: { type: "content", content: "从前" } }, "prediction"],
  [{ store: true, metadata: { a: "b" } }, "store, metadata"],
  [turn({ reasoning_content: "想" }), "messages.reasoning_content"],
  [turn({ provider_specific_fields: { a: 1 } }), "messages.provider_specific_fields"],
  [turn({ annotations: [{ type: "url_citation" }] }), "messages.annotations"],
  [turn({ thinking_blocks: [{ type: "thinking" }] }), "messages.thinking_blocks"],
  [part({ cache_control: { type: "ephemeral" } }), "messages.content.cache_control"],
];

const tool = { type: "function", function: { name: "f", parameters: {} } };
const needed: readonly [object, string][] = [
  [{ tools: [tool] }, "tools"],
  [{ tools: [tool], tool_choice: "none" }, "tools"],
  [{ tool_choice: "required" }, "tool_choice"],
  [{ functions: [{ name: "f" }] }, "functions"],
  [{ logit_bias: { 1: 1 } }, "logit_bias"],
  [{ logprobs: true }, "logprobs"],
  [{ modalities: ["text", "audio"] }, "modalities"],
  [{ n: 2 }, "n"],
  [{ web_search_options: {}, from_the_future: 1 }, "from_the_future"],
  [{ from_the_future: [] }, "from_the_future"],
  [turn({ tool_calls: [{ id: "c" }] }), "messages.tool_calls"],
  [turn({ refusal: "不" }), "messages.refusal"],
  [turn({ from_the_future: 1 }), "messages.from_the_future"],
  [part({ from_the_future: 1 }), "messages.content.from_the_future"],
];

const withoutThem = ["ai-service", "anthropic"] as const;
const eachWith = <Row>(rows: readonly Row[]) => withoutThem.flatMap((type) => rows.map((row) => ({ type, row })));

describe.concurrent("a parameter", () => {
  it.each(eachWith(nothing))("that says nothing is as good as none: $type, $row", async ({ type, row }) => {
    const { post, seen } = gateway(type);
    const { status, headers } = await post(path, { messages, ...row });
    expect([status, headers.get("x-qingyu-omitted"), seen.length]).toEqual([200, null, 1]);
  });

  it.each(nothing.map((row) => ({ row })))("that says nothing is carried to nobody: $row", async ({ row }) => {
    const { post, seen } = gateway("openai");
    await post(path, { messages, ...row });
    const given = { messages, ...row } as { messages: { role: string; content: unknown }[] };
    const said = given.messages.map(({ role, content }) => ({
      role,
      content: Array.isArray(content) ? "写" : content,
    }));
    expect(seen).toEqual([{ model: "m", messages: said }]);
  });

  it.each(eachWith(optional))("that may be left out is, and named: $type, $row", async ({ type, row }) => {
    const [more, omitted] = row;
    const { post, seen } = gateway(type);
    const body = { messages, ...more };
    const first = await post(path, body);
    const cached = await post(path, body);
    expect([first.status, first.headers.get("x-qingyu-omitted"), seen.length]).toEqual([200, omitted, 1]);
    expect([cached.headers.get("x-cache"), cached.headers.get("x-qingyu-omitted")]).toEqual(["HIT", omitted]);
  });

  it.each(optional)("that may be left out is carried to a provider that has it: %j", async (more) => {
    const { post, seen } = gateway("openai");
    const { headers } = await post(path, { messages, ...more });
    expect([headers.get("x-qingyu-omitted"), seen]).toEqual([null, [{ model: "m", messages, ...more }]]);
  });

  it.each(eachWith(needed))("that is needed is refused where nobody has it: $type, $row", async ({ type, row }) => {
    const [more, param] = row;
    const alone = gateway(type);
    const refused = await alone.post(path, { messages, ...more });
    expect([refused.status, refused.json()]).toMatchObject([400, { error: { code: "unsupported_parameter", param } }]);
    expect(alone.seen).toEqual([]);
    const { headers } = await gateway(type, "openai").post(path, { messages, ...more });
    expect([headers.get("x-qingyu-attempts"), headers.get("x-qingyu-omitted")]).toEqual(["openai:ok", null]);
  });

  it("of a stream is carried where there is one, known or not", async () => {
    const stream_options = { include_obfuscation: false, from_the_future: 1 };
    const { post, seen } = gateway("openai");
    await post(path, { messages, stream: true, stream_options });
    await post(path, { messages, stream_options });
    expect(seen).toEqual([
      { model: "m", messages, stream: true, stream_options: { ...stream_options, include_usage: true } },
      { model: "m", messages },
    ]);
  });

  it("is left out for Anthropic where it says who the user is in a form that Anthropic refuses", async () => {
    const { post, seen } = gateway("anthropic");
    const { headers } = await post(path, { messages, user: "reader@example.com" });
    expect(headers.get("x-qingyu-omitted")).toBe("user");
    expect(seen).toEqual([{ model: "claude-sonnet-4-5", messages, max_tokens: 64_000 }]);
  });

  it("may have nothing in it at any depth of a message", async () => {
    const call = { id: "c", type: "function", function: { name: "f", arguments: "{}" } };
    const { post, seen } = gateway("openai");
    await post(path, turn({ content: null, tool_calls: [{ ...call, index: null, provider_specific_fields: null }] }));
    expect(seen).toEqual([
      { model: "m", messages: [ask, { role: "assistant", content: null, tool_calls: [call] }, ask] },
    ]);
  });
});
