import type { JsonValue } from "../generation.ts";
import { parseJson } from "../json.ts";
import { htmlText } from "./html.ts";
import { markdownText } from "./markdown.ts";
import { tiptapText } from "./tiptap.ts";

/**
 * What a reader sees of a stored text, which does not say what it is: TipTap's JSON, as such or as text, HTML, Markdown or
 * plain text. A line for each paragraph.
 */
export function plainText(content: JsonValue): string {
  const text = typeof content === "string" ? textIn(content) : (tiptapText(content) ?? "");
  return text.replace(/\r\n?/g, "\n").replaceAll("\u00a0", " ").trim();
}

function textIn(content: string): string {
  if (/^\s*[{[]/.test(content)) {
    const text = tiptapText(jsonIn(content));
    if (text !== undefined) return text;
  }
  return /<(?:p|div|br|h[1-6]|ul|ol|li|blockquote|span|strong|em|article|section)\b[^<>]*>/i.test(content)
    ? htmlText(content)
    : markdownText(content);
}

function jsonIn(text: string): JsonValue {
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}
