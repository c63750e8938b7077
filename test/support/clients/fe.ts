import { firstOf, jsonIn, type Send } from "./send.ts";

/** The platform's web front end, as far as it reads answers: what becomes of them on their way to its views. */
export interface FrontEnd {
  readonly ask: (method: string, path: string, body?: unknown) => Promise<Outcome>;
  readonly isLoggedIn: () => boolean;
}

/** What a view is given, or what its user is shown in its place. */
type Outcome = { readonly data: unknown } | { readonly shown: string };

export interface Tokens {
  readonly access: string;
  /** What the platform gives for a refresh token. */
  readonly refreshed?: string;
}

/** Its own words for some codes; of the others it shows the answer's message. */
const ownWords: Readonly<Record<number, string>> = { 1003: "没有权限", 1007: "操作过于频繁", 5000: "服务器错误" };

/** Its HTTP service. It looks at the code of an answer only where the status is none of success. */
export function frontEnd(send: Send, tokens: Tokens): FrontEnd {
  let token: string | undefined = tokens.access;
  const logOut = (shown: string): Outcome => {
    token = undefined;
    return { shown };
  };
  async function ask(method: string, path: string, body?: unknown, isRepeated = false): Promise<Outcome> {
    const answer = await send(path, {
      method,
      headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const said = jsonIn(await answer.text());
    if (answer.ok) return { data: unwrapped(said) };
    if (typeof said !== "object" || said === null)
      throw new TypeError("cannot destructure 'code' of what is no object");
    const code = Number(firstOf(said, "code"));
    const message = String(firstOf(said, "message"));
    if (answer.status === 401) return logOut(message);
    if (code === 1102 && tokens.refreshed && !isRepeated) {
      token = tokens.refreshed;
      return await ask(method, path, body, true);
    }
    if ([1002, 1102, 1103].includes(code)) return logOut(message);
    return { shown: ownWords[code] ?? message };
  }
  return { ask, isLoggedIn: () => token !== undefined };
}

function unwrapped(said: unknown): unknown {
  const isEnvelope = typeof said === "object" && said !== null && "code" in said && "data" in said;
  return isEnvelope && !("pagination" in said) ? said.data : said;
}

/** Its older HTTP service: only code 0 is a success, and the keys below `data` become camelCase. */
export function olderUnwrapped(said: unknown): unknown {
  if (firstOf(said, "code") !== 0) throw new Error(String(firstOf(said, "message")));
  return camelCased(firstOf(said, "data"));
}

function camelCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelCased);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      camelCased(member),
    ]),
  );
}

/** What its one reader of streams has shown by the end. */
export interface Heard {
  readonly text: string;
  /** Absent where the body has ended as bodies do. */
  readonly error?: string;
  /** How many lines it could make nothing of. */
  readonly warnings: number;
}

/** Reads the reading assistant's stream: no names of events, and an error only in the status and in the body's end. */
export async function streamShown(answer: Response): Promise<Heard> {
  if (!answer.ok) return { text: "", error: `HTTP error! status: ${answer.status}`, warnings: 0 };
  let [text, rest, warnings] = ["", "", 0];
  const take = (line: string) => {
    if (line.trim() === "") return;
    const isData = line.startsWith("data: ");
    const data = isData ? line.slice("data: ".length) : line;
    if (isData && data === "[DONE]") return;
    const said = jsonIn(data);
    if (said === undefined) warnings++;
    else text += String(firstOf(said, "content", "delta", "text") || "");
  };
  try {
    for await (const piece of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) take(line);
    }
  } catch (error) {
    return { text, error: `AI响应失败: ${String(error)}`, warnings };
  }
  return { text, warnings };
}
