import { type Dialect, json, utf8 } from "./dialect.ts";
import { completion, completionChunk, event, usageChunk, usageOf } from "./openai-answers.ts";
import { goodModel, marker } from "./texts.ts";

const marked = { id: marker, model: goodModel, system_fingerprint: marker };

const markedUsing = (tokensUsed?: number) => ({
  ...marked,
  ...(tokensUsed !== undefined && { usage: usageOf(tokensUsed) }),
});

function openAiError(word: string): unknown {
  // A word with a dot is a parameter's name.
  const [code, param] = word.split(".");
  return { error: { message: `${marker} sk-${marker}\r\nx-${marker}: 1`, type: marker, code, param: param ?? marker } };
}

export const openAi: Dialect = {
  contentType: "application/json",
  isWhole: true,
  isStream: false,
  isFramed: false,
  say(pieces, { finishReason = "stop", vague, tokensUsed } = {}) {
    const content = pieces.join("");
    const answer = vague
      ? { object: "chat.completion", choices: [{ index: 0, message: { role: "assistant", content } }] }
      : completion(content, markedUsing(tokensUsed), finishReason);
    return { opening: [], tokens: [json(answer)], ending: [] };
  },
  fail: (word, status) => ({ status, type: "application/json", body: json(openAiError(word)) }),
  failInside: (word) => json(openAiError(word)),
  garbage: utf8(`{"choices":[{"message":{"content":"${marker}`),
};

const sse = (data: unknown) => utf8(event(data));
const markedChunk = (delta: unknown, finishReason?: string) => sse(completionChunk(delta, finishReason, marked));

export const openAiDone = sse("[DONE]");

export const openAiStream: Dialect = {
  contentType: "text/event-stream; charset=utf-8",
  isWhole: false,
  isStream: true,
  isFramed: false,
  say(pieces, { finishReason = "stop", vague, terse, tokensUsed } = {}) {
    if (terse) {
      const tokens = pieces.map((content) => sse({ choices: [{ delta: { content } }] }));
      return { opening: [], tokens, ending: [sse({ choices: [{ finish_reason: finishReason }] }), openAiDone] };
    }
    return {
      opening: [markedChunk({ role: "assistant", content: "" })],
      tokens: pieces.map((content) => markedChunk({ content })),
      ending: vague
        ? [openAiDone]
        : [markedChunk({}, finishReason), sse(usageChunk(markedUsing(tokensUsed))), openAiDone],
    };
  },
  fail: openAi.fail,
  failInside: (word) => sse(openAiError(word)),
  garbage: utf8(`data: {"choices":[{"delta":{"content":"${marker}\n\n`),
};
