import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import { startWorker, type Worker } from "../../bench/workerd.ts";
import { upstream } from "../support/upstream.ts";
import { event } from "../upstreams/openai-answers.ts";
import { type PythonService, startService } from "./service.ts";

/*
 * The whole body that a provider of language models gets, from a caller of the gateway through the Python service: what the
 * caller said, what the settings say, and nothing that one of the two invented.
 */

const anthropicAnswer = [
  {
    type: "message_start",
    message: {
      id: "m",
      type: "message",
      role: "assistant",
      content: [],
      model: "m",
      usage: { input_tokens: 1, output_tokens: 1 },
    },
  },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "好" } },
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 1 } },
  { type: "message_stop" },
]
  .map((data) => `event: ${data.type}\n${event(data)}`)
  .join("");

/** OpenAI and Anthropic. */
const models = [upstream("ok"), upstream(`text:${anthropicAnswer}`)] as const;
let service: PythonService;
const gateways = new Map<string, Worker>();
const protocols = ["connect", "grpc-web"] as const;
const question = { role: "user", content: "夜雨落在青石巷，" };

/** How many each of them was sent before this test. */
let earlier: readonly number[] = [];
const visits = () => Promise.all(models.map(({ seen }) => seen()));
/** What they were sent in this test. */
const bodies = async () =>
  (await visits()).flatMap((seen, index) =>
    seen.slice(earlier[index]).map(({ body }) => JSON.parse(Buffer.from(body, "base64").toString())),
  );

beforeAll(async () => {
  const [openai, anthropic] = models;
  service = await startService({
    OPENAI_API_KEY: "sk-x",
    OPENAI_BASE_URL: `${openai.url}/v1`,
    OPENAI_MODEL: "the-services-own",
    ANTHROPIC_API_KEY: "sk-y",
    ANTHROPIC_BASE_URL: anthropic.url,
  });
  const script = buildBundle({ minify: true }).path;
  for (const protocol of protocols) {
    const bindings = {
      ENVIRONMENT: "development",
      PYTHON_AI_SERVICE_URL: service.url,
      PYTHON_AI_PROTOCOL: protocol,
      QINGYU_CACHE_ENABLED: "false",
    };
    gateways.set(protocol, await startWorker({ script, readyPath: "/health/live", bindings }));
  }
}, 60_000);
beforeEach(async () => {
  earlier = (await visits()).map(({ length }) => length);
});
afterAll(async () => {
  await Promise.all([...gateways.values()].map((worker) => worker.stop()));
  await service.close();
}, 30_000);

async function ask(protocol: string, stream: boolean, said: object) {
  const answer = await fetch(`http://127.0.0.1:${gateways.get(protocol)?.port}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [question], stream, ...said }),
  });
  return { status: answer.status, text: await answer.text(), attempts: answer.headers.get("x-qingyu-attempts") };
}
const good = { status: 200, text: expect.stringContaining("好"), attempts: "ai-service:ok" };

const ways = protocols.flatMap((protocol) => [false, true].map((stream) => ({ protocol, stream })));
const always = { stream: true, stream_options: { include_usage: true } };
const zeros = { top_p: 0, seed: 0, presence_penalty: 0, frequency_penalty: 0 };
const everything = {
  model: "qwen-max",
  max_tokens: 9,
  temperature: 1.3,
  stop: ["完", "终"],
  response_format: { type: "json_object" },
  top_p: 0.25,
  seed: -7,
  presence_penalty: -1.5,
  frequency_penalty: 2,
};

describe.each(ways)("OpenAI, asked over $protocol, stream $stream", ({ protocol, stream }) => {
  it.each([
    {
      name: "nothing: the settings' length and temperature, the service's own model",
      said: {},
      gets: { model: "the-services-own", max_tokens: 2000, temperature: 0.7 },
    },
    {
      name: "zeros",
      said: { temperature: 0, ...zeros },
      gets: { model: "the-services-own", max_tokens: 2000, temperature: 0, ...zeros },
    },
    ...Object.entries(zeros).map(([name, value]) => ({
      name: `${name} of 0 alone`,
      said: { [name]: value },
      gets: { model: "the-services-own", max_tokens: 2000, temperature: 0.7, [name]: value },
    })),
    { name: "everything", said: everything, gets: everything },
  ])("gets of a caller who said $name", async ({ said, gets }) => {
    expect(await ask(protocol, stream, said)).toEqual(good);
    expect(await bodies()).toEqual([{ messages: [question], ...always, ...gets }]);
  });
});

describe.each(ways)("Anthropic, asked over $protocol, stream $stream", ({ protocol, stream }) => {
  it.each([
    { name: "nothing but the model", said: {}, gets: { max_tokens: 2000, temperature: 0.7 } },
    {
      name: "everything that it has",
      said: { max_tokens: 9, temperature: 0.25, stop: ["完"] },
      gets: { max_tokens: 9, temperature: 0.25, stop_sequences: ["完"] },
    },
    { name: "a temperature of 0", said: { temperature: 0 }, gets: { max_tokens: 2000, temperature: 0 } },
    {
      name: "zeros, of which a penalty is what it does anyway",
      said: { top_p: 0, presence_penalty: 0, frequency_penalty: 0 },
      gets: { max_tokens: 2000, top_p: 0 },
    },
  ])("gets of a caller who said $name", async ({ said, gets }) => {
    expect(await ask(protocol, stream, { model: "claude-3-opus", ...said })).toEqual(good);
    expect(await bodies()).toEqual([{ model: "claude-3-opus", messages: [question], stream: true, ...gets }]);
  });

  it.each(["seed", "presence_penalty", "frequency_penalty"])(
    "is not asked for a %s, which another provider may have",
    async (name) => {
      const { status, text, attempts } = await ask(protocol, stream, { model: "claude-3-opus", [name]: 1 });
      expect([status, JSON.parse(text).error.code, attempts]).toEqual([
        400,
        "unsupported_parameter",
        "ai-service:unsupported_parameter",
      ]);
      expect(await bodies()).toEqual([]);
    },
  );
});
