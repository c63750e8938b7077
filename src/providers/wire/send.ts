import { type BodyFault, type BodyOptions, type HttpMessage, readBytes, readText } from "../../body.ts";
import type { Share } from "../../in-flight.ts";
import type { Call, Hops } from "../../upstream.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";

/** `fetch` as providers get it, so that tests and the gateway decide where it goes. */
export type Fetch = (url: string, init: SentInit) => Promise<Response>;

export interface SentInit extends RequestInit {
  readonly headers: Readonly<Record<string, string>>;
}

/** No answer of a model comes near this; a larger one is refused before it is held in memory. */
export const maxAnswerBytes = 8 * 1024 * 1024;

/** A stream says each token in an event of a few hundred bytes. */
export const maxStreamBytes = 4 * maxAnswerBytes;

/** Statuses that nobody asked for who wants an answer: they have no body (RFC 9110, 15). */
const withoutBody: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Sends a request to a provider and follows no redirect, so that neither prompt nor key can be led elsewhere.
 * Throws `UpstreamFailure`: wire `unavailable` where no answer came, `malformed` for a status that is no answer, peer
 * `redirected` for a 3xx.
 */
export async function send(fetch: Fetch, url: string, init: SentInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, redirect: "manual" });
  } catch (cause) {
    throw cause instanceof UpstreamFailure ? cause : UpstreamFailure.wire("unavailable", { cause });
  }
  if (response.status < 200 || withoutBody.has(response.status)) throw UpstreamFailure.wire("malformed");
  if (response.status >= 300 && response.status < 400) throw UpstreamFailure.peer("redirected");
  return response;
}

/** Asks for a body as it is (RFC 9110, 12.5.3). */
export const noCoding = { "accept-encoding": "identity" };

/**
 * Streams come as they are: of a compressed one the runtime would make thousands of times as much, and hold tokens back.
 * Throws `UpstreamFailure` wire `malformed`.
 */
export function requireNoCoding({ headers }: Response): void {
  if ((headers.get("content-encoding") ?? "identity").toLowerCase() !== "identity")
    throw UpstreamFailure.wire("malformed");
}

/** What a provider is told of the request that it is asked for. */
export function callHeaders({ requestId, trace, hops, stream }: Call): Record<string, string> {
  return {
    "x-request-id": requestId,
    traceparent: trace.traceparent,
    ...hopsHeader(hops),
    ...(stream && noCoding),
  };
}

/** By this a gateway among the providers notices that the request has been there before. */
export function hopsHeader(hops: Hops): Record<string, string> {
  return { "x-qingyu-hops": hops.join(", ") };
}

/** A body becomes text and then values, which may take two bytes for one of its own. */
export const bytesPerBodyByte = 3;
/** So much of an answer, or of an event of a stream, is read however little memory there is. */
export const uncountedBodyBytes = 16 * 1024;

/** For whose memory an answer is read; nobody's where it is for no request. */
type ForMemory = { readonly memory?: Share };

/**
 * What `parse` makes of the text of a response's body, for which there must be memory meanwhile. Throws what that and
 * `parse` throw, and `UpstreamFailure` (wire): `oversized`, `truncated`, or `malformed` where it is not UTF-8.
 */
export function readAnswer<Parsed>(
  response: Response,
  call: ForMemory,
  parse: (text: string) => Parsed,
): Promise<Parsed> {
  return readWhole(response, call, readText, parse);
}

/** The same of the body's bytes. */
export function readAnswerBytes<Parsed>(
  response: Response,
  call: ForMemory,
  parse: (bytes: Uint8Array) => Parsed,
): Promise<Parsed> {
  return readWhole(response, call, readBytes, parse);
}

async function readWhole<Body, Parsed>(
  response: Response,
  { memory }: ForMemory,
  read: (message: HttpMessage, options: BodyOptions) => Promise<Body>,
  parse: (body: Body) => Parsed,
): Promise<Parsed> {
  let bodyBytes = -uncountedBodyBytes;
  let takenBytes = 0;
  const takeRoom = (bytes: number) => {
    bodyBytes += bytes;
    if (bodyBytes <= 0) return;
    memory?.take(bytesPerBodyByte * bodyBytes - takenBytes);
    takenBytes = bytesPerBodyByte * bodyBytes;
  };
  try {
    return parse(await read(response, { maxBytes: maxAnswerBytes, fault: wireFault, takeRoom, turn: memory?.turn }));
  } finally {
    if (takenBytes > 0) memory?.take(-takenBytes);
  }
}

/** What a body that cannot be read means. */
export const wireFault: BodyFault = (reason, cause) => UpstreamFailure.wire(reason, { cause });
