import { announcedLength, type BodyFault, mediaType, readBytes } from "../body.ts";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import type { Share } from "../in-flight.ts";
import { gzipHeadBytes, isGzip, unzipped } from "./content-coding.ts";

/** A body of 4 MiB comes in this time over a connection of 1.2 Mbit/s. */
const maxReadingMs = 30_000;

/** A body becomes text, values, the text that its answer's key is made of, and a provider's body, and its strings stay. */
const bytesPerBodyByte = 4;

/** Flags and length, which Connect and gRPC-Web put before a message. */
export const frameHeadBytes = 5;

/**
 * Reads a request's body, unzipped where it came as gzip. The setting limits.body_bytes holds for what is in it: frames,
 * and messages that are compressed in them, are left to their reader. Throws a `GatewayError`: `unsupported_media_type` for
 * any other coding, `payload_too_large`, 400 `invalid_gzip`, `cancelled` where the connection breaks, and `request_timeout`
 * where the body is not there within 30 s or the time that the whole request may take (deadlines.request_ms), `overloaded`
 * where there is no memory for it.
 */
export async function readBody(
  request: Request,
  { limits: { bodyBytes }, deadlines }: Pick<Config, "limits" | "deadlines">,
  memory: Share,
): Promise<Uint8Array> {
  const { headers } = request;
  const isZipped = isGzip(headers.get("content-encoding"));
  if (isZipped === undefined) {
    throw new GatewayError("unsupported_media_type", "Compress the body as 'content-encoding: gzip', or not at all.", {
      param: "content-encoding",
    });
  }
  const fault = bodyFault(bodyBytes);
  const wireBytes = maxWireBytes(headers, bodyBytes);
  const bytes = await readBytes(request, {
    maxBytes: wireBytes,
    fault,
    patience: {
      limitMs: Math.min(maxReadingMs, deadlines.requestMs),
      late: () => new GatewayError("request_timeout", "The request's body did not come in time."),
    },
    takeRoom: (bytes) => takeBodyRoom(memory, bytes),
    turn: memory.turn,
  });
  if (!isZipped) return bytes;
  const whole = unzipped(bytes, isFramed(headers) ? wireBytes : bodyBytes, fault);
  takeBodyRoom(memory, Math.max(0, whole.byteLength - bytes.byteLength));
  return whole;
}

/** Counts so many bytes of a body, and all that is made of them. Throws a `GatewayError` `overloaded` where there is no memory for it. */
export function takeBodyRoom(memory: Share, bytes: number): void {
  memory.take(bytesPerBodyByte * bytes);
}

/** Refuses a body that says it is larger than allowed, before anything of it is read. */
export function requireLength(headers: Headers, maxBytes: number): void {
  if (announcedLength(headers) > maxWireBytes(headers, maxBytes)) throw bodyFault(maxBytes)("oversized");
}

/** Whether a body is a message in a frame, by its content type: https://connectrpc.com/docs/protocol and gRPC-Web's. */
export function isFramed(headers: Headers): boolean {
  return /^application\/(connect|grpc-web)/.test(mediaType(headers));
}

/** The error for a body that cannot be read, of which this much is allowed. */
export function bodyFault(maxBytes: number): BodyFault {
  return (reason) => {
    switch (reason) {
      case "oversized":
        return new GatewayError("payload_too_large", "The body is larger than {most} bytes (limits.body_bytes).", {
          values: { most: maxBytes },
        });
      case "truncated":
        return new GatewayError("cancelled", "The request's body ended too early.");
      case "malformed":
        return new GatewayError("invalid_request", "The body is not gzip.", { code: "invalid_gzip" });
    }
  };
}

/** How long a body may be as it comes: what is wrapped around so many bytes does not count. */
function maxWireBytes(headers: Headers, maxBytes: number): number {
  const isWrapped = headers.has("content-encoding") || isFramed(headers);
  return isWrapped ? maxBytes + frameHeadBytes + gzipHeadBytes(maxBytes) : maxBytes;
}
