import { type Dialect, json, utf8 } from "./dialect.ts";
import { goodModel, marker } from "./texts.ts";

const openAiUsage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
const openAiHead = { id: marker, created: 1, model: goodModel, system_fingerprint: marker };

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
  say(pieces, { finishReason = "stop", vague } = {}) {
    const message = { role: "assistant", content: pieces.join("") };
    const choice = { index: 0, message, ...(!vague && { finish_reason: finishReason }) };
    const more = vague ? {} : { ...openAiHead, usage: openAiUsage };
    return { opening: [], tokens: [json({ ...more, object: "chat.completion", choices: [choice] })], ending: [] };
  },
  fail: (word, status) => ({ status, type: "application/json", body: json(openAiError(word)) }),
  failInside: (word) => json(openAiError(word)),
  garbage: utf8(`{"choices":[{"message":{"content":"${marker}`),
};

const sse = (value: unknown) => utf8(`data: ${JSON.stringify(value)}\n\n`);
const openAiChunk = (delta: unknown, finish_reason: string | null = null) =>
  sse({ ...openAiHead, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }] });

export const openAiDone = utf8("data: [DONE]\n\n");

export const openAiStream: Dialect = {
  contentType: "text/event-stream; charset=utf-8",
  isWhole: false,
  isStream: true,
  isFramed: false,
  say(pieces, { finishReason = "stop", vague, terse } = {}) {
    if (terse) {
      const tokens = pieces.map((content) => sse({ choices: [{ delta: { content } }] }));
      return { opening: [], tokens, ending: [sse({ choices: [{ finish_reason: finishReason }] }), openAiDone] };
    }
    const usage = sse({ ...openAiHead, choices: [], usage: openAiUsage });
    return {
      opening: [openAiChunk({ role: "assistant", content: "" })],
      tokens: pieces.map((content) => openAiChunk({ content })),
      ending: vague ? [openAiDone] : [openAiChunk({}, finishReason), usage, openAiDone],
    };
  },
  fail: openAi.fail,
  failInside: (word) => sse(openAiError(word)),
  garbage: utf8(`data: {"choices":[{"delta":{"content":"${marker}\n\n`),
};
