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
/** More marks on a character are characters of their own, as in Unicode's stream-safe texts (UAX #15): to order them takes time by their square. */
const mostJoined = 30;
/** Most of Chinese text, which folding leaves as it is. */
const isPlainHan = (code: number) => code >= 0x4e00 && code <= 0x9fff;
/** Its usual marks, none of which joins anything. */
const isPlainMark = (code: number) =>
  (code >= 0x2000 && code <= 0x20cf) || (code >= 0x3000 && code <= 0x3029) || (code >= 0xff00 && code <= 0xff9d);
const isPlainAscii = (code: number) => code < 0x80 && !(code >= 0x41 && code <= 0x5a);

/** A few characters stand for whole sentences, which nobody means by them. In units. */
const longestFolded = 4;

/** A text as NFKC and lower case have it, character by character, each with the marks on it. */
export function folded(text: string): Folded {
  const pieces: string[] = [];
  const starts: number[] = [];
  /** Up to here all is in pieces. */
  let done = 0;
  for (let start = 0, end = 0; start < text.length; start = end) {
    end = endOfCharacter(text, start);
    const code = text.charCodeAt(start);
    if (end - start === 1 && (isPlainHan(code) || isPlainAscii(code))) {
      starts.push(start);
      continue;
    }
    const piece = foldedCharacter(text.slice(start, end));
    pieces.push(text.slice(done, start), piece);
    done = end;
    for (let unit = 0; unit < piece.length; unit++) starts.push(start);
  }
  pieces.push(text.slice(done));
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
  for (let joined = 0; end < text.length && joined < mostJoined; joined++) {
    const code = text.charCodeAt(end);
    if (code < firstJoining || isPlainHan(code) || isPlainMark(code)) break;
    const next = end + width(end);
    if (!joining.test(text.slice(end, next))) break;
    end = next;
  }
  return end;
}
