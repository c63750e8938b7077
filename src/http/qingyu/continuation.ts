import type * as z from "zod/mini";
import type { GenerationRequest } from "../../generation.ts";
import { type ContinueWish, continueTask } from "../../tasks/continue.ts";
import { missingField } from "../invalid.ts";
import { id, length, options, text } from "./fields.ts";
import { optionNames, originOf, samplingIn } from "./options.ts";

const usualLength = 500;

/** What asks to go on with a text, in the names of the platform's clients. */
export const continuationFields = {
  ...{ projectId: id, chapterId: id, currentText: text, continueLength: length, prompt: text, options },
};
type Fields = { readonly [Name in keyof typeof continuationFields]?: z.infer<(typeof continuationFields)[Name]> };

/** What OpenAI's parameters are called there. */
export const continuationNames = { ...optionNames, messages: "currentText" };

/** The request for a text that goes on. Throws `invalid_request` where there is neither a text nor a wish. */
export function continuation(
  { currentText, continueLength, prompt, ...body }: Fields,
  context?: ContinueWish["context"],
): GenerationRequest {
  const text = currentText ?? "";
  const wish = wishIn(prompt ?? "", text);
  if (!text.trim() && !wish) throw missingField("currentText");
  return {
    ...continueTask({ text, length: continueLength || usualLength, wish, context }),
    ...samplingIn(body.options),
    ...originOf(body),
  };
}

/** What a prompt asks for: some clients say the text in it once more, and then what they wish. */
function wishIn(prompt: string, text: string): string {
  const [said, before] = [prompt.trim(), text.trim()];
  const rest = said.startsWith(before) ? said.slice(before.length) : said;
  // A text of a word or two is no repetition of itself where a sentence begins with it.
  const wish = /^(\s|$)/.test(rest) ? rest : said;
  return wish.trim().replace(/^续写要求[:：]\s*/, "");
}
