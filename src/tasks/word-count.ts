/** A character of the scripts that are written without spaces, or a run of letters, digits and what joins them. */
const word =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[[\p{L}\p{N}\p{M}]--[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]]+(?:['’-][[\p{L}\p{N}\p{M}]--[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]]+)*/gv;

/** How many words a text has, as editors count: each Chinese or Japanese character is one, and so is each word of other scripts and each number; marks are none. */
export function wordsIn(text: string): number {
  return text.match(word)?.length ?? 0;
}
