import { type DescField, type DescMessage, fromBinary, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";

/**
 * The most fields that a message may have, counting those of all messages in it and the numbers of packed lists: several
 * times what honest ones have (2,048 vectors, a conversation of some thousand messages). Without it 1 MiB of empty messages
 * becomes 60 MB of objects.
 */
const maxFields = 50_000;

/** Deeper than the contract goes, and far less than what overflows a stack. */
const maxDepth = 100;

/** Bytes are not decoded: they are no message of the type, or have more in them than any honest one. */
export class UndecodableMessage extends Error {
  override readonly name = "UndecodableMessage";
  readonly reason: "malformed" | "oversized";

  constructor(reason: "malformed" | "oversized", cause?: unknown) {
    super(reason, { cause });
    this.reason = reason;
  }
}

/**
 * Decodes a message from outside (https://protobuf.dev/programming-guides/encoding/), once its fields have been counted and
 * before anything is built from them. Fields that the type does not know are dropped. Throws `UndecodableMessage`:
 * `oversized` for more than 50,000 fields or 100 levels, `malformed` for what is no message of the type, also where a field
 * has another wire type or a string is not UTF-8.
 */
export function decodeMessage<Desc extends DescMessage>(type: Desc, bytes: Uint8Array): MessageShape<Desc> {
  scan({ bytes, at: 0, fields: 0 }, bytes.byteLength, { fields: fieldsOf(type), depth: 1 });
  try {
    return fromBinary(type, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw new UndecodableMessage("malformed", cause);
  }
}

/** How far a scan has come. */
interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
  /** How many fields it has met. */
  fields: number;
}

interface Scanned {
  /** What the type knows; undefined within a group, which the contract has none of. */
  readonly fields?: Fields;
  /** The number of the group. */
  readonly group?: number;
  readonly depth: number;
}

/** Walks over the fields of a message up to its end, or of a group up to its own, and keeps nothing of them. */
function scan(cursor: Cursor, end: number, { fields, group, depth }: Scanned): void {
  if (depth > maxDepth) throw new UndecodableMessage("oversized");
  while (cursor.at < end) {
    const tag = readLength(cursor, end);
    const number = tag >>> 3;
    const wire = tag & 7;
    if (wire === WireType.EndGroup && number === group) return;
    count(cursor);
    const field = fields?.get(number);
    // protobuf-es takes a field for what the type says, whatever its tag: it would go on at another place than this scan.
    const isPacked = field?.isPackable && wire === WireType.LengthDelimited;
    if (number === 0 || (field && field.wire !== wire && !isPacked)) throw new UndecodableMessage("malformed");
    switch (wire) {
      case WireType.Varint:
        skipVarint(cursor, end);
        break;
      case WireType.Bit64:
        skip(cursor, 8, end);
        break;
      case WireType.Bit32:
        skip(cursor, 4, end);
        break;
      case WireType.StartGroup:
        scan(cursor, end, { group: number, depth: depth + 1 });
        break;
      case WireType.LengthDelimited: {
        const length = readLength(cursor, end);
        const start = cursor.at;
        skip(cursor, length, end);
        if (!isPacked && !field?.fields) break;
        cursor.at = start;
        if (isPacked) scanPacked(cursor, start + length, field.wire);
        else scan(cursor, start + length, { fields: field?.fields, depth: depth + 1 });
        break;
      }
      default:
        throw new UndecodableMessage("malformed");
    }
  }
  if (group !== undefined) throw new UndecodableMessage("malformed");
}

/** The numbers of a packed list must end where it ends. Those of a fixed width take no less room on the wire than here. */
function scanPacked(cursor: Cursor, end: number, wire: WireType): void {
  const width = wire === WireType.Bit64 ? 8 : 4;
  if (wire !== WireType.Varint) {
    if ((end - cursor.at) % width !== 0) throw new UndecodableMessage("malformed");
    cursor.at = end;
  }
  while (cursor.at < end) {
    count(cursor);
    skipVarint(cursor, end);
  }
}

function count(cursor: Cursor): void {
  if (++cursor.fields > maxFields) throw new UndecodableMessage("oversized");
}

function skip(cursor: Cursor, length: number, end: number): void {
  cursor.at += length;
  if (cursor.at > end) throw new UndecodableMessage("malformed");
}

/** A number of 64 bits has ten bytes at most. */
function skipVarint(cursor: Cursor, end: number): void {
  const start = cursor.at;
  while ((cursor.bytes[cursor.at++] ?? 0) >= 0x80)
    if (cursor.at - start === 10) throw new UndecodableMessage("malformed");
  if (cursor.at > end) throw new UndecodableMessage("malformed");
}

/** A tag or a length: a number of 32 bits, which has five bytes at most. */
function readLength(cursor: Cursor, end: number): number {
  let value = 0;
  for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
    const byte = cursor.bytes[cursor.at++] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte >= 0x80) continue;
    if (cursor.at > end || value > 0xffffffff) break;
    return value;
  }
  throw new UndecodableMessage("malformed");
}

/** The fields that a type knows, by number, as they must come. */
type Fields = ReadonlyMap<number, Field>;

interface Field {
  readonly wire: WireType;
  /** Whether it is a list of numbers, which may come as one field. */
  readonly isPackable?: boolean;
  /** Where it is a message. */
  readonly fields?: Fields;
}

const knownFields = new WeakMap<DescMessage, Fields>();

function fieldsOf(type: DescMessage): Fields {
  const known = knownFields.get(type);
  if (known) return known;
  const fields = new Map<number, Field>();
  // Known before it is whole, since a message may have its own type in it.
  knownFields.set(type, fields);
  for (const field of type.fields) fields.set(field.number, fieldOf(field));
  return fields;
}

function fieldOf(field: DescField): Field {
  const { message, scalar } = field;
  const value: Field = message
    ? { wire: WireType.LengthDelimited, fields: fieldsOf(message) }
    : { wire: wireTypeOf(scalar) };
  switch (field.fieldKind) {
    case "map": {
      const entry = new Map([
        [1, { wire: wireTypeOf(field.mapKey) }],
        [2, value],
      ]);
      return { wire: WireType.LengthDelimited, fields: entry };
    }
    case "list":
      return { ...value, isPackable: value.wire !== WireType.LengthDelimited };
    default:
      return value;
  }
}

/** Enums are no scalars and come as varints. */
function wireTypeOf(scalar: ScalarType | undefined): WireType {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32;
    default:
      return WireType.Varint;
  }
}
