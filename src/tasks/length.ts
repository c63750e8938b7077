import type { Sampling } from "../generation.ts";

/** What the platform counts lengths in are characters; no tokenizer in use makes more of a Chinese one, so much longer than asked an answer may be. */
const tokensPerCharacter = 2;
const mostOver = 1.25;
/** A short answer must not be cut for a model that counts badly. */
const fewestTokens = 256;

/** No text is asked to be longer, in characters. */
const mostCharacters = 50_000;

/** So many characters, as a length that can be asked for. */
export function lengthWithin(characters: number): number {
  return Math.min(mostCharacters, Math.max(1, Math.round(characters)));
}

/** How long a text is, in characters (code points). */
export function charactersIn(text: string): number {
  let characters = 0;
  for (const _ of text) characters++;
  return characters;
}

/** Says to a model how long a text is to be, in characters. */
export function lengthInWords(characters: number): string {
  const [least, most] = [Math.ceil(characters * 0.9), Math.floor(characters * 1.1)];
  return `篇幅约${characters}字（按字符计，标点也算），不少于${least}字，不超过${most}字。`;
}

/** What bounds a text of so many characters in tokens. */
export function tokensFor(characters: number): number {
  return Math.max(fewestTokens, Math.ceil(characters * mostOver * tokensPerCharacter));
}

/** How a text of so many characters is to be sampled where its author does not say. */
export function samplingFor(characters: number, temperature: number): Required<Sampling> {
  return { temperature, maxTokens: tokensFor(characters) };
}
