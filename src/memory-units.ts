import type { GenerationChunk } from "./generation.ts";

/*
 * How much memory is taken, in UTF-16 units of two bytes: what a text takes for each of its characters. Measured on V8
 * without compressed pointers; meant to be neither exact nor too little.
 */

export const bytesPerUnit = 2;

/** What a value of JSON takes beside its characters. */
const own = { chunk: 50, object: 24, member: 8, list: 16, item: 4, string: 4, number: 6, other: 2 } as const;

/** What a value takes that is JSON or may be written as such, in bytes. */
export function bytesOf(value: unknown): number {
  return bytesPerUnit * unitsOf(value);
}

/** The same in units. */
export function unitsOf(value: unknown): number {
  if (typeof value === "string") return own.string + value.length;
  if (typeof value === "number") return own.number;
  if (typeof value !== "object" || value === null) return own.other;
  if (ArrayBuffer.isView(value)) return own.list + value.byteLength / bytesPerUnit;
  let units: number;
  if (Array.isArray(value)) {
    units = own.list;
    for (const item of value) units += own.item + unitsOf(item);
  } else {
    units = own.object;
    for (const member of Object.values(value)) units += own.member + unitsOf(member);
  }
  return units;
}

/** What a chunk takes, of a text its characters only: those that follow each other can be made into one. */
export function chunkUnits(chunk: GenerationChunk): number {
  const { delta, extra, logprobs } = chunk;
  return isOnlyText(chunk) ? delta.length : own.chunk + delta.length + unitsOf(extra) + unitsOf(logprobs);
}

/** Whether a chunk says nothing but how its choice's text goes on. */
export function isOnlyText({ extra, logprobs, finishReason, usage, knowledge, hasGap }: GenerationChunk): boolean {
  return (
    extra === undefined &&
    logprobs === undefined &&
    finishReason === undefined &&
    usage === undefined &&
    knowledge === undefined &&
    hasGap === undefined
  );
}
