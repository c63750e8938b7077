import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { fakeOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { completion } from "./upstreams/openai-answers.ts";

const path = "/api/v1/ai/generate";

/** Under the names of all of the platform's clients. */
const usage = {
  ...{ promptTokens: 11, completionTokens: 7, totalTokens: 18 },
  ...{ prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
};

describe("POST /api/v1/ai/generate", () => {
  it("answers in the platform's envelope", async () => {
    const { network, seen } = fakeOpenAi();
    const before = Date.now();
    const answer = await testApp({ network }).post(
      path,
      {
        projectId: "p1",
        chapterId: "c1",
        prompt: "继续写",
        options: { model: "gpt-4o", maxTokens: 50, temperature: 0.5, topP: 0.9, stop: ["完"], seed: 7 },
      },
      { "x-request-id": "req-1" },
    );
    expect([answer.status, answer.json()]).toEqual([
      200,
      {
        code: 0,
        message: "操作成功",
        data: {
          content: "青羽",
          generated_text: "青羽",
          model: "gpt-upstream",
          tokensUsed: 18,
          finishReason: "stop",
          generatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
          usage,
          provider: "openai",
        },
        timestamp: expect.any(Number),
        request_id: "req-1",
      },
    ]);
    expect((answer.json() as { timestamp: number }).timestamp).toBeGreaterThanOrEqual(before);
    expect(seen).toEqual([
      {
        model: "gpt-4o",
        messages: [{ role: "user", content: "继续写" }],
        max_tokens: 50,
        temperature: 0.5,
        top_p: 0.9,
        stop: ["完"],
        seed: 7,
      },
    ]);
  });

  it("leaves counts that nobody knows out instead of calling them 0", async () => {
    const network = new Hono().post("/v1/chat/completions", (c) => c.json(completion("x", { usage: undefined })));
    const answer = await testApp({ network }).post(path, { projectId: "p", prompt: "no usage" });
    expect(answer.json()).toMatchObject({ data: { tokensUsed: null, usage: null } });
  });

  it.each([
    ["options.stream", { options: { stream: true } }, {}],
    ["Accept", {}, { accept: "application/json;q=0.1, text/event-stream" }],
  ])("streams events where %s asks for it", async (name, fields, headers) => {
    const { network } = fakeOpenAi();
    const answer = await testApp({ network }).post(
      path,
      { projectId: "p", prompt: `stream by ${name}`, ...fields },
      { ...headers, "x-request-id": "req-2" },
    );
    const done = {
      model: "gpt-upstream",
      finishReason: "stop",
      tokensUsed: 18,
      usage,
      provider: "openai",
      requestId: "req-2",
    };
    expect(answer.text).toBe(
      `event: message\ndata: {"delta":"青"}\n\nevent: message\ndata: {"delta":"羽"}\n\nevent: done\ndata: ${JSON.stringify(done)}\n\n`,
    );
  });

  it.each([
    ["no project", { prompt: "x" }, "projectId", "missing_field"],
    ["neither prompt nor messages", { projectId: "p" }, "prompt", "missing_field"],
    ["both", { projectId: "p", prompt: "x", messages: [{ role: "user", content: "x" }] }, "prompt", "invalid_value"],
    ["an empty prompt", { projectId: "p", prompt: "" }, "prompt", "missing_field"],
    ["a prompt of white space", { projectId: "p", prompt: " \n" }, "prompt", "missing_field"],
    ["a project of another type", { projectId: 1, prompt: "x" }, "projectId", "invalid_value"],
    [
      "an option of another type",
      { projectId: "p", prompt: "x", options: { stop: "x" } },
      "options.stop",
      "invalid_value",
    ],
    [
      "maxTokens over the limit",
      { projectId: "p", prompt: "x", options: { maxTokens: 131_073 } },
      "options.maxTokens",
      "invalid_value",
    ],
  ])("refuses %s with the field's name", async (_, body, param, error) => {
    const answer = await testApp().post(path, body, { "x-request-id": "req-3" });
    expect([answer.status, answer.json()]).toEqual([
      400,
      {
        code: 1001,
        message: expect.any(String),
        data: null,
        error,
        param,
        timestamp: expect.any(Number),
        request_id: "req-3",
      },
    ]);
  });

  it("leaves unknown members alone, and takes null for absent", async () => {
    const { network, seen } = fakeOpenAi();
    const nothing = { chapterId: null, messages: null, currentText: null, type: null };
    const options = { model: null, maxTokens: null, stop: null, seed: null, foo: 1 };
    const body = { projectId: "p", prompt: "tolerant", ...nothing, options, bar: 2 };
    expect((await testApp({ network }).post(path, body)).status).toBe(200);
    const [message] = [{ role: "user", content: "tolerant" }];
    expect(seen).toEqual([{ model: expect.any(String), messages: [message], max_tokens: 2000, temperature: 0.7 }]);
  });
});
