import { gunzipSync } from "node:zlib";
import type { BodyFault } from "../body.ts";

/**
 * Whether something was sent as gzip, by the value of the header that tells its coding; undefined for any other coding than
 * gzip and none. Codings have no case (RFC 9110, 8.4.1).
 */
export function isGzip(header: string | null): boolean | undefined {
  const names = (header ?? "").split(",").map((name) => name.trim().toLowerCase());
  const [first, ...others] = names.filter((name) => name !== "" && name !== "identity");
  if (first === undefined) return false;
  return others.length === 0 && (first === "gzip" || first === "x-gzip") ? true : undefined;
}

/** What gzip adds at most to so many bytes, where it cannot make them fewer: its own head and those of its blocks. */
export function gzipHeadBytes(bytes: number): number {
  return 64 + Math.ceil(bytes / 1024);
}

/**
 * What was sent as gzip, in at most `maxBytes`: it is not unpacked any further. Throws what `fault` makes of `oversized`
 * and `malformed`.
 *
 * Not by a `DecompressionStream`: workerd's makes 1 GiB of 1 MB, whether anybody reads it or not.
 */
export function unzipped(bytes: Uint8Array, maxBytes: number, fault: BodyFault): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    throw fault(cause instanceof RangeError ? "oversized" : "malformed", cause);
  }
}
