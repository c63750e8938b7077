import type { GenerationRequest, Message } from "./generation.ts";

/** No tokenizer in use puts more of a text into one token on average: of CJK and other wide scripts, and of the rest. */
const wideCharsPerToken = 2;
const charsPerToken = 6;
/** Where the scripts begin that stand for more than a letter with each character. */
const firstWide = 0x2e80;

/** How many tokens a request's prompt has at least. Less than the truth, so that nobody is refused who could be served. */
export function fewestTokens({ messages }: GenerationRequest): number {
  let [wide, narrow] = [0, 0];
  for (const text of messages.flatMap(textsOf)) {
    for (let index = 0; index < text.length; index++) {
      if (text.charCodeAt(index) >= firstWide) wide++;
      else narrow++;
    }
  }
  return Math.floor(wide / wideCharsPerToken + narrow / charsPerToken);
}

function textsOf({ content }: Message): string[] {
  if (typeof content === "string") return [content];
  return (content ?? []).flatMap(({ text }) => (typeof text === "string" ? [text] : []));
}
