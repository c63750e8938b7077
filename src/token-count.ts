import type { GenerationRequest, JsonObject, Message } from "./generation.ts";

/** No tokenizer in use puts more of a text into one token on average: of CJK and other wide scripts, and of the rest. */
const wideCharsPerToken = 2;
const charsPerToken = 6;
/** Where the scripts begin that stand for more than a letter with each character. */
const firstWide = 0x2e80;

/** How many tokens a request's prompt has at least. Less than the truth, so that nobody is refused who could be served. */
export function fewestTokens({ messages }: GenerationRequest): number {
  const { wide, narrow } = charsIn(messages.flatMap(textsOf));
  return Math.floor(wide / wideCharsPerToken + narrow / charsPerToken);
}

/** What today's tokenizers make of a text, give or take a third. */
export function tokensAbout(...texts: readonly string[]): number {
  const { wide, narrow } = charsIn(texts);
  return wide + narrow / usualCharsPerToken;
}
const usualCharsPerToken = 4;

/** How many tokens texts come to as a prompt: rather more than the truth, so that a budget is seldom overdrawn. */
export function promptTokensAbout(texts: readonly string[], messages = 1): number {
  return Math.ceil(1.5 * tokensAbout(...texts)) + tokensPerRequest + tokensPerMessage * messages;
}
/** What a model's own form puts around messages. */
const [tokensPerRequest, tokensPerMessage] = [16, 8];

/** The same of a request to generate, with its tools, and its images by the usual price of one. */
export function promptEstimate({ messages, extra }: GenerationRequest): number {
  const others = [extra?.tools, extra?.functions].filter((each) => each !== undefined);
  const images = messages
    .flatMap(({ content }) => (typeof content === "string" ? [] : (content ?? [])))
    .filter(isImage);
  const texts = [...messages.flatMap(textsOf), ...others.map((each) => JSON.stringify(each))];
  return promptTokensAbout(texts, messages.length) + tokensPerImage * images.length;
}
const tokensPerImage = 1_000;

/** All texts in a JSON value, however deep. */
export function* textsIn(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  else if (typeof value === "object" && value !== null)
    for (const member of Object.values(value)) yield* textsIn(member);
}

function isImage({ text }: JsonObject): boolean {
  return typeof text !== "string";
}

function charsIn(texts: readonly string[]) {
  let [wide, narrow] = [0, 0];
  for (const text of texts) {
    for (let index = 0; index < text.length; index++) {
      if (text.charCodeAt(index) >= firstWide) wide++;
      else narrow++;
    }
  }
  return { wide, narrow };
}

function textsOf({ content }: Message): string[] {
  if (typeof content === "string") return [content];
  return (content ?? []).flatMap(({ text }) => (typeof text === "string" ? [text] : []));
}
