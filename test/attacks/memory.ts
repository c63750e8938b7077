import type { Attack } from "./attack.ts";
import { promptFor } from "./scenario.ts";
import type { Target } from "./target.ts";

const isApart = true;

const chat = "/v1/chat/completions";

/** How long those who do not read keep their connections. */
const idleMs = 5_000;

/** What must be held in memory for a caller: his body, his answer, what he has not read. */
export const memory: readonly Attack[] = [
  {
    name: "bodies of 1 MiB, 200 at once",
    settings: { QINGYU_LIMITS_PROMPT_CHARS: "2000000" },
    play: ({ askAll }) => askAll(400, 200, (index) => ({ body: asking(`${index} ${"a".repeat(1_000_000)}`) })),
  },
  {
    name: "bodies of 1 MiB that do not end, 200 at once",
    async play(target) {
      const body = asking("a".repeat(1_000_000));
      await idle(target, 200, { body: body.slice(0, -10), length: body.length });
    },
  },
  {
    name: "answers of 7 MiB, 50 at once",
    isApart,
    play: ({ askAll }) => askAll(100, 50, (index) => ({ body: asking(`${index} ${promptFor("wordy:2400256")}`) })),
  },
  {
    name: "answers of 7 MiB to one question, 50 at once",
    isApart,
    play: ({ askAll }) => askAll(100, 50, () => ({ body: asking(promptFor("wordy:2400256")) })),
  },
  {
    name: "streams of 7 MiB, 50 at once",
    isApart,
    play: ({ askAll }) =>
      askAll(100, 50, (index) => ({ body: asking(`${index} ${promptFor("wordy:2400256")}`, true) })),
  },
  {
    name: "streams of 7 MiB whose last event says all again, 50 at once",
    isApart,
    play: ({ askAll }) =>
      askAll(100, 50, (index) => ({
        path: index % 2 === 0 ? "/api/v1/ai/writing/continue/stream" : "/api/v1/ai/chat/stream",
        body: JSON.stringify({
          ...{ projectId: "p", currentText: `${index} ${promptFor("wordy:2400256")}` },
          ...{ history: [], message: `${index} ${promptFor("wordy:2400256")}` },
        }),
      })),
  },
  {
    name: "streams with token probabilities, 100 at once",
    isApart,
    play: ({ askAll }) =>
      askAll(100, 100, (index) => ({ body: asking(`${index} ${promptFor("probable:1000")}`, true) })),
  },
  {
    name: "cached answers as long as can be stored, 50 at once",
    async play({ askAll }) {
      const cached = (index: number) => ({ body: asking(`${index % 10} ${promptFor("wordy:1349632")}`) });
      await askAll(10, 1, cached);
      await askAll(100, 50, cached);
    },
  },
  {
    name: "pages of a chat session as long as can be, 50 at once",
    async play({ ask, askAll }) {
      const first = await ask({ path: "/api/v1/ai/chat", body: JSON.stringify({ message: long(0) }) });
      const sessionId = /session_\w+/.exec(first?.body.toString() ?? "")?.[0];
      await askAll(3, 1, (index) => ({
        path: "/api/v1/ai/chat",
        body: JSON.stringify({ sessionId, message: long(index) }),
      }));
      await askAll(200, 50, () => ({ method: "GET", path: `/api/v1/ai/chat/sessions/${sessionId}` }));
    },
  },
  {
    name: "small requests, 200 at once",
    play: ({ askAll }) => askAll(400, 200, (index) => ({ body: asking(`${index}`) })),
  },
  ...[true, false].map((stream) => ({
    name: `200 who do not read a cached answer of 1 MiB, ${stream ? "streamed" : "plain"}`,
    async play(target: Target) {
      const body = asking(promptFor("wordy:349184"), stream);
      await target.ask({ body });
      await idle(target, 200, { body });
    },
  })),
  {
    name: "200 who do not read a cached answer of 1 MiB, over Connect",
    async play(target) {
      const path = "/qingyu.ai.AIService/GenerateContent";
      const body = JSON.stringify({ projectId: "p", prompt: promptFor("wordy:349184") });
      await target.ask({ body, path });
      await idle(target, 200, { body, path });
    },
  },
  {
    name: "50 who do not read streams with token probabilities",
    isApart,
    play: (target) => idle(target, 50, (index) => ({ body: asking(`${index} ${promptFor("probable:1000")}`, true) })),
  },
];

interface Written {
  readonly path?: string;
  readonly body: string;
  /** What is announced, where it is more than is sent. */
  readonly length?: number;
}

/** So many connections on which a request is written and nothing is read. */
async function idle(
  { connect, key }: Target,
  count: number,
  sent: Written | ((index: number) => Written),
): Promise<void> {
  for (let index = 0; index < count; index++) {
    const { path = chat, body, length = Buffer.byteLength(body) } = typeof sent === "function" ? sent(index) : sent;
    const head = [
      `POST ${path} HTTP/1.1`,
      "host: gateway.test",
      "content-type: application/json",
      `authorization: Bearer ${key}`,
      `content-length: ${length}`,
    ];
    connect()
      .pause()
      .write(`${head.join("\r\n")}\r\n\r\n${body}`);
  }
  await new Promise((resolve) => setTimeout(resolve, idleMs));
}

/** As long as a message of a chat may be. */
const long = (index: number) => `${index} ${"字".repeat(87_000)}`;

/** The body of a chat completion. */
function asking(content: string, stream = false): string {
  return JSON.stringify({ model: "m", messages: [{ role: "user", content }], stream });
}
