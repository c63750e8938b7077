import { at } from "../json.ts";
import { linesOf } from "./ed.ts";
import { type GoType, goDecode } from "./go-json.ts";
import type { Send, Sent } from "./send.ts";

/** The platform's Go back end, as far as it calls a model: its adapter for OpenAI's API, and its analysis of chapters. */

const usage: GoType = { fields: { prompt_tokens: "int", completion_tokens: "int", total_tokens: "int" } };
const error: GoType = { fields: { message: "string", type: "string", code: "string" } };
const choice: GoType = {
  fields: {
    ...{ text: "string", finish_reason: "string", index: "int" },
    message: { fields: { role: "string", content: "string" } },
  },
};
const response: GoType = {
  fields: { id: "string", model: "string", created: "int", choices: { list: choice }, usage, error },
};
const chunk: GoType = {
  fields: {
    ...{ id: "string", model: "string" },
    choices: { list: { fields: { delta: { fields: { content: "string" } }, finish_reason: "string" } } },
    ...{ usage: { fields: { total_tokens: "int" } }, error },
  },
};

export interface GoText {
  readonly text: string;
  readonly finishReason: string;
  readonly totalTokens: number;
}

/** What its caller gets in an answer's place, and whether it asks again first. */
export class AdapterError extends Error {
  readonly type: string;
  readonly isRetried: boolean;

  constructor(message: string, type: string, isRetried: boolean) {
    super(message);
    this.type = type;
    this.isRetried = isRetried;
  }
}

const init = (body: object, key: string, accept: string): Sent => ({
  method: "POST",
  headers: { "content-type": "application/json", authorization: `Bearer ${key}`, accept },
  body: JSON.stringify(body),
});

/** Asks `/completions` or `/chat/completions` for a whole answer. Throws `AdapterError`s, and what the decoder throws. */
export async function askAdapter(send: Send, url: string, key: string, body: object): Promise<GoText> {
  const answer = await send(url, init(body, key, "application/json"));
  // It decodes before it looks at the status.
  const { value } = goDecode(await answer.text(), response);
  if (answer.status !== 200) throw adapterError(answer.status, at(value, "error"));
  const [first] = listAt(value, "choices");
  if (first === undefined) throw new AdapterError("no choices", "empty", false);
  const text = url.endsWith("/chat/completions") ? at(first, "message", "content") : at(first, "text");
  return {
    text: String(text),
    finishReason: String(at(first, "finish_reason")),
    totalTokens: Number(at(value, "usage", "total_tokens")),
  };
}

function adapterError(status: number, told: unknown): AdapterError {
  const type = String(at(told, "type") ?? "");
  const byType = ["rate_limit_exceeded", "server_error"].includes(type);
  const isRetried = type === "" ? status === 429 || status >= 500 : byType;
  return new AdapterError(String(at(told, "message")), type, isRetried);
}

const longestLine = 64 * 1024;

/**
 * Asks `/completions` for a stream, as all of its streams do: text is read from `delta`, the count of tokens from the chunk
 * that ends it, and the whole text is only there with `[DONE]`. Undefined where that never came.
 */
export async function streamFromAdapter(
  send: Send,
  url: string,
  key: string,
  body: object,
  show: (piece: string) => void = () => {},
): Promise<GoText | undefined> {
  const answer = await send(url, init({ ...body, stream: true }, key, "text/event-stream"));
  if (answer.status !== 200) {
    const { value } = goDecode(await answer.text(), response);
    throw adapterError(answer.status, at(value, "error"));
  }
  let text = "";
  let [finishReason, totalTokens] = ["", 0];
  for await (const line of linesOf(answer)) {
    if (new TextEncoder().encode(line).byteLength > longestLine) throw new Error("bufio.Scanner: token too long");
    if (!line.startsWith("data: ")) continue;
    const data = line.slice("data: ".length).trim();
    if (data === "[DONE]") return { text, finishReason, totalTokens };
    const { value } = goDecode(data, chunk);
    const message = String(at(value, "error", "message") ?? "");
    if (message !== "") throw new AdapterError(message, String(at(value, "error", "type")), false);
    const [first] = listAt(value, "choices");
    const piece = String(at(first, "delta", "content") ?? "");
    text += piece;
    show(piece);
    const reason = String(at(first, "finish_reason") ?? "");
    if (reason !== "") [finishReason, totalTokens] = [reason, Number(at(value, "usage", "total_tokens"))];
  }
  return undefined;
}

const evidence = { evidence: "string" } as const;
const analysis: GoType = {
  fields: {
    state_changes: {
      list: { fields: { entity_name: "string", field_key: "string", old_value: "any", new_value: "any", ...evidence } },
    },
    relation_changes: {
      list: {
        fields: {
          ...{ from_entity: "string", to_entity: "string", relation_type: "string", change_type: "string" },
          ...evidence,
        },
      },
    },
    new_entities: {
      list: { fields: { name: "string", entity_type: "string", first_mention: "string", description: "string" } },
    },
    events: {
      list: {
        fields: {
          ...{ description: "string", chapter_position: "string", involved_entities: { list: "string" } },
          ...evidence,
        },
      },
    },
    usage: { map: "int" },
  },
};

/** Asks for a chapter's changes, without a key. Throws where it would go by its own rules instead. */
export async function analyzeChapter(send: Send, baseUrl: string, body: object) {
  const answer = await send(`${baseUrl}/api/v1/story/analyze-chapter`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status} ${text}`);
  return goDecode(text, analysis);
}

function listAt(value: unknown, name: string): readonly unknown[] {
  const list = at(value, name);
  return Array.isArray(list) ? list : [];
}
