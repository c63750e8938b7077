import type { ChatAnswer } from "../../chat.ts";
import { streamOf } from "../../collect.ts";
import type { FinishReason, Usage } from "../../generation.ts";
import { type Encoder, sseEvent } from "../event-stream.ts";
import { errorEvent } from "../qingyu/error-event.ts";
import type { Form } from "../qingyu/form.ts";
import { usageIn } from "../qingyu/text-answers.ts";
import type { ChatDoneEvent, ChatMessageEvent } from "./answers.ts";

/** Events `message` with what has come since the last one, then `done` with the whole text, or `error`. */
export function chatEncoder(requestId: string, { form }: { readonly form: Form }): Encoder<ChatAnswer> {
  let [provider, model] = ["", ""];
  let place = { sessionId: "", messageId: "" };
  let contextUsed = false;
  // Every complete answer has one.
  let finishReason: FinishReason = "stop";
  let usage: Usage | undefined;
  const pieces: string[] = [];
  return {
    begin(answer) {
      const { sessionId = "", messageId } = answer.chat;
      place = { sessionId, messageId };
      ({ contextUsed } = answer.chat);
      ({ provider, model } = answer);
      return streamOf(answer);
    },
    chunk(chunk) {
      ({ finishReason = finishReason, model = model, usage = usage } = chunk);
      if (chunk.delta === "") return "";
      pieces.push(chunk.delta);
      const message: ChatMessageEvent = { ...place, delta: chunk.delta, tokens: null };
      return sseEvent(JSON.stringify(message), "message");
    },
    end() {
      const told = { model, finishReason, usage: usageIn(usage), provider, contextUsed, requestId };
      const content = pieces.join("");
      const done: ChatDoneEvent = { ...place, content, tokensUsed: usage?.totalTokens ?? null, ...told };
      return sseEvent(JSON.stringify(done), "done");
    },
    error: (error) => errorEvent(error, form.language, requestId),
  };
}
