/** A text without differences of width and case, and where each of its UTF-16 units comes from. */
export interface Folded {
  readonly text: string;
  /** Where the character begins in the text as it is, and where it ends, in its units. */
  readonly startOf: (unit: number) => number;
  readonly endOf: (unit: number) => number;
}

/** What joins the character before it: marks, voiced and semi-voiced ones of half width, and the parts of a Korean syllable. */
const joining = /^[\p{M}\uff9e\uff9f\u1160-\u11ff]$/u;
const firstJoining = 0x300;
/** Most of Chinese text, which folding leaves as it is. */
const isPlainHan = (code: number) => code >= 0x4e00 && code <= 0x9fff;

/** A few characters stand for whole sentences, which nobody means by them. In units. */
const longestFolded = 4;

/** A text as NFKC and lower case have it, character by character, each with the marks on it. */
export function folded(text: string): Folded {
  const pieces: string[] = [];
  const starts: number[] = [];
  for (let start = 0, end = 0; start < text.length; start = end) {
    end = endOfCharacter(text, start);
    const character = text.slice(start, end);
    const isPlain = end - start === 1 && isPlainHan(character.charCodeAt(0));
    const piece = isPlain ? character : foldedCharacter(character);
    pieces.push(piece);
    for (let unit = 0; unit < piece.length; unit++) starts.push(start);
  }
  const startOf = (unit: number) => starts[unit] ?? text.length;
  return { text: pieces.join(""), startOf, endOf: (unit) => endOfCharacter(text, startOf(unit)) };
}

function foldedCharacter(character: string): string {
  const piece = character.normalize("NFKC").toLowerCase();
  return piece.length > Math.max(longestFolded, character.length) ? character : piece;
}

function endOfCharacter(text: string, start: number): number {
  const width = (unit: number) => ((text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1);
  let end = start + width(start);
  while (end < text.length) {
    const code = text.charCodeAt(end);
    if (code < firstJoining || isPlainHan(code)) break;
    const next = end + width(end);
    if (!joining.test(text.slice(end, next))) break;
    end = next;
  }
  return end;
}
