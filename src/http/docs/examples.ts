import { sseEvent } from "../event-stream.ts";

/** One scene, asked for and answered on every surface; a test holds each example against the schema beside it. */

const requestId = "chapter-12-draft-3";
const createdAtMs = Date.UTC(2026, 10, 20, 12);
const created = createdAtMs / 1000;
const createdAt = new Date(createdAtMs).toISOString();
const model = "gpt-4o";
const style = "你是网络小说《青羽》的作者，文风清冷。";
const prompt = "夜雨落在青石巷，少年收起纸伞，";
const pieces = ["抬头望见", "檐角一盏将熄的灯。"];
const content = pieces.join("");
const messages = [
  { role: "system", content: style },
  { role: "user", content: prompt },
];
const usage = { promptTokens: 42, completionTokens: 18, totalTokens: 60 };
const done = { model, finishReason: "stop", tokensUsed: usage.totalTokens, usage, provider: "openai" };

const completion = { id: `chatcmpl-${requestId}`, created, model };
const chunk = (delta: object, finish_reason: string | null = null) =>
  sseEvent(
    JSON.stringify({
      ...completion,
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    }),
  );

export const example = {
  requestId,
  createdAtMs,
  model: { id: model, object: "model", created: 0, owned_by: "qingyu-ai-gateway" },
  chat: {
    request: { model, messages, max_tokens: 200, temperature: 0.8 },
    answer: {
      ...completion,
      object: "chat.completion",
      choices: [
        { index: 0, message: { role: "assistant", content, refusal: null }, logprobs: null, finish_reason: "stop" },
      ],
      usage: {
        prompt_tokens: usage.promptTokens,
        completion_tokens: usage.completionTokens,
        total_tokens: usage.totalTokens,
      },
    },
    events: [
      chunk({ role: "assistant", content: pieces[0] }),
      chunk({ content: pieces[1] }),
      chunk({}, "stop"),
      sseEvent("[DONE]"),
    ].join(""),
  },
  generate: {
    request: { projectId: "qingyu", chapterId: "12", prompt, options: { model, maxTokens: 200, temperature: 0.8 } },
    answer: {
      code: 0,
      message: "success",
      data: { content, ...done, generatedAt: createdAt },
      timestamp: createdAtMs,
      request_id: requestId,
    },
    events: [
      ...pieces.map((delta) => sseEvent(JSON.stringify({ delta }), "message")),
      sseEvent(JSON.stringify({ ...done, requestId }), "done"),
    ].join(""),
  },
  purged: { code: 0, message: "success", data: { purged: "all" }, timestamp: createdAtMs, request_id: requestId },
  connect: {
    request: { projectId: "qingyu", chapterId: "12", messages, options: { model, maxTokens: 200, temperature: 0.8 } },
    promptRequest: { projectId: "qingyu", chapterId: "12", prompt },
    answer: {
      content,
      tokensUsed: usage.totalTokens,
      model,
      // Protobuf's JSON has 64-bit integers as text.
      generatedAt: String(created),
      finishReason: "stop",
      usage,
    },
  },
  serviceHealth: { status: "degraded", checks: { "ai-service": "unhealthy", openai: "healthy" } },
  ready: {
    status: "degraded",
    auth: "api-key",
    dependencies: {
      "ai-service": { status: "unhealthy", breaker: "open", latencyMs: 1003 },
      openai: { status: "healthy", breaker: "closed" },
    },
    warnings: [],
  },
  unready: {
    status: "unready",
    problems: [{ setting: "GATEWAY_API_KEYS", reason: "is missing", expected: "tenant:sha256hex, ..." }],
    warnings: [],
  },
  health: {
    status: "degraded",
    service: "qingyu-ai-gateway",
    timestamp: createdAt,
    dependencies: {
      "ai-service": { status: "unhealthy", breaker: "open", latencyMs: 1003 },
      openai: { status: "healthy", breaker: "closed" },
    },
  },
};
