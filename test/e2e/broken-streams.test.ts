import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import { startWorker, type Worker } from "../../bench/workerd.ts";
import { keepLog } from "../load/log.ts";
import { at } from "../support/json.ts";

/*
 * Streams that fail in the middle, seen by clients on real connections to the built worker: each gets the event that tells
 * of it, and none can take what came for the whole answer.
 */

const log = keepLog();
let worker: Worker;

/** Says a token and breaks off. */
const upstream = createServer((_, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: "从前" } }] })}\n\n`);
  setTimeout(() => response.destroy(), 20);
});

beforeAll(async () => {
  upstream.listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const address = upstream.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  const provider = { name: "openai", type: "openai", baseUrl: `http://127.0.0.1:${address.port}/v1`, apiKey: "k" };
  const bindings = { AI_PROVIDERS: JSON.stringify([provider]), QINGYU_CACHE_ENABLED: "false" };
  const script = buildBundle({ minify: true }).path;
  worker = await startWorker({ script, bindings, readyPath: "/health/live", onLog: log.add });
}, 60_000);
afterAll(async () => {
  await worker.stop();
  upstream.close();
});

interface Surface {
  readonly name: string;
  readonly path: string;
  /** Each asks for a model of its own, so that no breaker opens. */
  readonly body: (model: string) => object;
  /** How it says why. */
  readonly reason: string;
  readonly times: number;
}

const openai: Surface = {
  name: "OpenAI's",
  path: "/v1/chat/completions",
  body: (model) => ({ model, messages: [{ role: "user", content: "写" }], stream: true }),
  reason: '"message":"The AI provider\'s answer ended too early."',
  times: 50,
};
const surfaces = [openai, ...platformStreams()];

/** The platform's paths from which a text comes piece by piece, with all that is asked there, as the API's description has it. */
function platformStreams(): Surface[] {
  const document: unknown = JSON.parse(readFileSync("public/openapi.json", "utf8"));
  const paths = Object.entries(at(document, "paths") ?? {}).filter(([path]) => path.startsWith("/api/v1/"));
  return paths.flatMap(([path, { post }]) => {
    const events = at(post, "responses", "200", "content", "text/event-stream", "example");
    if (!String(events).includes('"delta"')) return [];
    const examples = at(post, "requestBody", "content", "application/json", "examples") ?? {};
    return Object.entries(examples).map(([name, example]) => ({
      name: `${path} (${name})`,
      path,
      body: (model: string) => ({ ...Object(at(example, "value")), model, options: { model, stream: true } }),
      reason: '"code":5004',
      times: 10,
    }));
  });
}

interface Heard {
  readonly text: string;
  /** Whether the client was told that it is not all. */
  readonly isBroken: boolean;
}
type Client = (path: string, body: string) => Promise<Heard>;
const headers = { "content-type": "application/json" };

const clients: Readonly<Record<string, Client>> = {
  async fetch(path, body) {
    const { body: stream } = await fetch(`http://127.0.0.1:${worker.port}${path}`, { method: "POST", headers, body });
    let text = "";
    try {
      for await (const piece of stream?.pipeThrough(new TextDecoderStream()) ?? []) text += piece;
    } catch {
      return { text, isBroken: true };
    }
    return { text, isBroken: false };
  },
  async "node:http"(path, body) {
    const sent = request({ port: worker.port, host: "127.0.0.1", path, method: "POST", headers });
    sent.end(body);
    const [response] = await once(sent, "response");
    let text = "";
    response.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
    });
    const broken = new Promise<boolean>((resolve) => {
      response.on("error", () => resolve(true)).on("end", () => resolve(false));
    });
    const isBroken = await broken;
    return { text, isBroken };
  },
  async "a raw socket"(path, body) {
    const socket = connect(worker.port, "127.0.0.1");
    const length = Buffer.byteLength(body);
    const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
    socket.write(head + body);
    let text = "";
    socket.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
    });
    await once(socket, "close");
    return { text, isBroken: !text.endsWith("0\r\n\r\n") };
  },
};

const cases = surfaces.flatMap((asked) => Object.keys(clients).map((client) => ({ client, ...asked })));

it("knows the platform's streams", () => {
  const paths = platformStreams().map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(["/api/v1/ai/generate", "/api/v1/ai/writing/continue/stream"]));
});

it.each(cases)("is told in an event and by its end: $name, $client", async ({ client, path, body, reason, times }) => {
  const ask = async () => await clients[client]?.(path, JSON.stringify(body(crypto.randomUUID())));
  const heard = await Promise.all(Array.from({ length: times }, ask));
  for (const each of heard) {
    expect(each?.text).toContain("从前");
    expect(each?.text).toContain(reason);
    expect(each?.text).not.toContain("[DONE]");
    expect(each?.isBroken).toBe(true);
  }
});

it("is told by OpenAI's client in our words", async () => {
  const client = new OpenAI({ apiKey: "k", baseURL: `http://127.0.0.1:${worker.port}/v1`, maxRetries: 0 });
  let text = "";
  const reading = async () => {
    const stream = await client.chat.completions.create({
      model: "gpt-4o",
      messages: [{ role: "user", content: "写" }],
      stream: true,
    });
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? "";
  };
  await expect(reading()).rejects.toThrow(/ended too early/);
  expect(text).toBe("从前");
});

it("has its log line, with the error", async () => {
  // And the one that found the worker ready.
  const requests = cases.reduce((sum, { times }) => sum + times, 0) + 2;
  const lines = (await log.of(requests)).split("\n").filter((line) => line.includes('"operation":"generate"'));
  const failed = lines.filter((line) => line.includes('"error":"upstream_bad_response"'));
  expect([requests - 1, failed.length]).toEqual([lines.length, lines.length]);
});
