import { describe, expect, it } from "vitest";
import { sha256Hex } from "./support/app-on-fake-network.ts";
import { browser } from "./support/clients/browser.ts";
import {
  askAgent,
  askAgentStreamed,
  askByProfile,
  askDirectly,
  importedProfile,
  keptKey,
  objectIn,
} from "./support/clients/ed.ts";
import { chapterText, modelText } from "./support/clients/platform-calls.ts";
import { desktopOrigins, goodReply, platform } from "./support/clients/setting.ts";
import { at } from "./support/json.ts";

/* What the platform's desktop editor sends where it does not go through the platform, and what it makes of the answers. */

const [wails = ""] = desktopOrigins;
const key = "sk-qingyu-0123456789abcdef";
const keyed = { GATEWAY_API_KEYS: `studio:${await sha256Hex(key)}`, JWT_SECRET: undefined };
const open = { JWT_SECRET: undefined };
const unavailable = () => ({ status: 500 });

describe("a provider's profile", () => {
  const profile = (more: object = {}) =>
    importedProfile(
      JSON.stringify({
        version: 1,
        mode: "user_api",
        activeProviderProfileId: "qingyu",
        providerProfiles: [
          {
            id: "qingyu",
            userProvider: {
              ...{ providerType: "openai-compatible", baseURL: "http://localhost/", model: "qwen3", apiKey: key },
              ...{ endpointPath: "/v1/chat/completions", temperature: 0.7, ...more },
            },
          },
        ],
      }),
    );
  const { send, questions } = platform(goodReply, keyed);
  const page = browser(wails, send);

  it.each([{}, { baseURL: "http://localhost/v1", endpointPath: "chat/completions" }])("answers: %j", async (more) => {
    const answer = await askByProfile(page, profile(more), [{ role: "user", content: "请只回复 OK，用于连接测试。" }]);
    expect(answer).toEqual({ text: modelText, counts: [11, 7, 18] });
  });

  it("may ask for as much as an expanded chapter takes, after what was said before", async () => {
    questions.length = 0;
    const messages = [
      { role: "system", content: "你是编辑。" },
      { role: "assistant", content: "好的。" },
      { role: "user", content: `扩写：${chapterText}` },
    ];
    expect((await askByProfile(page, profile(), messages, 20_000)).text).toBe(modelText);
    expect(questions.map(({ body }) => body)).toEqual([
      { model: "qwen3", messages, temperature: 0.7, max_tokens: 20_000 },
    ]);
  });

  it("gets JSON in a text as the model wrote it", async () => {
    const said = {
      score: 8.5,
      issues: [{ type: "grammar", message: "重复", originalText: "的的", suggestions: ["的"] }],
    };
    const json = platform(() => `校对如下：\n\`\`\`json\n${JSON.stringify(said)}\n\`\`\`\n以上。`, keyed);
    const { text } = await askByProfile(browser(wails, json.send), profile(), [{ role: "user", content: "校对" }]);
    expect(objectIn(text)).toEqual(said);
  });

  it("that has no key is refused, as a status", async () => {
    const asking = askByProfile(page, profile({ apiKey: "" }), [{ role: "user", content: "x" }]);
    await expect(asking).rejects.toThrow("Request failed with status code 401");
  });

  it("tells of models that cannot be asked by a status", async () => {
    const failing = browser(wails, platform(unavailable, keyed).send);
    const asking = askByProfile(failing, profile(), [{ role: "user", content: "x" }]);
    await expect(asking).rejects.toThrow("Request failed with status code 503");
  });

  it("keeps a key of the gateway's, and drops a token", () => {
    expect([keptKey(key), keptKey("a".repeat(64)), keptKey("eyJhbGciOiJIUzI1NiJ9.e30.x")]).toEqual([
      key,
      "a".repeat(64),
      "",
    ]);
  });
});

describe("the agent", () => {
  const call = {
    id: "call_1",
    type: "function",
    function: { name: "list_characters", arguments: '{"projectId":"p"}' },
  };
  const tools = [
    { type: "function", function: { name: "list_characters", description: "人物", parameters: { type: "object" } } },
  ];
  const asked = [{ role: "user", content: "有哪些人物？" }];
  const url = "/v1/chat/completions";
  const round = platform(({ body }) => (at(body, "messages", 2) === undefined ? { calls: [call] } : modelText), keyed);

  it.each([
    ["whole", askAgent],
    ["streamed", askAgentStreamed],
  ] as const)("calls its tools and goes on with what they say, %s", async (_, ask) => {
    const first = await ask(round.send, url, key, { model: "gpt-4", messages: asked, tools });
    expect(first).toEqual({
      content: "",
      calls: [{ id: "call_1", name: "list_characters", arguments: '{"projectId":"p"}' }],
    });
    const said = [
      { role: "assistant", content: "", tool_calls: [call] },
      { role: "tool", content: "[]", tool_call_id: "call_1", name: "list_characters" },
    ];
    const second = await ask(round.send, url, key, { model: "gpt-4", messages: [...asked, ...said], tools });
    expect(second).toEqual({ content: modelText, calls: [] });
    expect(at(round.questions.at(-1)?.body, "messages")).toMatchObject([
      ...asked,
      ...said.map(({ role }) => ({ role })),
    ]);
  });

  it.each([
    ["whole", askAgent],
    ["streamed", askAgentStreamed],
  ] as const)("is told by another status than 200 where no model can be asked, %s", async (_, ask) => {
    const failing = platform(unavailable, keyed);
    await expect(ask(failing.send, url, key, { model: "gpt-4", messages: asked })).rejects.toThrow(/^503 /);
  });
});

describe("the bare calls", () => {
  const base = { project_id: "demo-project", current_text: chapterText, continue_length: 200 };
  const calls = [
    [
      "/api/v1/ai/chat",
      { messages: [{ role: "user", content: "林远是谁？", timestamp: 1_779_000_000_000 }], model: "gpt-4" },
    ],
    ["/api/v1/ai/writing/continue", { ...base, context: { plot_summary: "林远归来。" } }],
    ["/api/v1/ai/writing/polish", { text: chapterText, style: "把句子改短一些", focus_areas: ["flow", "tone"] }],
    ["/api/v1/ai/writing/polish", { text: chapterText }],
    ["/api/v1/ai/writing/expand", { text: chapterText, expand_ratio: 1.5, direction: "写出雨声" }],
  ] as const;
  const { send, questions } = platform(goodReply, open);
  const page = browser(wails, send);

  it("find the service well", async () => {
    await askDirectly(page, "/api/v1/health");
  });

  it.each(calls)("are answered without an envelope: %s %j", async (path, body) => {
    questions.length = 0;
    const { said, text, usage } = await askDirectly(page, path, body);
    expect(text).toBe(modelText);
    expect(usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 });
    expect(said).not.toHaveProperty("code");
    expect(said).toHaveProperty("quota_remaining");
    expect(questions).toHaveLength(1);
  });

  it.each(calls)("tell of models that cannot be asked by a status: %s %j", async (path, body) => {
    const failing = browser(wails, platform(unavailable, open).send);
    await expect(askDirectly(failing, path, body)).rejects.toThrow("Request failed with status code 503");
  });

  it.each(calls)("need a key where there are keys: %s %j", async (path, body) => {
    const closed = browser(wails, platform(goodReply, keyed).send);
    await expect(askDirectly(closed, path, body)).rejects.toThrow("Request failed with status code 401");
  });
});
