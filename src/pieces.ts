import { comeInPieces } from "./draft.ts";
import type { GenerationChunk, JsonObject, JsonValue } from "./generation.ts";
import { isJsonList, isJsonObject } from "./json.ts";
import { chunkUnits, unitsOf } from "./memory-units.ts";

/** What is longer is said in pieces, as it is read: a caller who does not read then costs one of them and not the whole. */
export const pieceUnits = 8 * 1024;

/** A text in pieces, none of which ends within a character. An empty text is one piece. */
export function* textPieces(text: string): Generator<string, undefined> {
  let start = 0;
  do {
    let end = Math.min(start + pieceUnits, text.length);
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end--;
    yield text.slice(start, end);
    start = end;
  } while (start < text.length);
}

/** The last so many UTF-16 units of a text, but for half a character at their beginning. */
export function endOf(text: string, units: number): string {
  return text.slice(-units).replace(/^[\udc00-\udfff]/, "");
}

/** Whether a UTF-16 unit is the first half of a character. */
export const isHighSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdbff;

/** The same chunks, of which the long ones are several. */
export function* shortChunks(batch: readonly GenerationChunk[]): Generator<GenerationChunk, undefined> {
  for (const chunk of batch) {
    if (chunkUnits(chunk) <= pieceUnits) yield chunk;
    else yield* piecesOf(chunk);
  }
}

/** What only the end of a chunk may say is said by its last piece. */
function* piecesOf(chunk: GenerationChunk): Generator<GenerationChunk, undefined> {
  const { choice, model, delta, extra, logprobs, ...ending } = chunk;
  const texts = textPieces(delta);
  const extras = extra && objectDeltas(extra);
  const probabilities = logprobs === undefined ? undefined : deltasOf(logprobs);
  let piece: GenerationChunk | undefined;
  for (;;) {
    const said = {
      delta: texts.next().value,
      extra: extras?.next().value,
      logprobs: probabilities?.next().value,
    };
    if (Object.values(said).every((member) => member === undefined)) break;
    if (piece) yield piece;
    piece = { choice, model, ...said, delta: said.delta ?? "" };
  }
  yield { ...piece, choice, delta: piece?.delta ?? "", ...ending };
}

/** A value as deltas that amount to it (`draft.ts`). The first one has something of every member, as clients expect it. */
function* deltasOf(value: JsonValue, key = ""): Generator<JsonValue, undefined> {
  const isLong = unitsOf(value) > pieceUnits;
  const mayBePieces = isLong && comeInPieces.has(key);
  if (mayBePieces && typeof value === "string") yield* textPieces(value);
  else if (isLong && isJsonObject(value)) yield* objectDeltas(value);
  else if (mayBePieces && isJsonList(value) && isContinuable(value)) yield* listDeltas(value);
  else yield value;
}

function* objectDeltas(value: JsonObject): Generator<JsonObject, undefined> {
  const members = Object.entries(value).map(([name, member]) => [name, deltasOf(member, name)] as const);
  yield Object.fromEntries(members.map(([name, deltas]) => [name, deltas.next().value ?? null]));
  for (const [name, deltas] of members) for (const delta of deltas) yield Object.fromEntries([[name, delta]]);
}

function* listDeltas(items: readonly JsonValue[]): Generator<JsonValue, undefined> {
  let run: JsonValue[] = [];
  let units = 0;
  for (const item of items) {
    const itemUnits = unitsOf(item);
    if (run.length > 0 && units + itemUnits > pieceUnits) {
      yield run;
      run = [];
      units = 0;
    }
    units += itemUnits;
    if (itemUnits <= pieceUnits || !isJsonObject(item) || item.index === undefined) {
      run.push(item);
      continue;
    }
    const deltas = objectDeltas(item);
    run = [deltas.next().value ?? null];
    for (const delta of deltas) {
      yield run;
      run = [{ index: item.index, ...delta }];
    }
  }
  yield run;
}

/** Whether no member of a list would be taken for the continuation of another one. */
function isContinuable(items: readonly JsonValue[]): boolean {
  const indexes = items.flatMap((item) => (isJsonObject(item) && item.index !== undefined ? [item.index] : []));
  return new Set(indexes).size === indexes.length;
}
