/** What OpenAI answers, for whoever plays it: the fake network in a test and the back ends on real sockets. */
const head = { id: "chatcmpl-upstream", created: 1, model: "gpt-upstream" };
const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

/** The same with a total of the test's own. */
export function usageOf(total_tokens: number) {
  return { ...usage, completion_tokens: total_tokens - usage.prompt_tokens, total_tokens };
}

/** A whole completion. `more` replaces its members. */
export function completion(content: string, more: Record<string, unknown> = {}, finish_reason = "stop") {
  const message = { role: "assistant", content, refusal: null };
  return {
    ...head,
    object: "chat.completion",
    choices: [{ index: 0, message, logprobs: null, finish_reason }],
    usage,
    ...more,
  };
}

/** An event's data in a streamed completion. */
export function completionChunk(
  delta: unknown,
  finish_reason: string | null = null,
  more: Record<string, unknown> = {},
) {
  return { ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }], ...more };
}

/** The last data before `[DONE]`. */
export function usageChunk(more: Record<string, unknown> = {}) {
  return { ...completionChunk({}), choices: [], usage, ...more };
}

/** Vectors. `more` replaces members. */
export function embeddingList(vectors: readonly unknown[], more: Record<string, unknown> = {}) {
  return {
    object: "list",
    data: vectors.map((embedding, index) => ({ object: "embedding", index, embedding })),
    model: "embedding-upstream",
    usage: { prompt_tokens: 5, total_tokens: 5 },
    ...more,
  };
}

/** Data as a server-sent event. */
export function event(data: unknown): string {
  return `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
}
