import type { JsonObject, JsonValue } from "../../generation.ts";
import { isJsonList, isJsonObject } from "../../json.ts";
import { type PeerReason, UpstreamFailure } from "../../upstream-failure.ts";
import { readErrorBody, reasonOfStatus } from "./failure.ts";
import { reasonInWords } from "./reasons.ts";
import { longestWaitMs, retryAfterMs } from "./retry-after.ts";

/*
 * The one reader of errors in JSON, for all providers that answer in JSON. OpenAI says `{"error": {code, type, param,
 * message}}`; Gemini makes a list of that, vLLM and DashScope leave `error` out, Ollama's is a text, FastAPI says `detail`,
 * and OpenRouter puts a status where OpenAI has a word.
 */

/** Who added the parameters of a request. */
export interface Parameters {
  /** Those that the caller sent, by name. */
  readonly callers: ReadonlySet<string>;
  /** Those that only the gateway added. */
  readonly added: ReadonlySet<string>;
}

/** How much of a message is looked at. */
const maxMessageLength = 4_000;
const maxDetails = 16;

interface Told {
  readonly words: readonly string[];
  readonly status?: number;
  readonly message: string;
  readonly param?: string;
  readonly retryAfterMs?: number;
}

/**
 * What an error answer means, of OpenAI (https://platform.openai.com/docs/guides/error-codes), Anthropic
 * (https://docs.anthropic.com/en/api/errors) and all that answer like them.
 */
export async function failureOf(response: Response, sent: Parameters): Promise<UpstreamFailure> {
  const { status, headers } = response;
  return failureIn(await readErrorBody(response), status, sent, retryAfterMs(headers, Date.now()));
}

/** The same for an error in a stream or in an answer of 200, which has no status of its own; undefined where it is none. */
export function errorInAnswer(value: JsonValue, sent?: Parameters): UpstreamFailure | undefined {
  return isError(value) ? failureIn(value, undefined, sent) : undefined;
}

/** Whether an answer's or event's JSON is an error. One that has choices beside it has an `error` that says something. */
function isError(value: JsonValue): boolean {
  const body = firstOf(value);
  if (!isJsonObject(body)) return false;
  const { error, errors, choices, code, status, message, detail } = body;
  if (isSomething(error)) return true;
  if (isJsonList(choices) && choices.length > 0) return false;
  if (body.object === "error" || body.type === "error" || (isJsonList(errors) && errors.length > 0)) return true;
  return isSomething(detail) || (typeof message === "string" && (isSomething(code) || isSomething(status)));
}

/**
 * What an error means. `status` is the answer's own, undefined where that is none of an error; `headersWaitMs` what its
 * headers say of waiting.
 */
function failureIn(
  body: JsonValue,
  status: number | undefined,
  { callers, added }: Parameters = nobodys,
  headersWaitMs?: number,
): UpstreamFailure {
  const told = readError(firstOf(body));
  const toldStatus = told.status ?? status;
  const reason = reasonInWords(told.words, told.message, toldStatus) ?? reasonOfStatus(toldStatus ?? 500);
  const options = { retryAfterMs: headersWaitMs ?? told.retryAfterMs };
  if (!aboutParameters.has(reason)) return UpstreamFailure.peer(reason, options);
  const addedParam = named(told, added);
  const param = named(told, callers);
  // Nothing that its caller sent: another provider may take what the gateway adds.
  if (addedParam !== undefined && param === undefined) {
    return UpstreamFailure.peer(reason === "invalid_request" ? "unsupported_parameter" : reason, {
      ...options,
      addedParam,
    });
  }
  return UpstreamFailure.peer(reason, { ...options, param });
}

const nobodys: Parameters = { callers: new Set(), added: new Set() };

const aboutParameters: ReadonlySet<PeerReason> = new Set([
  "invalid_request",
  "unsupported_parameter",
  "context_length_exceeded",
]);

function firstOf(body: JsonValue): JsonValue {
  return isJsonList(body) ? (body[0] ?? null) : body;
}

function readError(body: JsonValue): Told {
  if (!isJsonObject(body)) return { words: [], message: "" };
  const { error, errors, detail } = body;
  const [first] = isJsonList(errors) ? errors : [];
  const [problem] = isJsonList(detail) ? detail : [];
  const told = [error, first, problem].find(isJsonObject) ?? {};
  // What stands flat beside it may say more, but not instead of it.
  const flat = [told, isJsonObject(error) ? {} : body];
  const inner = [told.innererror, told.metadata, ...detailsIn(told)].filter(isJsonObject);
  const texts = [
    ...flat.flatMap(({ message, msg }) => [message, msg]),
    error,
    detail,
    told.detail,
    ...inner.map(({ raw }) => raw),
  ];
  const codes = flat.flatMap(({ code, status, status_code }) => [code, status, status_code]);
  return {
    words: textsOf([...codes, ...flat.map(({ type }) => type), ...inner.flatMap(({ code, reason }) => [code, reason])]),
    status: codes.map(statusIn).find((status) => status !== undefined),
    message: `${textsOf(texts).join("\n").slice(0, maxMessageLength)}${isFlagged(told.metadata) ? "\nflagged" : ""}`,
    param: [told.param, lastOf(told.loc)].find((param) => typeof param === "string"),
    retryAfterMs: inner.map(retryDelayMs).find((delayMs) => delayMs !== undefined),
  };
}

/** The details of a google.rpc.Status (https://cloud.google.com/apis/design/errors#error_details). */
function detailsIn({ details }: JsonObject): readonly JsonValue[] {
  return isJsonList(details) ? details.slice(0, maxDetails) : [];
}

/** OpenRouter's word for a refusal by moderation: what it was flagged for. */
function isFlagged(metadata: JsonValue | undefined): boolean {
  return isJsonObject(metadata) && (isSomething(metadata.reasons) || isSomething(metadata.flagged_input));
}

/** google.rpc.RetryInfo in JSON: seconds, such as "3.5s". */
function retryDelayMs({ retryDelay }: JsonObject): number | undefined {
  const [, seconds] = typeof retryDelay === "string" ? (/^(\d{1,9}(?:\.\d+)?)s$/.exec(retryDelay) ?? []) : [];
  return seconds === undefined ? undefined : Math.min(longestWaitMs, Math.ceil(Number(seconds) * 1000));
}

function statusIn(code: JsonValue | undefined): number | undefined {
  const status = typeof code === "string" && /^\d{3}$/.test(code) ? Number(code) : code;
  return typeof status === "number" && Number.isInteger(status) && status >= 400 && status < 600 ? status : undefined;
}

/** The first of the parameters that an error names: as the one at fault, or in its message. */
function named({ param, message }: Told, names: ReadonlySet<string>): string | undefined {
  if (names.size === 0) return undefined;
  const [atFault = ""] = (param ?? "").split(/[.[]/, 1);
  if (atFault !== "") return names.has(atFault) ? atFault : undefined;
  // Names that are English words, such as `user` or `stop`, count between quotes only.
  for (const [, quoted = "", bare = ""] of message.matchAll(
    /["'`](\w{1,64})[^\s"'`]*["'`]|\b([a-z]+(?:_[a-z]+)+|temperature)\b/g,
  )) {
    if (names.has(quoted)) return quoted;
    if (names.has(bare)) return bare;
  }
  return undefined;
}

function isSomething(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null || value === "" || value === false || value === 0) return false;
  return typeof value !== "object" || Object.keys(value).length > 0;
}

function lastOf(value: JsonValue | undefined): JsonValue | undefined {
  return isJsonList(value) ? value.at(-1) : undefined;
}

function textsOf(values: readonly (JsonValue | undefined)[]): string[] {
  return values.filter((value) => typeof value === "string");
}
