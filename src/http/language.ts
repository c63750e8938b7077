import { parseAccept } from "hono/utils/accept";
import type { Language } from "../language.ts";

/** Chinese, unless a caller says that he would rather read English (RFC 9110, 12.5.4). */
export function languageOf(headers: Headers): Language {
  const accepted = headers.get("accept-language");
  if (accepted === null) return "zh";
  const wanted = parseAccept(accepted).filter(({ q }) => q > 0);
  const first = wanted.find(({ type }) => /^(zh|en|\*)(-|$)/i.test(type));
  return first && /^en/i.test(first.type) ? "en" : "zh";
}
