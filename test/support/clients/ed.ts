import { at } from "../json.ts";
import { firstOf, jsonIn, type Send, type Sent } from "./send.ts";

/** The platform's desktop editor: a provider's profile, the bare calls, its agent, and how it shows what was found. */

/** A profile as its settings hold it. */
export interface Profile {
  readonly baseURL: string;
  readonly endpointPath: string;
  readonly model: string;
  readonly apiKey: string;
  readonly temperature: number;
}

/** What becomes of a profile that is pasted as JSON; throws what its user is told. */
export function importedProfile(text: string): Profile {
  const said: unknown = JSON.parse(text);
  const profiles = at(said, "providerProfiles");
  const active = at(said, "activeProviderProfileId");
  const list: unknown[] = Array.isArray(profiles) ? profiles : [];
  const chosen = list.find((profile) => at(profile, "id") === active) ?? list[0] ?? said;
  const given = at(chosen, "userProvider") ?? said;
  const word = (name: string, most: number) => {
    const value = at(given, name);
    return typeof value === "string" ? value.trim().slice(0, most) : "";
  };
  const temperature = at(given, "temperature");
  const profile = {
    baseURL: word("baseURL", 500).replace(/\/+$/, ""),
    endpointPath: (word("endpointPath", 200) || "/v1/chat/completions").replace(/^\/?/, "/"),
    model: word("model", 200),
    apiKey: keptKey(word("apiKey", 500)),
    temperature: typeof temperature === "number" ? Math.min(2, Math.max(0, temperature)) : 0.7,
  };
  if (!profile.baseURL || !profile.model) throw new Error("配置文件缺少服务地址、接口路径或模型。");
  return profile;
}

/** A key as it is saved: one that does not look like any is dropped without a word. */
export function keptKey(key: string): string {
  const isMasked = key.includes("****") || key.includes("•••");
  const isLikeOne = /^(sk|gpt|claude|anthropic|bearer)-|^[a-zA-Z0-9_-]+$/.test(key);
  return key.length >= 20 && !isMasked && isLikeOne ? key : "";
}

export interface Message {
  readonly role: string;
  readonly content: string | null;
  readonly [more: string]: unknown;
}

/** Asks by a profile, from the page: never for a stream. Throws what its user is shown. */
export async function askByProfile(send: Send, profile: Profile, messages: readonly Message[], max_tokens?: number) {
  const { baseURL, endpointPath, model, apiKey, temperature } = profile;
  const answer = await send(baseURL + endpointPath, {
    method: "POST",
    headers: { "content-type": "application/json", ...(apiKey && { authorization: `Bearer ${apiKey}` }) },
    body: JSON.stringify({ model, messages, temperature, ...(max_tokens && { max_tokens }) }),
  });
  if (!answer.ok) throw new Error(`Request failed with status code ${answer.status}`);
  const said = jsonIn(await answer.text());
  const content = at(said, "choices", 0, "message", "content");
  const usage = at(said, "usage");
  const counts = ["prompt_tokens", "completion_tokens", "total_tokens"].map((name) => at(usage, name));
  return { text: typeof content === "string" ? content : String(at(said, "choices", 0, "text") ?? ""), counts };
}

/** Asks without the platform and without a key. Throws what its user is shown. */
export async function askDirectly(send: Send, path: string, body?: unknown) {
  const method = body === undefined ? "GET" : "POST";
  const headers = body === undefined ? undefined : { "content-type": "application/json" };
  const answer = await send(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (!answer.ok) throw new Error(`Request failed with status code ${answer.status}`);
  const said = jsonIn(await answer.text());
  return { said, text: firstOf(said, "generated_text", "message", "reply"), usage: at(said, "usage") };
}

/** The object in a text: what stands in a fence, else from the first brace to the last. */
export function objectIn(text: string): unknown {
  const fenced = /```(?:json)?\s*([\s\S]*?)```/.exec(text)?.[1];
  return JSON.parse(fenced ?? text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1));
}

export interface AgentAnswer {
  readonly content: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
}

const agentInit = (body: object, key: string, accept: string): Sent => ({
  method: "POST",
  headers: { "content-type": "application/json", accept, authorization: `Bearer ${key}` },
  body: JSON.stringify(body),
});

/** The agent's stream, shown as it comes. Throws 读取流失败 where the body ends abnormally; what it does not know it passes over. */
export async function askAgentStreamed(
  send: Send,
  url: string,
  key: string,
  body: object,
  show: (piece: string) => void = () => {},
): Promise<AgentAnswer> {
  const answer = await send(url, agentInit({ ...body, stream: true }, key, "text/event-stream"));
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
  let content = "";
  const calls: { id: string; name: string; arguments: string }[] = [];
  for await (const line of linesOf(answer)) {
    if (!line.trim().startsWith("data: ")) continue;
    const data = line.trim().slice("data: ".length);
    if (data === "[DONE]") break;
    const delta = at(jsonIn(data), "choices", 0, "delta");
    const piece = at(delta, "content");
    if (typeof piece === "string") {
      content += piece;
      show(piece);
    }
    const parts = at(delta, "tool_calls");
    for (const part of Array.isArray(parts) ? parts : []) {
      const index = Number(at(part, "index"));
      const call = calls[index] ?? { id: "", name: "", arguments: "" };
      calls[index] = call;
      call.id = String(at(part, "id") || call.id);
      call.name = String(at(part, "function", "name") || call.name);
      call.arguments += String(at(part, "function", "arguments") ?? "");
    }
  }
  return { content, calls };
}

/** The same whole: only 200 is a success, and the text is a text or null. */
export async function askAgent(send: Send, url: string, key: string, body: object): Promise<AgentAnswer> {
  const answer = await send(url, agentInit(body, key, "application/json"));
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${text}`);
  const message = at(jsonIn(text), "choices", 0, "message");
  if (message === undefined) throw new Error("AI API 未返回内容");
  const content = at(message, "content") ?? "";
  if (typeof content !== "string")
    throw new Error("json: cannot unmarshal into Go struct field content of type string");
  const asked = at(message, "tool_calls");
  const calls = (Array.isArray(asked) ? asked : []).map((call: unknown) => ({
    id: String(at(call, "id")),
    name: String(at(call, "function", "name")),
    arguments: String(at(call, "function", "arguments")),
  }));
  return { content, calls };
}

/** Whole lines only: what comes after the last line end is lost. Throws where the body ends abnormally. */
export async function* linesOf({ body }: Response): AsyncGenerator<string> {
  let rest = "";
  try {
    for await (const piece of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (error) {
    throw new Error("读取流失败", { cause: error });
  }
}

/** An issue as it is marked in the text. */
export interface Marked {
  readonly type: string;
  readonly severity: "error" | "warning" | "suggestion";
  readonly message: string;
  readonly suggestions: readonly string[];
  /** In UTF-16 units; absent where the editor finds no place for it. */
  readonly range?: readonly [number, number];
  /** Whether the place is the one that was told, and not one that it has looked for. */
  readonly isTold: boolean;
}

const severities: Readonly<Record<string, Marked["severity"]>> = {
  ...{ error: "error", high: "error", critical: "error", 严重: "error" },
  ...{ warning: "warning", medium: "warning", warn: "warning", 中等: "warning" },
};

/** How a proofreading's issues are marked in the text that was sent. */
export function markedIn(text: string, data: unknown): Marked[] {
  const issues = at(data, "issues");
  if (!Array.isArray(issues)) return [];
  return issues.flatMap((issue: unknown) => {
    const message = firstOf(issue, "message", "description", "issue");
    if (typeof message !== "string" || message === "") return [];
    const type = String(firstOf(issue, "type", "category") || "style");
    const severity = severities[String(firstOf(issue, "severity", "level"))] ?? "suggestion";
    return [{ type, severity, message, suggestions: suggestionsOf(issue), ...placeOf(text, issue) }];
  });
}

function suggestionsOf(issue: unknown): string[] {
  const found = firstOf(issue, "suggestionDetails", "suggestion_details", "suggestions");
  const list: unknown[] = Array.isArray(found) ? found : [];
  return list.map((each) => (typeof each === "string" ? each : String(firstOf(each, "text", "value", "suggestion"))));
}

/** Places are read as UTF-16 units, then as code points, and hold only where the quoted text stands there. */
function placeOf(text: string, issue: unknown): Pick<Marked, "range" | "isTold"> {
  const quoted = String(firstOf(issue, "originalText", "original_text", "original") ?? "").trim();
  const [start, end] = [Number(at(issue, "position", "start")), Number(at(issue, "position", "end"))];
  if (quoted === "" || !(end > start)) return { isTold: false };
  if (text.slice(start, end) === quoted) return { range: [start, end], isTold: true };
  const points = Array.from(text);
  if (points.slice(start, end).join("") === quoted) {
    const from = points.slice(0, start).join("").length;
    return { range: [from, from + quoted.length], isTold: true };
  }
  const found = text.indexOf(quoted);
  return found === -1 ? { isTold: false } : { range: [found, found + quoted.length], isTold: false };
}
