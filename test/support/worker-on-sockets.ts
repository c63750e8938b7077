import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import worker from "../../src/index.ts";
import { marker } from "../upstreams/texts.ts";
import { readBody } from "./body.ts";
import { parsedEventsIn } from "./event-stream.ts";
import { at } from "./json.ts";
import { keepingLog } from "./log.ts";

export type Surface = "openai" | "qingyu" | "connect";

export interface Ask {
  /** OpenAI's unless told otherwise. */
  readonly surface?: Surface;
  /** Another of the contract's methods than a generation, over Connect. */
  readonly rpc?: string;
  /** Another path than that of what is asked. */
  readonly path?: string;
  /** POST unless told otherwise; GET has no body. */
  readonly method?: "GET" | "POST";
  readonly stream?: boolean;
  /** Joins the body of the surface. */
  readonly body?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** `x-qingyu-attempts` */
  readonly attempts: string | null;
  /** The answer's own text, put together again where it was streamed. */
  readonly content: string;
  /** The data of a stream's events or messages, of a plain answer its body. Parsed where it is JSON. */
  readonly events: readonly unknown[];
  /** The error's code, wherever the surface puts it. */
  readonly code: unknown;
  /** Whether the body has ended abnormally. */
  readonly isBroken: boolean;
  /** What was written to the log for this request. */
  readonly log: readonly string[];
}

/**
 * The worker as it is deployed, in the test's isolate, with upstreams on real sockets (`upstream.ts`): for what a network
 * can do to it. Settings of its own, so that nothing is left of what an earlier test taught it.
 */
export interface Gateway {
  /** Asks and reads to the end. Fails the test where something of an upstream shows that must not. */
  readonly ask: (ask?: Ask) => Promise<Answered>;
  /** Asks and leaves the answer to the test. */
  readonly open: (ask?: Ask) => Promise<Response>;
  /** The same for a request of the test's own. */
  readonly send: (
    path: string,
    init?: Pick<RequestInit, "method" | "headers" | "body" | "signal">,
  ) => Promise<Response>;
}

const paths: Readonly<Record<Surface, string>> = {
  openai: "/v1/chat/completions",
  qingyu: "/api/v1/ai/generate",
  connect: "/qingyu.ai.AIService/GenerateContent",
};

/** `providers` is the setting `ai.providers`. */
export function gateway(
  providers: string | readonly unknown[],
  settings: Readonly<Record<string, string>> = {},
): Gateway {
  const bindings = { ...env, QINGYU_CACHE_ENABLED: "false", AI_PROVIDERS: providers, ...settings };
  const send = async (request: Request<unknown, IncomingRequestCfProperties>) => {
    const context = createExecutionContext();
    return { response: await worker.fetch(request, bindings, context), context };
  };
  return {
    open: (ask = {}) => keepingLog(async () => (await send(requestFor(ask))).response),
    send: (path, init) =>
      keepingLog(async () => {
        const url = new URL(path, "http://localhost");
        return (await send(new Request<unknown, IncomingRequestCfProperties>(url, init))).response;
      }),
    ask: (ask = {}) =>
      keepingLog(async (log) => {
        const { response, context } = await send(requestFor(ask));
        const { bytes, isBroken } = await readBody(response);
        const text = new TextDecoder().decode(bytes);
        await waitOnExecutionContext(context);
        const headers = [...response.headers].map((header) => header.join(": "));
        for (const shown of [text, ...headers, ...log]) expect(shown).not.toContain(marker);
        return { ...read(ask.surface ?? (ask.rpc ? "connect" : "openai"), response, bytes, text), isBroken, log };
      }),
  };
}

function requestFor({
  rpc,
  path,
  method = "POST",
  surface = rpc ? "connect" : "openai",
  stream = false,
  body = {},
  headers = {},
  signal,
}: Ask) {
  const question = "你好🪶";
  const bodies: Readonly<Record<Surface, unknown>> = {
    openai: { messages: [{ role: "user", content: question }], ...(stream && { stream }), ...body },
    qingyu: { projectId: "p", prompt: question, ...(stream && { options: { stream } }), ...body },
    connect: rpc ? body : { projectId: "p", prompt: question, ...body },
  };
  const isFramed = surface === "connect" && stream;
  const json = new TextEncoder().encode(JSON.stringify(bodies[surface]));
  const usual = rpc
    ? `/qingyu.ai.AIService/${rpc}`
    : isFramed
      ? "/qingyu.ai.AIService/StreamGenerateContent"
      : paths[surface];
  return new Request<unknown, IncomingRequestCfProperties>(new URL(path ?? usual, "http://localhost"), {
    method,
    body: method === "GET" ? undefined : isFramed ? new Uint8Array([0, ...lengthOf(json), ...json]) : json,
    headers: {
      "content-type": isFramed ? "application/connect+json" : "application/json",
      "x-request-id": crypto.randomUUID(),
      ...headers,
    },
    signal,
  });
}

function lengthOf({ byteLength }: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, byteLength);
  return bytes;
}

function read(
  surface: Surface,
  { status, headers }: Response,
  bytes: Uint8Array,
  text: string,
): Omit<Answered, "log" | "isBroken"> {
  const type = headers.get("content-type") ?? "";
  const events = type.startsWith("text/event-stream")
    ? parsedEventsIn(text)
    : type.startsWith("application/connect+json")
      ? messages(bytes)
      : [JSON.parse(text)];
  const last = events.at(-1);
  return {
    status,
    headers,
    text,
    attempts: headers.get("x-qingyu-attempts"),
    content: events.map((event) => contentOf(event)).join(""),
    events,
    code: codeOf(surface, last),
  };
}

/** Connect's messages and, last, its end-stream message as `endStream`. */
function messages(bytes: Uint8Array): unknown[] {
  const found: unknown[] = [];
  const lengths = new DataView(bytes.buffer);
  for (let start = 0; start < bytes.byteLength; ) {
    const end = start + 5 + lengths.getUint32(start + 1);
    const message: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(start + 5, end)));
    found.push(bytes[start] === 2 ? { endStream: message } : message);
    start = end;
  }
  return found;
}

/** Plain and streamed answers of a surface put it in different places. */
function codeOf(surface: Surface, last: unknown): unknown {
  if (surface === "openai") return at(last, "error", "code");
  // In an event the same name has the message.
  if (surface === "qingyu") return at(last, at(last, "requestId") === undefined ? "error" : "code");
  return at(last, "endStream", "error", "code") ?? at(last, "code");
}

function contentOf(event: unknown): string {
  const places = [
    at(event, "choices", 0, "message", "content"),
    at(event, "choices", 0, "delta", "content"),
    at(event, "data", "content"),
    at(event, "delta"),
    at(event, "content"),
  ];
  return places.filter((place) => typeof place === "string").join("");
}
