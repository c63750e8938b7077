/** Longer quotes are looked for word for word only. In UTF-16 units. */
const maxLooseUnits = 300;
const outerMarks = /^[“”"「」『』‘’'…\s]+|[“”"「」『』‘’'…\s]+$/g;

/**
 * What a text has of what a model says to quote of it: word for word, else without the marks around it, else with white space
 * in other places. Empty where it stands nowhere. Unlike `quotesIn` it does not tell where: any place proves what is said.
 */
export function evidenceIn(text: string, quote: string): string {
  const said = quote.trim();
  const bare = said.replace(outerMarks, "");
  for (const each of [said, bare]) {
    if (text.includes(each)) return each;
  }
  if (bare === "" || bare.length > maxLooseUnits) return "";
  const characters = [...bare.replace(/\s+/g, "")].map((character) =>
    character.replace(/[\^$.*+?()[\]{}|/\\]/, "\\$&"),
  );
  return new RegExp(characters.join("\\s*"), "u").exec(text)?.[0] ?? "";
}

/** The sentence of a text in which a name is said first; undefined where it is not. */
export function firstMention(text: string, name: string): string | undefined {
  const at = name === "" ? -1 : text.indexOf(name);
  if (at === -1) return undefined;
  const start = Math.max(...sentenceMarks.map((mark) => text.lastIndexOf(mark, at - 1)), at - maxSentenceUnits - 1) + 1;
  const ends = sentenceMarks.map((mark) => text.indexOf(mark, at + name.length)).filter((end) => end !== -1);
  const end = Math.min(...ends.map((each) => each + 1), at + name.length + maxSentenceUnits, text.length);
  return text
    .slice(at === 0 ? 0 : start, end)
    .replace(halfCharacters, "")
    .trim();
}

const halfCharacters = /^[\udc00-\udfff]|[\ud800-\udbff]$/g;
const sentenceMarks = ["。", "！", "？", "!", "?", "…", "\n"];
/** Before a name, and behind it. */
const maxSentenceUnits = 120;
