/** A piece of a text, in UTF-16 units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where a piece of a text stands: line and column from 1, `start` and `end` from 0, `end` behind the last, all in code points. */
export interface Position {
  readonly line: number;
  readonly column: number;
  readonly start: number;
  readonly end: number;
  readonly length: number;
}

/** Says positions in a text, of pieces that are known by their UTF-16 units. */
export type PositionOf = (startUnit: number, endUnit: number) => Position;

/** Positions in one text. A line ends with its line feed, so that a carriage return before that belongs to it. */
export function positionsIn(text: string): PositionOf {
  const lineStarts = [0];
  /** Where the second halves of characters stand that take two units. */
  const halves: number[] = [];
  for (let unit = 0; unit < text.length; unit++) {
    if (text.charCodeAt(unit) === 0x0a) lineStarts.push(unit + 1);
    else if ((text.codePointAt(unit) ?? 0) > 0xffff) halves.push(++unit);
  }
  const pointsBefore = (unit: number) => unit - countBelow(halves, unit);
  return (startUnit, endUnit) => {
    const line = countBelow(lineStarts, startUnit + 1);
    const [start, end] = [pointsBefore(startUnit), pointsBefore(endUnit)];
    return { line, column: start - pointsBefore(lineStarts[line - 1] ?? 0) + 1, start, end, length: end - start };
  };
}

/** How many of ascending numbers are less than one. */
function countBelow(ascending: readonly number[], bound: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The unit so many code points before or behind a place in a text, of the same line where that is asked for. */
export function unitsAway(text: string, unit: number, points: number, withinLine = false): number {
  const step = Math.sign(points);
  let at = unit;
  for (let left = Math.abs(points); left > 0; left--) {
    const next = step > 0 ? at + widthAt(text, at) : at - widthBefore(text, at);
    if (next < 0 || next > text.length || next === at) return at;
    if (withinLine && /[\r\n]/.test(text.slice(Math.min(at, next), Math.max(at, next)))) return at;
    at = next;
  }
  return at;
}

function widthAt(text: string, unit: number): number {
  if (unit >= text.length) return 0;
  return (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
}

function widthBefore(text: string, unit: number): number {
  if (unit <= 0) return 0;
  return unit > 1 && (text.codePointAt(unit - 2) ?? 0) > 0xffff ? 2 : 1;
}
