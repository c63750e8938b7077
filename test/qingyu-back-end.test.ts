import { describe, expect, it } from "vitest";
import { sha256Hex } from "./support/app-on-fake-network.ts";
import { AdapterError, analyzeChapter, askAdapter, streamFromAdapter } from "./support/clients/go.ts";
import type { Reply } from "./support/clients/model.ts";
import { chapterText, modelText } from "./support/clients/platform-calls.ts";
import { goodReply, platform } from "./support/clients/setting.ts";

/* What the platform's Go back end sends to a model's API, and what it makes of the answers by its own JSON's rules. */

const key = "sk-qingyu-0123456789abcdef";
const settings = { GATEWAY_API_KEYS: `platform:${await sha256Hex(key)}`, JWT_SECRET: undefined };
const sampling = { max_tokens: 2000, temperature: 0.7, top_p: 1, user: "u-1" };
const text = { model: "gpt-4", prompt: chapterText, ...sampling, stop: ["。。"] };
const chat = { model: "gpt-3.5-turbo", messages: [{ role: "user", content: chapterText }], ...sampling };

const ways = {
  "/v1/completions": async (reply: Reply | undefined, body: object = text, sent = key) =>
    await askAdapter(platform((asked) => reply ?? goodReply(asked), settings).send, "/v1/completions", sent, body),
  "/v1/chat/completions": async (reply: Reply | undefined, body: object = chat, sent = key) =>
    await askAdapter(platform((asked) => reply ?? goodReply(asked), settings).send, "/v1/chat/completions", sent, body),
  "/v1/completions, streamed": async (reply: Reply | undefined, body: object = text, sent = key) =>
    await streamFromAdapter(
      platform((asked) => reply ?? goodReply(asked), settings).send,
      "/v1/completions",
      sent,
      body,
    ),
};

describe.each(Object.entries(ways))("%s", (name, ask) => {
  it("gives the text, why it ends, and how many tokens it took", async () => {
    expect(await ask(undefined)).toEqual({ text: modelText, finishReason: "stop", totalTokens: 18 });
  });

  it("needs no settings, and for a text no name of a model", async () => {
    const bare = name.includes("chat")
      ? { model: "gpt-4", messages: chat.messages }
      : { model: "", prompt: chapterText };
    expect(await ask(undefined, bare)).toMatchObject({ text: modelText });
  });

  it.each<[string, Reply, Partial<AdapterError>]>([
    ["says 500", { status: 500 }, { type: "server_error", isRetried: true }],
    ["resets the connection", "reset", { type: "server_error", isRetried: true }],
    ["refuses the gateway's key", { status: 401 }, { type: "server_error", isRetried: true }],
    ["says 429", { status: 429 }, { type: "rate_limit_exceeded", isRetried: true }],
  ])("is told in a body that it can decode where every model %s", async (_, reply, expected) => {
    const failure = await ask(reply).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AdapterError);
    expect(failure).toMatchObject(expected);
  });

  it.each([
    ["a wrong key", {}, "sk-wrong-000000000000000"],
    ["a body that says nothing", { prompt: undefined, messages: undefined }, key],
    ["a temperature that is none", { temperature: 7 }, key],
  ])("is told in a body that it can decode, and does not ask again, for %s", async (_, more, sent) => {
    const failure = await ask(undefined, { ...(name.includes("chat") ? chat : text), ...more }, sent).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(AdapterError);
    expect(failure).toMatchObject({ isRetried: false, type: expect.stringMatching(/authentication|invalid_request/) });
  });
});

describe("a chapter's analysis", () => {
  const body = {
    ...{ project_id: "p", chapter_id: "c", text: chapterText },
    existing_entities: [
      {
        entity_id: "e-1",
        entity_type: "character",
        name: "林远",
        aliases: ["阿远"],
        summary: "主角",
        current_state: "{}",
      },
    ],
  };

  it.each(["", "/v1"])("is decoded, at a base URL that ends in %j", async (base) => {
    const { send } = platform(goodReply, { JWT_SECRET: undefined });
    const { value, missing } = await analyzeChapter(send, base, body);
    expect(missing).toEqual([]);
    expect(value).toMatchObject({
      state_changes: [{ entity_name: "林远", field_key: "位置", old_value: "城外", new_value: "青石巷" }],
      relation_changes: [{ from_entity: "林远", to_entity: "苏晚", relation_type: "故人", change_type: "changed" }],
      new_entities: [{ name: "老陈", entity_type: "character", description: "船夫" }],
      events: [{ description: "林远归来", chapter_position: expect.stringMatching(/./), involved_entities: ["林远"] }],
      usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
    });
  });

  it("is asked of the next model where the first one fails, and then refused as a status", async () => {
    const turn = platform((asked) => (asked.provider === "first" ? "不行" : goodReply(asked)), {
      JWT_SECRET: undefined,
    });
    expect((await analyzeChapter(turn.send, "", body)).missing).toEqual([]);
    const failing = platform(() => ({ status: 500 }), { JWT_SECRET: undefined });
    await expect(analyzeChapter(failing.send, "", body)).rejects.toThrow(/^503 /);
  });
});
