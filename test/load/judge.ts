import { eventsIn, parsedEventsIn } from "../support/event-stream.ts";
import { at } from "../support/json.ts";
import { answerTo } from "./answers.ts";
import type { Answered, Asked } from "./caller.ts";
import { type RpcName, rpcKinds } from "./rpc-kinds.ts";
import { showsSecret } from "./secrets.ts";

/**
 * `right`; `refused` and `broken off`: it failed, and says so, before and in mid-stream. Anything else breaks a promise:
 * no answer, another one than the right one, another tenant's, an end that is none, something secret.
 */
export type Verdict = "right" | "refused" | "broken off" | "lost" | "wrong" | "foreign" | "truncated" | "secret";

export const brokenPromises: readonly Verdict[] = ["lost", "wrong", "foreign", "truncated", "secret"];

/** What an answer is worth. `tenants` are all that could have been mistaken for the one who asked. */
export function judge(asked: Asked, answered: Answered | undefined, tenants: readonly string[]): Verdict {
  if (!answered) return "lost";
  if (showsSecret(answered.bytes)) return "secret";
  try {
    if (answered.status !== 200 && !answered.isComplete) return "lost";
    if (answered.status !== 200) return isRefusal(asked, answered) ? "refused" : "wrong";
    return judgeContent(asked, answered, tenants);
  } catch {
    // Not even JSON.
    return "wrong";
  }
}

/** Also of an answer that failed, all that came must be a part of the right one. */
function judgeContent(asked: Asked, { headers, body, isComplete }: Answered, tenants: readonly string[]): Verdict {
  const { content, end } = read(asked, body);
  if (showsSecret(content)) return "secret";
  const provider = String(headers["x-qingyu-provider"]);
  const right = answerTo({ ...asked, provider });
  if (!right.startsWith(content)) {
    const isForeign = tenants.some((tenant) => answerTo({ ...asked, tenant, provider }).startsWith(content));
    return isForeign ? "foreign" : "wrong";
  }
  if (end === "malformed") return "wrong";
  // HTTP must not call it whole either.
  if (end === "failed") return isComplete ? "truncated" : "broken off";
  if (!isComplete) return "lost";
  return end === "complete" && content === right ? "right" : "truncated";
}

/** Whether it is an error as the clients of OpenAI or of the platform know them, about a provider and not about the request. */
function isRefusal({ rpc }: Asked, { status, headers, body }: Answered): boolean {
  const told = JSON.parse(body);
  const error = rpc ? told : told.error;
  const members = rpc ? ["message", "error"] : ["message", "type", "code"];
  const says = members.every((member) => typeof error?.[member] === "string");
  const saysWhen = status === 502 || status === 504 || /^\d+$/.test(String(headers["retry-after"]));
  return (
    [429, 502, 503, 504].includes(status) && says && saysWhen && error.request_id === String(headers["x-request-id"])
  );
}

interface Read {
  readonly content: string;
  /** `none`: it just stops. `malformed`: something comes after its end. */
  readonly end: "complete" | "failed" | "none" | "malformed";
}

function read({ rpc, delivery }: Asked, body: string): Read {
  if (delivery === "plain") return rpc ? readData(JSON.parse(body), rpcKinds[rpc].place) : readPlain(body);
  return rpc ? readResult(rpc, body) : readStream(body);
}

function readPlain(body: string): Read {
  const [choice] = JSON.parse(body).choices;
  return { content: choice.message.content, end: choice.finish_reason === "stop" ? "complete" : "none" };
}

function readStream(body: string): Read {
  let content = "";
  let end: Read["end"] = "none";
  for (const data of eventsIn(body)) {
    if (end !== "none") return { content, end: "malformed" };
    if (data === "[DONE]") {
      end = "complete";
      continue;
    }
    const { choices, error } = JSON.parse(data);
    if (error) end = "failed";
    content += choices?.[0]?.delta?.content ?? "";
  }
  return { content, end };
}

function readData(data: unknown, place: readonly (string | number)[]): Read {
  const content = at(data, ...place);
  return typeof content === "string" ? { content, end: "complete" } : { content: "", end: "malformed" };
}

/** One event: the result, or the code of a failure. */
function readResult(rpc: RpcName, body: string): Read {
  const [result, ...more] = parsedEventsIn(body);
  if (result === undefined || more.length > 0) return { content: "", end: more.length > 0 ? "malformed" : "none" };
  if (at(result, "code") !== undefined) return { content: "", end: "failed" };
  return readData(result, rpcKinds[rpc].placeInEvent);
}
