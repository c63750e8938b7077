import type { ChatAnswer } from "../../chat.ts";
import { streamOf } from "../../collect.ts";
import { type Encoder, sseEvent } from "../event-stream.ts";
import { errorEvent } from "../qingyu/error-event.ts";
import type { Form } from "../qingyu/form.ts";
import { generatedSoFar } from "../qingyu/generated.ts";
import type { ChatDoneEvent, ChatMessageEvent } from "./answers.ts";

/** Events `message` with what has come since the last one, then `done` with the whole text, or `error`. */
export function chatEncoder(requestId: string, { form }: { readonly form: Form }): Encoder<ChatAnswer> {
  const generated = generatedSoFar();
  let place = { sessionId: "", messageId: "" };
  let contextUsed = false;
  const pieces: string[] = [];
  return {
    keepsText: true,
    begin(answer) {
      const { sessionId = "", messageId } = answer.chat;
      place = { sessionId, messageId };
      ({ contextUsed } = answer.chat);
      generated.begin(answer);
      return streamOf(answer);
    },
    chunk(chunk) {
      generated.note(chunk);
      if (chunk.delta === "") return "";
      pieces.push(chunk.delta);
      const message: ChatMessageEvent = { ...place, delta: chunk.delta, tokens: null };
      return sseEvent(JSON.stringify(message), "message");
    },
    end() {
      const content = pieces.join("");
      const done: ChatDoneEvent = { ...place, content, ...generated.told(), contextUsed, requestId };
      return sseEvent(JSON.stringify(done), "done");
    },
    error: (error) => errorEvent(error, form.language, requestId),
  };
}
