import type { ChatAnswer } from "../../chat.ts";
import { streamOf } from "../../collect.ts";
import type { Encoder } from "../event-stream.ts";
import type { Form } from "../qingyu/form.ts";
import { textEvents } from "../qingyu/text-answers.ts";
import type { ChatDoneEvent, ChatMessageEvent } from "./answers.ts";

/** An answer as events, each with the session and the message that it is of. */
export function chatEncoder(requestId: string, { form }: { readonly form: Form }): Encoder<ChatAnswer> {
  let place = { sessionId: "", messageId: "" };
  let contextUsed = false;
  return textEvents(requestId, form, {
    begin(answer: ChatAnswer) {
      const { sessionId = "", messageId } = answer.chat;
      place = { sessionId, messageId };
      ({ contextUsed } = answer.chat);
      return streamOf(answer);
    },
    message: (delta): ChatMessageEvent => ({ ...place, delta, tokens: null }),
    done: (content, told): ChatDoneEvent => ({ ...place, content, ...told, contextUsed, requestId }),
  });
}
