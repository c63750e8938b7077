import { isHighSurrogate } from "../pieces.ts";

/** A part of a text, by where it stands in UTF-16 units. */
export interface TextPart {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Cuts a text into parts of at most so many UTF-16 units: at the last line break within reach, else behind the last sentence,
 * else wherever no character is cut in two. Together they are the text; none is blank unless all of it is.
 */
export function partsOf(text: string, mostUnits: number): TextPart[] {
  const parts: TextPart[] = [];
  for (let start = 0; start < text.length; ) {
    const end = text.length - start <= mostUnits ? text.length : start + cutAt(text.slice(start, start + mostUnits));
    const part = { start, end, text: text.slice(start, end) };
    if (part.text.trim() !== "") parts.push(part);
    start = end;
  }
  return parts;
}

const sentenceEnds = /[。！？!?…；;][”’」』"')）]*/g;

/** Where a text that is too long is cut: not before its middle, so that parts are few. */
function cutAt(text: string): number {
  const line = text.lastIndexOf("\n") + 1;
  if (line > text.length / 2) return line;
  const sentence = [...text.matchAll(sentenceEnds)].at(-1);
  const behind = sentence ? sentence.index + sentence[0].length : 0;
  if (behind > text.length / 2) return behind;
  return isHighSurrogate(text.charCodeAt(text.length - 1)) ? text.length - 1 : text.length;
}

/** More of a part nobody reads, nor of all of them together. */
const [mostOfOne, mostOfAll, fewestOfOne] = [200, 4_000, 20];

/** How many findings in each of so many parts are taken: to place them takes time. */
export function mostOfPart(parts: number): number {
  return Math.min(mostOfOne, Math.max(fewestOfOne, Math.ceil(mostOfAll / parts)));
}
