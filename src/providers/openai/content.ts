import type { JsonObject, JsonValue } from "../../generation.ts";
import { isJsonList, isJsonObject } from "../../json.ts";

/** What a message's or delta's `content` says. */
export interface Content {
  readonly text: string;
  /** What the model thought on the way, where it is a part of the content. */
  readonly reasoning?: string;
  /** Something of it is no text that can be read. */
  readonly hasGap?: true;
}

const nothing: Content = { text: "" };
const unreadable: Content = { text: "", hasGap: true };

/**
 * Reads a content, which is a text for OpenAI, null beside tool calls, and for others also a list of parts: of text, of
 * refusals, and of thoughts (Mistral's Magistral: https://docs.mistral.ai/capabilities/reasoning). What cannot be read is a
 * gap, never silence.
 */
export function contentIn(value: JsonValue | undefined): Content {
  if (typeof value === "string") return { text: value };
  if (value === undefined || value === null) return nothing;
  if (typeof value === "number") return { text: String(value) };
  if (isJsonList(value)) return joined(value.map(partIn));
  return isJsonObject(value) ? partIn(value) : unreadable;
}

function partIn(part: JsonValue): Content {
  if (!isJsonObject(part)) return isJsonList(part) ? unreadable : contentIn(part);
  const { type, text } = part;
  if (typeof type === "string" && isThought.test(type)) return { text: "", reasoning: thoughtIn(part) };
  if (type === "refusal") return typeof part.refusal === "string" ? { text: part.refusal } : unreadable;
  if (type !== undefined && type !== null && !(typeof type === "string" && isText.test(type))) return unreadable;
  if (isJsonObject(text)) return typeof text.value === "string" ? { text: text.value } : unreadable;
  return typeof text === "string" || typeof text === "number" ? { text: String(text) } : unreadable;
}

const isText = /^(text|output_text|text_delta)$/;
const isThought = /^(thinking|reasoning|thought|redacted_thinking)/;

/** The words of a thought; what is hidden in it has none. */
function thoughtIn({ thinking, reasoning, summary, text }: JsonObject): string {
  return contentIn(thinking ?? reasoning ?? summary ?? text).text;
}

function joined(parts: readonly Content[]): Content {
  const reasoning = parts.map((part) => part.reasoning ?? "").join("");
  return {
    text: parts.map(({ text }) => text).join(""),
    ...(reasoning !== "" && { reasoning }),
    ...(parts.some(({ hasGap }) => hasGap) && { hasGap: true }),
  };
}
