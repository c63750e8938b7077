import { folded } from "./folded.ts";
import type { Span } from "./positions.ts";

/** A word that stands in a text, by its place among those that were looked for. */
export interface FoundWord extends Span {
  readonly word: number;
}

/**
 * Finds words in a text whatever their width and case are, also within and across each other, in the order of their ends;
 * `most` of them. Takes time by the length of the text and of what is found, however many words there are
 * (Aho and Corasick, 1975). A word that is blank stands nowhere, and of words that fold to the same the first is found.
 */
export function findWords(text: string, words: readonly string[], most: number): FoundWord[] {
  if (words.length === 0) return [];
  const { text: plain, startOf, endOf } = folded(text);
  const { step, endingIn } = machineFor(words.map((word) => folded(word.trim()).text));
  const found: FoundWord[] = [];
  let state = 0;
  for (let unit = 0; unit < plain.length; unit++) {
    state = step(state, plain.charCodeAt(unit));
    for (const { word, length } of endingIn(state)) {
      const span = { word, start: startOf(unit - length + 1), end: endOf(unit) };
      if (isLast(found, span)) continue;
      if (found.length === most) return found;
      found.push(span);
    }
  }
  return found;
}

/** Whether a word is among those that were found last: a character may fold to several that are alike. */
function isLast(found: readonly FoundWord[], { word, end }: FoundWord): boolean {
  for (let at = found.length - 1; found[at]?.end === end; at--) if (found[at]?.word === word) return true;
  return false;
}

/**
 * What may have been read of words, as numbers from 0: how reading goes on, which word ends there, and where else the longest
 * shorter one does that ends there too (0 where none does). Made depth by depth, in arrays of numbers: words of a caller may
 * come to hundreds of thousands of units.
 */
function machineFor(words: readonly string[]) {
  const most = words.reduce((sum, { length }) => sum + length, 1);
  const next = new Map<number, number>();
  /** What is left of a reading that does not go on: its longest end with which some word begins. */
  const left = new Int32Array(most);
  const wordAt = new Int32Array(most).fill(-1);
  const depths = new Int32Array(most);
  /** The state itself where a word ends in it, else the next one by `left`. */
  const endings = new Int32Array(most);
  const step = (from: number, unit: number): number => {
    for (let state = from; ; state = left[state] ?? 0) {
      const after = next.get(keyOf(state, unit));
      if (after !== undefined) return after;
      if (state === 0) return 0;
    }
  };

  const reached = new Int32Array(words.length);
  const longest = words.reduce((length, word) => Math.max(length, word.length), 0);
  let states = 1;
  for (let depth = 0; depth < longest; depth++) {
    for (const [word, text] of words.entries()) {
      if (depth >= text.length) continue;
      const unit = text.charCodeAt(depth);
      const before = reached[word] ?? 0;
      const known = next.get(keyOf(before, unit));
      const state = known ?? states++;
      if (known === undefined) {
        const rest = before === 0 ? 0 : step(left[before] ?? 0, unit);
        left[state] = rest;
        depths[state] = depth + 1;
        endings[state] = endings[rest] ?? 0;
        next.set(keyOf(before, unit), state);
      }
      reached[word] = state;
      if (depth + 1 < text.length || wordAt[state] !== -1) continue;
      wordAt[state] = word;
      endings[state] = state;
    }
  }
  return {
    step,
    /** The words that end in a state, the longest first. */
    *endingIn(state: number): Generator<{ readonly word: number; readonly length: number }> {
      for (let at = endings[state] ?? 0; at !== 0; at = endings[left[at] ?? 0] ?? 0)
        yield { word: wordAt[at] ?? 0, length: depths[at] ?? 0 };
    },
  };
}

function keyOf(state: number, unit: number): number {
  return state * 0x10000 + unit;
}
