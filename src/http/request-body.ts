import { announcedLength, type BodyFault, readBytes } from "../body.ts";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";

/** A body of 4 MiB comes in this time over a connection of 1.2 Mbit/s. */
const maxReadingMs = 30_000;

/**
 * Reads a request's body. Throws a `GatewayError`: `payload_too_large` beyond the setting limits.body_bytes, `cancelled`
 * where the connection breaks, and `request_timeout` where the body is not there within 30 s or the time that the whole
 * request may take (deadlines.request_ms).
 */
export function readBody(
  request: Request,
  { limits: { bodyBytes }, deadlines }: Pick<Config, "limits" | "deadlines">,
): Promise<Uint8Array> {
  return readBytes(request, bodyBytes, (reason) => bodyError(reason, bodyBytes), {
    limitMs: Math.min(maxReadingMs, deadlines.requestMs),
    late: () => new GatewayError("request_timeout", "The request's body did not come in time."),
  });
}

/** Refuses a body that says it is larger than allowed, before anything of it is read. */
export function requireLength(headers: Headers, maxBytes: number): void {
  if (announcedLength(headers) > maxBytes) throw tooLarge(maxBytes);
}

function bodyError(reason: Parameters<BodyFault>[0], maxBytes: number): GatewayError {
  return reason === "oversized"
    ? tooLarge(maxBytes)
    : new GatewayError("cancelled", "The request's body ended too early.");
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError("payload_too_large", `The body is larger than ${maxBytes} bytes (limits.body_bytes).`);
}
