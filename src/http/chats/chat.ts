import type { ChatAnswer, ChatAsked, Said } from "../../chat.ts";
import { wholeOf } from "../../collect.ts";
import type { Config } from "../../config/config.ts";
import type { RequestRecord } from "../../record.ts";
import type { Asked } from "../call.ts";
import { missingField } from "../invalid.ts";
import { requireFewTokens, requireModel, requireShort } from "../limits.ts";
import { type Form, formOf, inForm } from "../qingyu/form.ts";
import { generatedBy } from "../qingyu/generated.ts";
import { optionNames, originOf, samplingIn, wantsStream } from "../qingyu/options.ts";
import type { Codec } from "../serve.ts";
import type { BareChat, ChatAnswer as Told } from "./answers.ts";
import { chatEncoder } from "./events.ts";
import { messageAnswer } from "./messages.ts";
import { type ChatBody, chatRequest } from "./requests.ts";

interface ChatCall extends Asked<ChatAsked> {
  readonly form: Form;
}

const names = { ...optionNames, messages: "message" };

/** `POST /api/v1/ai/chat`; with `isStream` the path that always streams. */
export function chatMethod(isStream = false): Codec<typeof chatRequest, ChatAsked, ChatAnswer, ChatCall> {
  return {
    body: chatRequest,
    decode: (body, headers) => ({
      request: askedIn(body),
      stream: wantsStream(body.options, headers, isStream),
      names: body.messages ? {} : names,
      form: formOf(body, headers),
    }),
    check: requireLimits,
    isImpatient: true,
    whole: (answer, _, { form }, record) => chatAnswer(answer, form, record),
    encoder: chatEncoder,
  };
}

/** An answer with all that any of the platform's clients reads of it, in the form that its sender reads. */
export async function chatAnswer(
  answer: ChatAnswer,
  form: Form,
  { requestId, limits, startedAtMs }: Pick<RequestRecord, "requestId" | "limits" | "startedAtMs">,
): Promise<object> {
  const { messageId, sessionId = "", contextUsed } = answer.chat;
  const generation = await wholeOf(answer);
  const { provider, model, usage } = generation;
  const [{ content: reply, finishReason }] = generation.choices;
  const nowMs = Date.now();
  const generated = generatedBy(generation, finishReason);
  const about = { provider, model, usage, finishReason, contextUsed };
  const message = messageAnswer({ id: messageId, role: "assistant", content: reply, saidMs: nowMs, about });
  const data: Told | BareChat = form.isBare
    ? { ...generated, message: reply, reply, quota_remaining: limits?.tokens?.remaining ?? null }
    : { ...generated, sessionId, message, reply, contextUsed, responseTime: (nowMs - startedAtMs) * 1_000_000 };
  return inForm(data, form, requestId, "done");
}

function askedIn(body: ChatBody): ChatAsked {
  const { options, message } = body;
  const maxTokens = options?.maxTokens || body.max_tokens;
  const temperature = options?.temperature ?? body.temperature;
  const asked = { ...originOf(body), ...samplingIn({ ...options, maxTokens, temperature }) };
  if (body.messages) {
    const messages = body.messages.filter(({ content }) => content.trim() !== "");
    if (messages.length === 0) throw missingField("messages");
    return { ...asked, messages };
  }
  if (!message?.trim()) throw missingField("message");
  const history = body.history ? saidBefore(message, body.history) : undefined;
  return { ...asked, message, history, sessionId: body.sessionId || undefined, useContext: body.useContext ?? false };
}

/** Clients show an empty message until there is an answer, and may count the new message to the old ones. */
function saidBefore(message: string, history: readonly Said[]): Said[] {
  const said = history.filter(({ content }) => content.trim() !== "");
  const last = said.at(-1);
  return last?.role === "user" && last.content === message ? said.slice(0, -1) : said;
}

function requireLimits(asked: ChatAsked, { limits, ai }: Config): void {
  requireFewTokens(asked.maxTokens, limits.maxTokens);
  const said = "messages" in asked ? asked.messages : [...(asked.history ?? []), { content: asked.message }];
  requireShort(() => said.map(({ content }) => content), limits.promptChars, "messages");
  requireModel(asked.model, ai.models);
}
