import {
  create,
  type DescMethodUnary,
  type Message,
  type MessageInitShape,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { AIService, type GenerateOptionsSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { testApp } from "./support/app-on-fake-network.ts";
import { filled, only } from "./support/messages.ts";
import { rpcCases } from "./support/rpc-cases.ts";
import { aiProviders, aiServices, pathOf, requestIn, toldIn, ways } from "./support/rpcs.ts";

const { method } = AIService;

/** A gateway whose AI service answers everything, and what it was asked. */
function gateway(more: Record<string, unknown> = {}) {
  const answers = new Map(rpcCases.map(({ name, answer }) => [name, answer]));
  const { network, asked } = aiServices({ ai: ({ rpc }) => answers.get(rpc) ?? new Response(null, { status: 500 }) });
  const app = testApp({ settings: { AI_PROVIDERS: aiProviders("connect", "ai"), ...more }, network });
  return { app, asked };
}

interface Refusal {
  readonly of: DescMethodUnary;
  readonly sent: Message;
  readonly told: string;
  readonly code?: string;
  readonly settings?: Record<string, unknown>;
}

async function expectRefused({ of, sent, told, code = "invalid_argument", settings }: Refusal) {
  for (const way of ways) {
    const { app, asked } = gateway(settings);
    const answer = await app.send(pathOf(of), requestIn(way, of, sent));
    expect(toldIn(way, of, answer)).toEqual({ code, text: told });
    expect(asked).toEqual([]);
  }
}

const missing = (field: string) => `The field '${field}' is missing.`;
const tooLong = (field: string, most: number) => `The field '${field}' must be at most ${most} characters long.`;
const tooMany = (field: string, most: number) => `The field '${field}' must be at most ${most} items long.`;
const oneOf = (field: string, values: string) => `The field '${field}' must be one of ${values}.`;
const outOfRange = (field: string, least: number, most: number) =>
  `The field '${field}' must be from ${least} to ${most}.`;

describe.each(rpcCases)("$name is refused", ({ name, method: of, required }) => {
  const told =
    name === "StoryWrite"
      ? "One of the fields 'assembled_prompt', 'selected_text', 'instruction' must be there."
      : missing(Object.keys(required).join());

  it("without what must be there", async () => {
    await expectRefused({ of, sent: create(of.input), told });
  });

  it.each([" ", "\t\n", "\u00a0\u3000"])("with a blank in its place: %j", async (blank) => {
    const sent = only(of.input, Object.fromEntries(Object.keys(required).map((field) => [field, blank])));
    await expectRefused({ of, sent, told });
  });

  it.each(of.input.fields.map((field) => field.name).filter((field) => /(^|_)(id|type|mode)$/.test(field)))(
    "with a name that is none: %s",
    async (field) => {
      for (const length of [513, 1_000_000]) {
        const sent = only(of.input, { ...required, [field]: "a".repeat(length) });
        await expectRefused({ of, sent, told: tooLong(field, 512) });
      }
      const { app, asked } = gateway();
      const sent = only(of.input, { ...required, [field]: "a".repeat(512) });
      expect([(await app.send(pathOf(of), requestIn("connect json", of, sent))).status, asked.length]).toEqual([
        200, 1,
      ]);
    },
  );

  it("with more texts than a prompt may have, wherever they stand, and no sooner", async () => {
    const sent = filled(of.input, { response_format: "json_object" });
    const length = codePointsIn(toJson(of.input, sent));
    const told = `The prompt is longer than ${length - 1} characters (limits.prompt_chars).`;
    const upTo = (chars: number) => ({ QINGYU_LIMITS_PROMPT_CHARS: String(chars) });
    await expectRefused({ of, sent, told, code: "resource_exhausted", settings: upTo(length - 1) });
    const { app, asked } = gateway(upTo(length));
    await app.send(pathOf(of), requestIn("connect json", of, sent));
    expect(asked).toHaveLength(1);
  });

  it("with something that is no message, or one that is deeper or larger than any", async () => {
    const json = JSON.stringify("x").repeat(3);
    const bodies = [
      ["application/json", json],
      ["application/json", `{"x":${"[".repeat(100_000)}`],
      ["application/json", `{"x":[${"{},".repeat(60_000)}{}]}`],
      ["application/json", "[]"],
      ["application/json", "null"],
      ["application/proto", new Uint8Array([0x0a, 0x7f])],
      ["application/proto", new Uint8Array(60_000).fill(0x0a)],
      // Fields that nobody knows, and groups in groups.
      ["application/proto", new Uint8Array(150_003).map((_, at) => [0xf8, 0x7f, 0x01][at % 3] ?? 0)],
      ["application/proto", new Uint8Array(2000).fill(0xfb)],
    ] as const;
    for (const [type, body] of bodies) {
      const { app, asked } = gateway();
      const answer = await app.send(pathOf(of), { method: "POST", headers: { "content-type": type }, body });
      expect([answer.status, toldIn("connect json", of, answer).code, asked]).toEqual([400, "invalid_argument", []]);
    }
  });
});

/** Of all texts in a message of `filled`, and of its maps' keys; all have one character of two units, or are words. */
function codePointsIn(value: unknown): number {
  if (typeof value === "string") return /^\d+$/.test(value) ? 0 : [...value].length;
  if (typeof value !== "object" || value === null) return 0;
  const keys = Object.keys(value).filter((key) => key.includes("🪶"));
  return [...keys, ...Object.values(value)].reduce((sum: number, each) => sum + codePointsIn(each), 0);
}

const ids = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);

describe("a field is refused that is out of its range or its size", () => {
  const query = (more: Omit<MessageInitShape<typeof method.queryKnowledge.input>, "$typeName">) =>
    [method.queryKnowledge, create(method.queryKnowledge.input, { query: "q", ...more })] as const;
  const workflow = (maxReflections: number) =>
    [
      method.executeCreativeWorkflow,
      create(method.executeCreativeWorkflow.input, { task: "t", maxReflections }),
    ] as const;
  const write = (options: Omit<MessageInitShape<typeof GenerateOptionsSchema>, "$typeName">) =>
    [method.storyWrite, create(method.storyWrite.input, { instruction: "i", options })] as const;
  const user = (id: string) =>
    [
      method.executeAgent,
      create(method.executeAgent.input, { workflowType: "chat", parameters: { user_id: id } }),
    ] as const;

  it.each([
    ["top_k", query({ topK: -1 }), outOfRange("top_k", 0, 100)],
    ["top_k", query({ topK: 101 }), outOfRange("top_k", 0, 100)],
    ["filters.doc_types", query({ filters: { docTypes: ids(1001) } }), tooMany("filters.doc_types", 1000)],
    ["filters.character_ids", query({ filters: { characterIds: ids(1001) } }), tooMany("filters.character_ids", 1000)],
    ["filters.timeline_ids", query({ filters: { timelineIds: ids(1001) } }), tooMany("filters.timeline_ids", 1000)],
    ["filters.chapter_ids", query({ filters: { chapterIds: ids(1001) } }), tooMany("filters.chapter_ids", 1000)],
    ["max_reflections", workflow(-1), outOfRange("max_reflections", 0, 10)],
    ["max_reflections", workflow(11), outOfRange("max_reflections", 0, 10)],
    ["parameters.user_id", user("u".repeat(513)), tooLong("parameters.user_id", 512)],
    ["options.model", write({ model: "m".repeat(257) }), tooLong("options.model", 256)],
    ["options.stop", write({ stop: ids(17) }), tooMany("options.stop", 16)],
    ["options.stop", write({ stop: ["", "s".repeat(1025)] }), tooLong("options.stop[1]", 1024)],
    [
      "options.response_format",
      write({ responseFormat: "xml" }),
      oneOf("options.response_format", "text, json_object"),
    ],
    ["options.max_tokens", write({ maxTokens: -1 }), outOfRange("options.max_tokens", 0, 2_147_483_647)],
    ["options.temperature", write({ temperature: -0.1 }), outOfRange("options.temperature", 0, 2)],
    ["options.temperature", write({ temperature: 2.1 }), outOfRange("options.temperature", 0, 2)],
    ["options.temperature", write({ temperature: Number.NaN }), outOfRange("options.temperature", 0, 2)],
    ["options.temperature", write({ temperature: Number.POSITIVE_INFINITY }), outOfRange("options.temperature", 0, 2)],
    ["options.top_p", write({ topP: -0.1 }), outOfRange("options.top_p", 0, 1)],
    ["options.top_p", write({ topP: 1.1 }), outOfRange("options.top_p", 0, 1)],
    ["options.top_p", write({ topP: Number.NaN }), outOfRange("options.top_p", 0, 1)],
    ["options.presence_penalty", write({ presencePenalty: -2.1 }), outOfRange("options.presence_penalty", -2, 2)],
    ["options.presence_penalty", write({ presencePenalty: Number.NaN }), outOfRange("options.presence_penalty", -2, 2)],
    ["options.frequency_penalty", write({ frequencyPenalty: 2.1 }), outOfRange("options.frequency_penalty", -2, 2)],
    [
      "options.max_tokens",
      write({ maxTokens: 101 }),
      "The field 'options.max_tokens' must be at most 100 (limits.max_tokens).",
    ],
  ] as const)("%s", async (_, [of, sent], told) => {
    await expectRefused({ of, sent, told, settings: { QINGYU_LIMITS_MAX_TOKENS: "100" } });
  });

  it("and taken at its ends", async () => {
    for (const [of, sent] of [
      query({ topK: 100, filters: { docTypes: ids(1000) } }),
      workflow(10),
      user("u".repeat(512)),
      write({ model: "m".repeat(256), stop: ids(16).map((id) => id.padEnd(1024)), responseFormat: "", maxTokens: 100 }),
      write({ temperature: 2, topP: 1, presencePenalty: -2, frequencyPenalty: 2, responseFormat: "text" }),
    ]) {
      const { app, asked } = gateway({ QINGYU_LIMITS_MAX_TOKENS: "100" });
      const answer = await app.send(pathOf(of), requestIn("grpc-web proto", of, sent));
      expect([toldIn("grpc-web proto", of, answer).code, asked.length]).toEqual([undefined, 1]);
    }
  });

  it("a model that the settings do not have", async () => {
    const [of, sent] = write({ model: "other" });
    const settings = { QINGYU_AI_MODELS: "qwen-*" };
    const told = "The model does not exist or is not offered here.";
    await expectRefused({ of, sent, told, code: "not_found", settings });
  });
});

it.each([
  ["QueryKnowledge", '{"query":"q","topK":"many"}', "top_k"],
  ["QueryKnowledge", '{"query":"q","topK":2147483648}', "top_k"],
  ["QueryKnowledge", '{"query":"q","filters":{"docTypes":[1]}}', "doc_types"],
  ["GetContext", '{"projectId":7}', "project_id"],
  ["ExecuteAgent", '{"workflowType":"chat","parameters":{"a":1}}', "parameters"],
  ["ExecuteCreativeWorkflow", '{"task":"t","enableHumanReview":"yes"}', "enable_human_review"],
  ["GenerateCharacters", '{"task":"t","outline":{"chapters":[{"chapterId":"one"}]}}', "chapter_id"],
  ["StoryWrite", '{"instruction":"i","options":{"seed":"9223372036854775808"}}', "seed"],
])("a field that is not of its type is named: %s %s", async (rpc, body, field) => {
  const { app, asked } = gateway();
  const answer = await app.post(`/qingyu.ai.AIService/${rpc}`, body);
  expect([answer.status, answer.json(), asked]).toEqual([
    400,
    { code: "invalid_argument", message: `The field '${field}' is not of its type.` },
    [],
  ]);
});

it("takes as many entries in a map as a message may have fields", async () => {
  const entries = Object.fromEntries(ids(16_000).map((id) => [`k${id}`, ""]));
  const sent = create(method.generateOutline.input, { task: "t", workspaceContext: entries });
  const { app, asked } = gateway();
  const answer = await app.send(
    pathOf(method.generateOutline),
    requestIn("connect proto", method.generateOutline, sent),
  );
  expect(answer.status).toBe(200);
  expect(asked.map(({ bytes }) => bytes)).toEqual([toBinary(method.generateOutline.input, sent)]);
});
