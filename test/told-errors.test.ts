import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { fakeOpenAi, onlyOpenAi, type TestAppOptions, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";

/** What a caller is told of what went wrong: in the words of his API, by the names that he used, and whether to ask again. */

const path = "/v1/chat/completions";
const messages = [{ role: "user", content: "写" }];
const answering = (status: number, body: object = {}, headers: Record<string, string> = {}) =>
  new Hono().all("*", (c) => c.json(body, status as 500, headers));
const app = ({ settings, ...options }: TestAppOptions = {}) =>
  testApp({ settings: { ...onlyOpenAi, QINGYU_CACHE_ENABLED: "false", ...settings }, ...options });
const told = (answer: { json: () => unknown }) => at(answer.json(), "error");

describe.concurrent("an error in OpenAI's form", () => {
  it.each([
    [429, "rate_limit_exceeded", "rate_limit_exceeded"],
    [500, "server_error", "upstream_unavailable"],
    [404, "server_error", "upstream_bad_response"],
    [401, "server_error", "upstream_auth"],
    [504, "server_error", "upstream_timeout"],
    [400, "invalid_request_error", "invalid_request"],
  ])("has OpenAI's type and the reason: %i", async (status, type, code) => {
    const answer = await app({ network: answering(status) }).post(path, { messages });
    expect(told(answer)).toMatchObject({ type, code });
  });
});

describe.concurrent("a parameter", () => {
  /** Refuses the limit under the name that it is sent. */
  const refusing = new Hono().post(path, async (c) => {
    const param = Object.keys(await c.req.json()).find((name) => name.startsWith("max_"));
    return c.json({ error: { message: "no", type: "invalid_request_error", param } }, 400);
  });
  const ofOurs = { settings: { QINGYU_LIMITS_MAX_TOKENS: "10" } };
  const tooMany = "must be at most 10 (limits.max_tokens).";

  it.each<[string, object, object, string, string]>([
    [path, { messages, max_tokens: 11 }, ofOurs, "max_tokens", `The field 'max_tokens' ${tooMany}`],
    [
      path,
      { messages, max_completion_tokens: 11 },
      ofOurs,
      "max_completion_tokens",
      `The field 'max_completion_tokens' ${tooMany}`,
    ],
    [
      path,
      { messages, max_completion_tokens: 0 },
      {},
      "max_completion_tokens",
      "The field 'max_completion_tokens' must be at least 1.",
    ],
    [
      path,
      { messages, max_tokens: 5 },
      { network: refusing },
      "max_tokens",
      "The AI provider refused the request as invalid. It is about 'max_tokens'.",
    ],
    [
      path,
      { messages, max_completion_tokens: 5 },
      { network: refusing },
      "max_completion_tokens",
      "The AI provider refused the request as invalid. It is about 'max_completion_tokens'.",
    ],
    [
      path,
      { messages, model: "o3", max_tokens: 5 },
      { network: refusing },
      "max_tokens",
      "The AI provider refused the request as invalid. It is about 'max_tokens'.",
    ],
    [path, { messages, model: "x" }, { settings: { QINGYU_AI_MODELS: "y" } }, "model", ""],
  ])("goes by the name that its caller used: %s %j", async (to, body, options, param, message) => {
    const answer = await app(options).post(to, body);
    expect(told(answer)).toMatchObject({ param, message: expect.stringContaining(message) });
  });

  it.each<[object, object, string]>([
    [{ prompt: "写", options: { maxTokens: 11 } }, ofOurs, "options.maxTokens"],
    [{ prompt: "写", options: { maxTokens: 5 } }, { network: refusing }, "options.maxTokens"],
    [{ prompt: "写", options: { maxTokens: -1 } }, {}, "options.maxTokens"],
    [{ prompt: "写", options: { model: "x" } }, { settings: { QINGYU_AI_MODELS: "y" } }, "options.model"],
    [{ prompt: "写作" }, { settings: { QINGYU_LIMITS_PROMPT_CHARS: "1" } }, "prompt"],
    [{ messages: [{ role: "user", content: "写作" }] }, { settings: { QINGYU_LIMITS_PROMPT_CHARS: "1" } }, "messages"],
  ])("goes by the platform's name: %j", async (body, options, param) => {
    const answer = await app(options).post("/api/v1/ai/generate", { projectId: "p", ...body });
    expect(answer.json()).toMatchObject({ param });
  });

  it("goes by the contract's name", async () => {
    const answer = await app(ofOurs).post("/qingyu.ai.AIService/GenerateContent", {
      projectId: "p",
      prompt: "写",
      options: { maxTokens: 11 },
    });
    expect(answer.json()).toMatchObject({ message: `The field 'options.max_tokens' ${tooMany}` });
  });
});

describe.concurrent("a field that may be one of several things", () => {
  const said = (content: unknown) => ({ messages: [{ role: "user", content }] });
  it.each<[object, string, string]>([
    [said(7), "messages[0].content", "must be a string or an array."],
    [said({}), "messages[0].content", "must be a string or an array."],
    [said([]), "messages[0].content", "must be at least 1 items long."],
    [said(["x"]), "messages[0].content[0]", "must be an object."],
    [said([{ type: 7 }]), "messages[0].content[0].type", "must be a string."],
    [said([{ text: "x" }]), "messages[0].content[0].type", "is missing."],
    [{ messages, stop: 7 }, "stop", "must be a string or an array."],
    [{ messages, stop: [7] }, "stop[0]", "must be a string."],
    [{ messages, stop: "" }, "stop", "must be at least 1 characters long."],
  ])("is told which: %j", async (body, param, what) => {
    expect(told(await app().post(path, body))).toMatchObject({ param, message: `The field '${param}' ${what}` });
  });
});

describe.concurrent("a path below a wrong base", () => {
  it.each(["//v1/chat/completions", "/v1//chat/completions", "/v1/chat/completions/"])(
    "is answered where it has a slash too many: %s",
    async (to) => {
      const { network } = fakeOpenAi();
      const answer = await app({ network }).post(`http://localhost${to}`, { messages });
      expect(answer.status).toBe(200);
    },
  );

  it("is answered where it is the platform's, and the base is OpenAI's", async () => {
    const { network } = fakeOpenAi();
    const { send, post } = app({ network });
    expect((await send("/v1/api/v1/ai/health")).status).toBe(200);
    const answer = await post("/v1/api/v1/ai/generate", { projectId: "p", prompt: "写" });
    expect([answer.status, answer.json()]).toMatchObject([200, { code: 0 }]);
    const refused = await post("/v1/api/v1/ai/generate", {});
    expect([refused.status, refused.json()]).toMatchObject([400, { code: 1001 }]);
  });

  it.each(["/chat/completions", "/v1/v1/chat/completions", "/", "/v1/", "/models", "/openai/v1/embeddings"])(
    "says what the base is: %s",
    async (to) => {
      const answer = await app().post(to, { messages });
      expect([answer.status, told(answer)]).toMatchObject([
        404,
        { code: "not_found", message: expect.stringContaining("'https://host/v1'") },
      ]);
    },
  );

  it("leads to the list of models with a slash at its end", async () => {
    expect((await app().send("/v1/models/")).status).toBe(200);
  });
});

describe.concurrent("a caller", () => {
  it.each<[string, Hono, string | null]>([
    ["not where everybody has been asked again", answering(500), "false"],
    ["where the provider says when", answering(503, {}, { "retry-after": "20" }), null],
    ["where nobody has been asked again", answering(200, {}), null],
  ])("should ask again %s", async (_, network, shouldRetry) => {
    const answer = await app({ network }).post(path, { messages });
    expect(answer.headers.get("x-should-retry")).toBe(shouldRetry);
  });
});
