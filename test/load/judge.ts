import { createParser } from "eventsource-parser";
import { marker } from "../upstreams/texts.ts";
import { answerTo } from "./answers.ts";
import type { Answered, Asked } from "./caller.ts";

/**
 * `right`; `refused` and `broken off`: it failed, and says so, before and in mid-stream. Anything else breaks a promise:
 * no answer, another one than the right one, another tenant's, an end that is none, an upstream's secret.
 */
export type Verdict = "right" | "refused" | "broken off" | "lost" | "wrong" | "foreign" | "truncated" | "secret";

export const brokenPromises: readonly Verdict[] = ["lost", "wrong", "foreign", "truncated", "secret"];

/** What an answer is worth. `tenants` are all that could have been mistaken for the one who asked. */
export function judge(asked: Asked, answered: Answered | undefined, tenants: readonly string[]): Verdict {
  if (!answered?.isComplete) return "lost";
  if (answered.bytes.includes(marker)) return "secret";
  if (answered.status !== 200) return isRefusal(answered) ? "refused" : "wrong";
  const { content, end } = asked.stream ? readStream(answered.body) : readPlain(answered.body);
  const provider = String(answered.headers["x-qingyu-provider"]);
  const right = answerTo({ ...asked, provider });
  if (tenants.some((tenant) => tenant !== asked.tenant && content === answerTo({ ...asked, tenant, provider }))) {
    return "foreign";
  }
  if (end === "failed") return "broken off";
  if (end === "none") return "truncated";
  if (content === right) return "right";
  return right.startsWith(content) ? "truncated" : "wrong";
}

/** Whether it is an error as OpenAI's clients know them, about a provider and not about the request. */
function isRefusal({ status, headers, body }: Answered): boolean {
  const { error } = JSON.parse(body);
  const isWhole = typeof error?.message === "string" && typeof error.code === "string";
  return [429, 502, 503, 504].includes(status) && isWhole && error.request_id === headers["x-request-id"];
}

interface Read {
  readonly content: string;
  readonly end: "complete" | "failed" | "none";
}

function readPlain(body: string): Read {
  const [choice] = JSON.parse(body).choices;
  return { content: choice.message.content, end: choice.finish_reason === "stop" ? "complete" : "none" };
}

function readStream(body: string): Read {
  let content = "";
  let end: Read["end"] = "none";
  const parser = createParser({
    onEvent({ data }) {
      if (data === "[DONE]") {
        end = "complete";
        return;
      }
      const { choices, error } = JSON.parse(data);
      if (error) end = "failed";
      content += choices?.[0]?.delta?.content ?? "";
    },
  });
  parser.feed(body);
  return { content, end };
}
