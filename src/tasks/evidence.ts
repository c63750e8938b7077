/** Longer quotes are looked for word for word only. In UTF-16 units. */
const maxLooseUnits = 300;
const outerMarks = /^[“”"「」『』‘’'…\s]+|[“”"「」『』‘’'…\s]+$/g;

/**
 * Tells what a text has of what a model says to quote of it: word for word, else without the marks around it, else with white
 * space in other places. Empty where it stands nowhere. Unlike `quotesIn` it does not tell where: any place proves what is said.
 */
export function evidenceIn(text: string): (quote: string) => string {
  let units: readonly number[] | undefined;
  let plain = "";
  return (quote) => {
    const said = quote.trim();
    const bare = said.replace(outerMarks, "");
    for (const each of [said, bare]) if (text.includes(each)) return each;
    if (bare.length > maxLooseUnits) return "";
    if (!units) {
      units = unitsWithoutSpace(text);
      plain = withoutSpace(text);
    }
    const words = withoutSpace(bare);
    const at = plain.indexOf(words);
    const [first, last] = [units[at], units[at + words.length - 1]];
    return first === undefined || last === undefined ? "" : text.slice(first, last + 1);
  };
}

const withoutSpace = (text: string) => text.replace(/\s+/g, "");

/** Where the units of a text without its white space stand in it. */
function unitsWithoutSpace(text: string): number[] {
  const units: number[] = [];
  for (let unit = 0; unit < text.length; unit++) if (!/\s/.test(text.charAt(unit))) units.push(unit);
  return units;
}

/** The sentence of a text in which a name is said first; undefined where it is not. */
export function firstMention(text: string, name: string): string | undefined {
  const at = name === "" ? -1 : text.indexOf(name);
  if (at === -1) return undefined;
  const before = text.slice(Math.max(0, at - maxSentenceUnits), at);
  const behind = text.slice(at + name.length, at + name.length + maxSentenceUnits);
  const start = before.search(sentenceStart);
  const end = behind.search(sentenceEnd);
  const sentence = before.slice(start) + name + (end === -1 ? behind : behind.slice(0, end + 1));
  return sentence.replace(halfCharacters, "").trim();
}

const halfCharacters = /^[\udc00-\udfff]|[\ud800-\udbff]$/g;
const sentenceStart = /[^。！？!?…\n]*$/;
const sentenceEnd = /[。！？!?…\n]/;
/** Before a name, and behind it. */
const maxSentenceUnits = 120;
