import type { TraceContext } from "../upstream.ts";

const traceparentForm = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Continues the caller's trace with a new span, or starts one where the header is absent or malformed (section 3.2.2.3). */
export function traceContext(header: string | undefined): TraceContext {
  const match = traceparentForm.exec(header ?? "");
  if (match) {
    const [, version, traceId = "", parent = "", flags = "", rest] = match;
    const valid = version !== "ff" && !/^0+$/.test(traceId) && !/^0+$/.test(parent) && (version !== "00" || !rest);
    if (valid) return { traceId, traceparent: `00-${traceId}-${randomHex(8)}-${flags}` };
  }
  const random = randomHex(24);
  const traceId = random.slice(0, 32);
  return { traceId, traceparent: `00-${traceId}-${random.slice(32)}-00` };
}

function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}
