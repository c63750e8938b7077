import { parseAccept } from "hono/utils/accept";

/** What people are told in. */
export type Language = "zh" | "en";

/** Chinese, unless a caller says that he would rather read English (RFC 9110, 12.5.4). */
export function languageOf(headers: Headers): Language {
  const wanted = parseAccept(headers.get("accept-language") ?? "").filter(({ q }) => q > 0);
  const first = wanted.find(({ type }) => /^(zh|en)(-|$)/i.test(type));
  return first && /^en/i.test(first.type) ? "en" : "zh";
}
