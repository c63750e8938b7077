import { Hono } from "hono";
import { completion, completionChunk, event, usageChunk } from "../../upstreams/openai-answers.ts";
import { at } from "../json.ts";

/** A question as a language model is asked it. */
export interface Question {
  readonly provider: string;
  /** The name of the structure that is wanted; absent where a text is. */
  readonly structure?: string;
  /** What stands between tags, by the tags' names. */
  readonly material: ReadonlyMap<string, string>;
  /** How often the same has been asked of this provider before. */
  readonly turn: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What it says or does, how it refuses, or that its connection breaks. */
export type Reply =
  | string
  | { readonly status: number; readonly body?: unknown }
  | "reset"
  | { readonly filtered: true }
  | { readonly calls: readonly object[] };

const providerNames = ["first", "second"] as const;

/** Settings in which these models are asked, the first one first. */
export const modelSettings = {
  AI_PROVIDERS: providerNames.map((name) => ({
    ...{ name, type: "openai", apiKey: `sk-${name}`, baseUrl: `https://models.test/${name}/v1` },
  })),
};

/** Language models that read what they are asked before they answer. */
export function models(reply: (question: Question) => Reply) {
  const questions: Question[] = [];
  const turns = new Map<string, number>();
  const network = new Hono().post("/:provider/v1/chat/completions", async (c) => {
    const body: Record<string, unknown> = await c.req.json();
    const provider = c.req.param("provider");
    const asked = messageIn(body, 1);
    const key = JSON.stringify([provider, asked]);
    const turn = turns.get(key) ?? 0;
    turns.set(key, turn + 1);
    const name = at(body, "response_format", "json_schema", "name");
    const structure = typeof name === "string" ? name : undefined;
    const question = { provider, structure, material: materialIn(asked), turn, body };
    questions.push(question);
    const said = reply(question);
    if (said === "reset") throw new Error("connection reset");
    if (typeof said === "object" && "status" in said) {
      return Response.json(said.body ?? { error: { message: "UPSTREAM-SECRET" } }, { status: said.status });
    }
    const isFiltered = typeof said === "object" && "filtered" in said;
    const calls = typeof said === "object" && "calls" in said ? said.calls : undefined;
    const finish = isFiltered ? "content_filter" : calls ? "tool_calls" : "stop";
    const text = typeof said === "string" ? said : "";
    if (body.stream !== true) {
      const message = { role: "assistant", content: null, tool_calls: calls };
      return c.json(completion(text, calls && { choices: [{ index: 0, message, finish_reason: finish }] }, finish));
    }
    const chunks = [
      ...(calls ?? []).map((call, index) => completionChunk({ tool_calls: [{ index, ...call }] })),
      ...(text.match(/[\s\S]{1,200}/gu) ?? []).map((content) => completionChunk({ content })),
      completionChunk({}, finish),
      usageChunk(),
    ];
    return c.body([...chunks, "[DONE]"].map(event).join(""), 200, { "content-type": "text/event-stream" });
  });
  return { network, questions };
}

/** The content of a request's message; an image is none. */
export function messageIn(body: unknown, index: number): string {
  const content = at(body, "messages", index, "content");
  return typeof content === "string" ? content : "";
}

function materialIn(text: string): ReadonlyMap<string, string> {
  const found = text.matchAll(/<([^<>\n/]{1,40})>\n([\s\S]*?)\n<\/\1>/g);
  return new Map([...found].map(([, name = "", content = ""]) => [name.replace(/\d+$/, ""), content]));
}
