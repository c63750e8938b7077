import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { ConnectError } from "@connectrpc/connect";
import { longestWaitMs } from "../wire/retry-after.ts";

/** What is read of an error's details. */
export interface ErrorDetails {
  /** google.rpc.ErrorInfo's word for what went wrong, such as `CONTEXT_LENGTH_EXCEEDED`. */
  readonly reason?: string;
  /** google.rpc.RetryInfo's time to wait. */
  readonly retryAfterMs?: number;
}

const maxDetails = 16;

/**
 * Reads those of an error's details that services of Google's kind send
 * (https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto). What cannot be read is left out.
 */
export function errorDetailsOf({ details }: ConnectError): ErrorDetails {
  let read: ErrorDetails = {};
  for (const detail of details.slice(0, maxDetails)) {
    if (!("type" in detail)) continue;
    const reader = readers.get(detail.type);
    try {
      if (reader) read = { ...reader(detail.value), ...read };
    } catch {
      // It is not what it says.
    }
  }
  return read;
}

const readers: ReadonlyMap<string, (value: Uint8Array) => ErrorDetails> = new Map<
  string,
  (value: Uint8Array) => ErrorDetails
>([
  [
    "google.rpc.ErrorInfo",
    (value) => ({ reason: field(value, 1, WireType.LengthDelimited, (reader) => reader.string()) }),
  ],
  [
    "google.rpc.RetryInfo",
    (value) => ({ retryAfterMs: waitMs(field(value, 1, WireType.LengthDelimited, (reader) => reader.bytes())) }),
  ],
]);

/** A google.protobuf.Duration in milliseconds. */
function waitMs(duration: Uint8Array | undefined): number | undefined {
  if (!duration) return undefined;
  const seconds = Number(field(duration, 1, WireType.Varint, (reader) => reader.int64()) ?? 0);
  const nanos = field(duration, 2, WireType.Varint, (reader) => reader.int32()) ?? 0;
  return Math.min(longestWaitMs, Math.max(0, Math.ceil(seconds * 1000 + nanos / 1e6)));
}

/** The last value of a message's field. Throws where it is no message. */
function field<T>(
  message: Uint8Array,
  number: number,
  type: WireType,
  read: (reader: BinaryReader) => T,
): T | undefined {
  const reader = new BinaryReader(message);
  let value: T | undefined;
  while (reader.pos < reader.len) {
    const [fieldNumber, wireType] = reader.tag();
    if (fieldNumber === number && wireType === type) value = read(reader);
    else reader.skip(wireType, fieldNumber);
  }
  return value;
}
