/** What is written without spaces between its words. */
const spaceless = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/gu;
const word = /[\p{L}\p{N}\p{M}]+(?:['’-][\p{L}\p{N}\p{M}]+)*/gu;

/** How many words a text has, as editors count: each Chinese or Japanese character is one, and so is each word of other scripts and each number; marks are none. */
export function wordsIn(text: string): number {
  const others = text.replace(spaceless, " ");
  return (text.match(spaceless)?.length ?? 0) + (others.match(word)?.length ?? 0);
}
