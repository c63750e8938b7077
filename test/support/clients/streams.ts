import { at } from "../json.ts";
import { askAgentStreamed } from "./ed.ts";
import { streamShown } from "./fe.ts";
import { streamFromAdapter } from "./go.ts";
import { firstOf, jsonIn, type Send, type Sent } from "./send.ts";

/** A stream of one of the clients', by what it shows in the end. */
export interface StreamCall {
  readonly name: string;
  /** Whether it is one of the platform's own, whose readers do not look at why a text ended. */
  readonly isPlatforms: boolean;
  readonly read: (send: Send) => Promise<Seen>;
}

interface Seen {
  readonly text: string;
  /** What its user is told; absent where all seems well. */
  readonly failure?: string;
}

const key = "sk-local-0000000000000000";
const text = "夜雨落在青石巷。";
const post = (body: object): Sent => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** A stream by names of events, as the platform's own server sends them: pieces, and at its end the whole. */
const byEvents = (name: string, path: string, body: object): StreamCall => ({
  name,
  isPlatforms: true,
  async read(send) {
    const answer = await send(path, post(body));
    if (!answer.ok) return { text: "", failure: await answer.text() };
    let [pieces, rest, error] = ["", "", ""];
    let whole: unknown;
    try {
      for await (const piece of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const events = (rest + piece).split("\n\n");
        rest = events.pop() ?? "";
        for (const event of events) {
          const [, kind, data = ""] = /^event: (\w+)\ndata: (.*)$/.exec(event) ?? [];
          const said = jsonIn(data);
          if (kind === "message") pieces += String(at(said, "delta"));
          if (kind === "done") whole = at(said, "content");
          if (kind === "error") error = String(firstOf(said, "error"));
        }
      }
    } catch {
      return { text: pieces, failure: error === "" ? undefined : error };
    }
    return whole === pieces && error === ""
      ? { text: pieces }
      : { text: pieces, failure: "a whole body without an end" };
  },
});

/** What comes of a reader that shows a text piece by piece and throws what its user is told. */
async function seen(reading: (show: (piece: string) => void) => Promise<unknown>): Promise<Seen> {
  let shown = "";
  try {
    await reading((piece) => {
      shown += piece;
    });
    return { text: shown };
  } catch (error) {
    return { text: shown, failure: String(error) };
  }
}

const story = { projectId: "p", chapterId: "c" };
export const streamCalls: readonly StreamCall[] = [
  byEvents("continue", "/api/v1/ai/writing/continue/stream", { ...story, currentText: text }),
  byEvents("rewrite", "/api/v1/ai/writing/rewrite/stream", { ...story, originalText: text, rewriteMode: "polish" }),
  byEvents("chat", "/api/v1/ai/chat/stream", { projectId: "p", message: "林远是谁？", useContext: false }),
  {
    name: "the front end's reading assistant",
    isPlatforms: true,
    async read(send) {
      const question = { role: "user", content: "他是谁？", timestamp: "2026-11-26T12:00:00.000Z" };
      const asked = { question: "他是谁？", chapterContent: text, bookTitle: "青羽", chapterTitle: "夜雨" };
      const answer = await send("/api/v1/ai/read-assistant", post({ ...asked, conversationHistory: [question] }));
      const { text: shown, error } = await streamShown(answer);
      return { text: shown, failure: error };
    },
  },
  {
    name: "the editor's agent",
    isPlatforms: false,
    read: async (send) =>
      await seen(async (show) => {
        const messages = [{ role: "user", content: "写" }];
        await askAgentStreamed(send, "/v1/chat/completions", key, { model: "gpt-4", messages }, show);
      }),
  },
  {
    name: "the back end's adapter",
    isPlatforms: false,
    read: async (send) =>
      await seen(async (show) => {
        const body = { model: "", prompt: text, max_tokens: 100, temperature: 0.7 };
        const whole = await streamFromAdapter(send, "/v1/completions", key, body, show);
        if (whole?.finishReason !== "stop" || whole.totalTokens === 0) throw new Error(JSON.stringify(whole));
      }),
  },
];
