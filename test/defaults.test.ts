import { describe, expect, it } from "vitest";
import { testApp } from "./support/app-on-fake-network.ts";
import { threeProviders } from "./support/three-providers.ts";

/** What a provider is asked for, all of it, where a caller leaves something out, says 0, or says something. */

const prompt = "你好";
const messages = [{ role: "user", content: prompt }];

const providers = {
  openai: { name: "p", type: "openai", baseUrl: "https://p.test/v1", model: "gpt-mine" },
  anthropic: { name: "p", type: "anthropic", baseUrl: "https://p.test", model: "claude-sonnet-4-5" },
  "ai-service": { name: "p", type: "ai-service", baseUrl: "https://p.test" },
} as const;
type Type = keyof typeof providers;

type Surface = "openai" | "qingyu" | "connect";
const surfaces: Readonly<Record<Surface, (options: object) => [string, object]>> = {
  openai: (options) => ["/v1/chat/completions", { messages, ...options }],
  qingyu: (options) => ["/api/v1/ai/generate", { projectId: "书", prompt, options }],
  connect: (options) => ["/qingyu.ai.AIService/GenerateContent", { projectId: "书", prompt, options }],
};

async function bodySent(surface: Surface, type: Type, options: object, settings: Record<string, string> = {}) {
  const { network, seen } = threeProviders();
  const app = testApp({
    network,
    settings: { AI_PROVIDERS: JSON.stringify([providers[type]]), QINGYU_CACHE_ENABLED: "false", ...settings },
  });
  const answer = await app.post(...surfaces[surface](options));
  expect([answer.status, seen.length]).toEqual([200, 1]);
  return seen[0];
}

const close = (value: number) => expect.closeTo(value, 6);
const bodies = {
  openai: (more: object) => ({ model: "gpt-mine", messages, ...more }),
  anthropic: (more: object) => ({ model: "claude-sonnet-4-5", messages, ...more }),
  "ai-service": (options: object, surface: Surface) => ({
    ...(surface !== "openai" && { projectId: "书" }),
    prompt,
    messages,
    options,
  }),
} as const;

const usual = { max_tokens: 2000, temperature: 0.7 };
const usualOfService = { maxTokens: 2000, temperature: close(0.7) };
const set = { QINGYU_AI_MAX_TOKENS: "300", QINGYU_AI_TEMPERATURE: "0.2" };

interface Row {
  readonly name: string;
  readonly asked: Readonly<Record<Surface, object>>;
  readonly settings?: Record<string, string>;
  /** What is sent beside what is always sent. */
  readonly sent: Readonly<Record<Surface, Readonly<Record<Type, object>>>>;
}

const nothing = { openai: {}, qingyu: {}, connect: {} };
const sameFor = (sent: Record<Type, object>) => ({ openai: sent, qingyu: sent, connect: sent });
const ofThePlatform = { openai: usual, anthropic: usual, "ai-service": usualOfService };

const rows: readonly Row[] = [
  {
    name: "nothing",
    asked: nothing,
    sent: {
      openai: { openai: {}, anthropic: { max_tokens: 64_000 }, "ai-service": usualOfService },
      qingyu: ofThePlatform,
      connect: ofThePlatform,
    },
  },
  {
    name: "nothing, where the settings say something",
    asked: nothing,
    settings: set,
    sent: sameFor({
      openai: { max_tokens: 300, temperature: 0.2 },
      anthropic: { max_tokens: 300, temperature: 0.2 },
      "ai-service": { maxTokens: 300, temperature: close(0.2) },
    }),
  },
  {
    name: "nothing, where only one setting says something",
    asked: nothing,
    settings: { QINGYU_AI_TEMPERATURE: "0" },
    sent: {
      openai: {
        openai: { temperature: 0 },
        anthropic: { max_tokens: 64_000, temperature: 0 },
        "ai-service": { maxTokens: 2000 },
      },
      ...(() => {
        const sent = { max_tokens: 2000, temperature: 0 };
        const platform = { openai: sent, anthropic: sent, "ai-service": { maxTokens: 2000 } };
        return { qingyu: platform, connect: platform };
      })(),
    },
  },
  {
    // Over Connect a 0 is nothing where the contract cannot tell them apart.
    name: "a temperature of 0",
    asked: { openai: { temperature: 0 }, qingyu: { temperature: 0 }, connect: { temperature: 0 } },
    settings: set,
    sent: {
      openai: {
        openai: { max_tokens: 300, temperature: 0 },
        anthropic: { max_tokens: 300, temperature: 0 },
        "ai-service": { maxTokens: 300 },
      },
      qingyu: {
        openai: { max_tokens: 300, temperature: 0 },
        anthropic: { max_tokens: 300, temperature: 0 },
        "ai-service": { maxTokens: 300 },
      },
      connect: {
        openai: { max_tokens: 300, temperature: 0.2 },
        anthropic: { max_tokens: 300, temperature: 0.2 },
        "ai-service": { maxTokens: 300, temperature: close(0.2) },
      },
    },
  },
  {
    name: "both",
    asked: {
      openai: { max_tokens: 9, temperature: 0.5 },
      qingyu: { maxTokens: 9, temperature: 0.5 },
      connect: { maxTokens: 9, temperature: 0.5 },
    },
    settings: set,
    sent: sameFor({
      openai: { max_tokens: 9, temperature: 0.5 },
      anthropic: { max_tokens: 9, temperature: 0.5 },
      "ai-service": { maxTokens: 9, temperature: 0.5 },
    }),
  },
];

const surfaceNames: readonly Surface[] = ["openai", "qingyu", "connect"];
const types: readonly Type[] = ["openai", "anthropic", "ai-service"];
const cases = rows.flatMap((row) => surfaceNames.flatMap((surface) => types.map((type) => ({ row, surface, type }))));

describe.concurrent("what a provider is asked for", () => {
  it.each(cases)("$type, by a caller of $surface who says $row.name", async ({ row, surface, type }) => {
    expect(await bodySent(surface, type, row.asked[surface], row.settings)).toEqual(
      bodies[type](row.sent[surface][type], surface),
    );
  });

  it("has all zeros that a caller of OpenAI's API says", async () => {
    const zeros = { temperature: 0, top_p: 0, seed: 0, presence_penalty: 0, frequency_penalty: 0 };
    expect(await bodySent("openai", "openai", zeros)).toEqual(bodies.openai(zeros));
  });

  it("has no more tokens than the settings allow", async () => {
    for (const ours of ["", "3000"]) {
      const settings = { QINGYU_LIMITS_MAX_TOKENS: "1000", QINGYU_AI_MAX_TOKENS: ours };
      expect(await bodySent("qingyu", "openai", {}, settings)).toMatchObject({ max_tokens: 1000 });
    }
  });

  it.each([
    ["claude-3-haiku-20240307", 4_096],
    ["claude-3-5-sonnet-latest", 8_192],
    ["claude-3-7-sonnet-20250219", 64_000],
    ["claude-opus-4-20250514", 32_000],
    ["claude-opus-4-1", 32_000],
    ["claude-sonnet-4-0", 64_000],
    ["claude-haiku-4-5-20251001", 64_000],
    ["claude-opus-4-6", 128_000],
    ["claude-sonnet-5", 64_000],
    ["somebody-elses", 4_096],
  ])("has the model's own limit where Anthropic needs one: %s", async (model, max_tokens) => {
    const settings = { AI_PROVIDERS: JSON.stringify([{ ...providers.anthropic, model }]) };
    expect(await bodySent("openai", "anthropic", {}, settings)).toEqual({ model, messages, max_tokens });
  });

  it("has an image of nearly four megabytes whole", async () => {
    const url = `data:image/png;base64,${"A".repeat(4_190_000)}`;
    const image = { type: "image_url", image_url: { url } };
    const asked = { messages: [{ role: "user", content: [{ type: "text", text: prompt }, image] }] };
    expect(await bodySent("openai", "openai", asked)).toEqual({ model: "gpt-mine", ...asked });
  });
});
