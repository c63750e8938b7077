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
  const { text: plain, startOf, endOf } = folded(text);
  const { step, endings } = machineFor(words.map((word) => folded(word.trim()).text));
  const found: FoundWord[] = [];
  let state = 0;
  for (let unit = 0; unit < plain.length; unit++) {
    state = step(state, plain.charCodeAt(unit));
    for (let ending = endings[state]; ending; ending = ending.shorter) {
      const span = { word: ending.word, start: startOf(unit - ending.length + 1), end: endOf(unit) };
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

/** That a word ends, and the shorter one that ends with it. */
interface Ending {
  readonly word: number;
  /** In units, folded. */
  readonly length: number;
  readonly shorter?: Ending;
}

interface State {
  readonly parent: number;
  readonly unit: number;
  readonly depth: number;
}

/** What may have been read of words, as numbers from 0: how reading goes on, and with which words it has come to an end. */
function machineFor(words: readonly string[]) {
  const states: State[] = [{ parent: 0, unit: 0, depth: 0 }];
  const next = new Map<number, number>();
  const wordAt = new Map<number, number>();
  for (const [word, text] of words.entries()) {
    let state = 0;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      const known = next.get(keyOf(state, unit));
      const after = known ?? states.push({ parent: state, unit, depth: at + 1 }) - 1;
      if (known === undefined) next.set(keyOf(state, unit), after);
      state = after;
    }
    if (state !== 0 && !wordAt.has(state)) wordAt.set(state, word);
  }

  /** What is left of a reading that does not go on: its longest end with which some word begins. */
  const left: number[] = [0];
  const endings: (Ending | undefined)[] = [undefined];
  const step = (from: number, unit: number): number => {
    for (let state = from; ; state = left[state] ?? 0) {
      const after = next.get(keyOf(state, unit));
      if (after !== undefined) return after;
      if (state === 0) return 0;
    }
  };
  const byDepth = [...states.entries()].slice(1).sort(([, one], [, other]) => one.depth - other.depth);
  for (const [state, { parent, unit, depth }] of byDepth) {
    const rest = parent === 0 ? 0 : step(left[parent] ?? 0, unit);
    const word = wordAt.get(state);
    left[state] = rest;
    endings[state] = word === undefined ? endings[rest] : { word, length: depth, shorter: endings[rest] };
  }
  return { step, endings };
}

function keyOf(state: number, unit: number): number {
  return state * 0x10000 + unit;
}
