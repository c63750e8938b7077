import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { type TestApp, testApp } from "./support/app-on-fake-network.ts";
import { event } from "./upstreams/openai-answers.ts";

const utf8 = new TextEncoder();
const piece = "~".repeat(64 * 1024);
const delta = (content: string, finish_reason: string | null = null) =>
  utf8.encode(event({ choices: [{ index: 0, delta: { content }, finish_reason }] }));

/** A back end whose streams say so many pieces, wait for the test's word, and say the last one. */
function longWinded(pieces: number) {
  const goOn = Promise.withResolvers<void>();
  const asked: boolean[] = [];
  const network = new Hono().post("*", async (c) => {
    const { stream } = await c.req.json();
    asked.push(stream === true);
    if (!stream) {
      return c.json({ choices: [{ index: 0, message: { content: "plain" }, finish_reason: "stop" }] });
    }
    let said = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (said++ < pieces) {
          controller.enqueue(delta(piece));
          return;
        }
        await goOn.promise;
        controller.enqueue(delta("end", "stop"));
        controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  return { network, asked, goOn: goOn.resolve };
}

const questions = () => ({ messages: [{ role: "user", content: crypto.randomUUID() }] });

/** Reads a stream until so many pieces have come. Gives what reads the rest. */
async function readPieces(app: TestApp, question: object, pieces: number, headers: Record<string, string> = {}) {
  const answer = await app.fetch("http://localhost/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ ...question, stream: true }),
  });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let [chars, end] = [0, ""];
  const read = async () => {
    const { value = "", done = true } = (await reader?.read()) ?? {};
    chars += value.split("~").length - 1;
    end = value === "" ? end : value;
    return done;
  };
  while (chars < pieces * piece.length && !(await read()));
  return async () => {
    while (!(await read()));
    return { pieces: chars / piece.length, isComplete: end.includes("[DONE]") };
  };
}

describe.each<{ how: string; headers?: Record<string, string> }>([
  { how: "by what they ask" },
  { how: "by their key", headers: { "idempotency-key": "long" } },
])("a stream too long to be stored, shared $how", ({ headers }) => {
  // 5 MiB, of which 4 could be stored.
  const pieces = 80;

  it("is told to its reader to the end, and neither kept nor told to who comes late", async () => {
    const { network, asked, goOn } = longWinded(pieces);
    const app = testApp({ network });
    const question = questions();
    const first = await readPieces(app, question, pieces, headers);
    const late = await readPieces(app, question, 1, headers);
    expect(asked).toEqual([true, true]);
    goOn();
    for (const rest of [first, late]) expect(await rest()).toEqual({ pieces, isComplete: true });
    const again = await readPieces(app, question, pieces, headers);
    expect(await again()).toEqual({ pieces, isComplete: true });
    expect(asked).toEqual([true, true, true]);
  });

  it("is asked for once more by who waits for the whole", async () => {
    const { network, asked, goOn } = longWinded(pieces);
    const app = testApp({ network });
    const question = questions();
    const first = await readPieces(app, question, 1, headers);
    const plain = await app.post("/v1/chat/completions", question, headers);
    expect(plain.json()).toMatchObject({ choices: [{ message: { content: "plain" } }] });
    expect(asked).toEqual([true, false]);
    goOn();
    expect(await first()).toEqual({ pieces, isComplete: true });
  });
});

it("leaves a caller behind who reads far more slowly than others that share his stream", async () => {
  const { network, goOn } = longWinded(300);
  const app = testApp({ network });
  const question = questions();
  const reading = [readPieces(app, question, 1), readPieces(app, question, 300)];
  const [slow, quick] = await Promise.all(reading);
  goOn();
  expect(await quick?.()).toEqual({ pieces: 300, isComplete: true });
  await expect(slow?.()).rejects.toThrow("has failed");
});
