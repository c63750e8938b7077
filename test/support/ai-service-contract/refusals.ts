import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { AIService } from "../../../src/gen/qingyu/ai/ai_service_pb.ts";
import { type ClientOf, headers } from "./asking.ts";

type Call = (client: Client<typeof AIService>, options: { headers: Record<string, string> }) => Promise<unknown>;

const long = "x".repeat(600_000);
const agentTypes = "creative, a2a_pipeline, outline_generation, chat, writing";
const storyParts = "assembled_prompt, selected_text, instruction";

/** What is wrong with a request, as the message says it after the word `invalid_request`. */
const refused: readonly (readonly [string, string, Call])[] = [
  ["GenerateContent", "prompt: is empty", (client, options) => client.generateContent({}, options)],
  [
    "GenerateContent",
    "messages[1].role: is none of system, user, assistant, tool",
    (client, options) =>
      client.generateContent({ messages: [{ role: "user", content: "x" }, { role: "narrator" }] }, options),
  ],
  [
    "GenerateContent",
    "messages: hold no text",
    (client, options) => client.generateContent({ prompt: "x", messages: [{ role: "user", content: " " }] }, options),
  ],
  [
    "GenerateContent",
    "options.max_tokens: must not be negative",
    (client, options) => client.generateContent({ prompt: "x", options: { maxTokens: -1 } }, options),
  ],
  [
    "GenerateContent",
    "options.temperature: must be from 0 to 2",
    (client, options) => client.generateContent({ prompt: "x", options: { temperature: 2.5 } }, options),
  ],
  [
    "GenerateContent",
    "options.presence_penalty: must be from -2 to 2",
    (client, options) => client.generateContent({ prompt: "x", options: { presencePenalty: -3 } }, options),
  ],
  [
    "StreamGenerateContent",
    "prompt: is empty",
    async (client, options) => await first(client.streamGenerateContent({ prompt: "\n" }, options)),
  ],
  [
    "StreamGenerateContent",
    "options.response_format: is none of text, json_object",
    async (client, options) =>
      await first(client.streamGenerateContent({ prompt: "x", options: { responseFormat: "xml" } }, options)),
  ],
  ["EmbedText", "texts: must be 1 to 2048", (client, options) => client.embedText({}, options)],
  ["EmbedText", "texts[1]: is empty", (client, options) => client.embedText({ texts: ["x", " "] }, options)],
  ["QueryKnowledge", "project_id: is empty", (client, options) => client.queryKnowledge({ query: "x" }, options)],
  ["QueryKnowledge", "query: is empty", (client, options) => client.queryKnowledge({ projectId: "p" }, options)],
  [
    "QueryKnowledge",
    "top_k: must be from 0 to 100",
    (client, options) => client.queryKnowledge({ projectId: "p", query: "x", topK: -1 }, options),
  ],
  [
    "QueryKnowledge",
    "top_k: must be from 0 to 100",
    (client, options) => client.queryKnowledge({ projectId: "p", query: "x", topK: 101 }, options),
  ],
  [
    "QueryKnowledge",
    "filters.timeline_ids: must be at most 1000",
    (client, options) =>
      client.queryKnowledge({ projectId: "p", query: "x", filters: { timelineIds: Array(1001).fill("t") } }, options),
  ],
  ["GetContext", "project_id: is empty", (client, options) => client.getContext({ chapterId: "1" }, options)],
  ["GenerateOutline", "task: is empty", (client, options) => client.generateOutline({}, options)],
  [
    "GenerateOutline",
    "task: has, with correction_prompt, more than 1000000 characters",
    (client, options) => client.generateOutline({ task: long, correctionPrompt: long }, options),
  ],
  [
    "GenerateOutline",
    "workspace_context: has more than 1000000 characters",
    (client, options) => client.generateOutline({ task: "x", workspaceContext: { a: long, b: long } }, options),
  ],
  ["GenerateCharacters", "task: is empty", (client, options) => client.generateCharacters({ task: " \t" }, options)],
  [
    "GenerateCharacters",
    "outline: has, with task, more than 1000000 characters",
    (client, options) =>
      client.generateCharacters({ task: long.slice(1), outline: { chapters: [{ title: long }] } }, options),
  ],
  ["GeneratePlot", "task: is empty", (client, options) => client.generatePlot({ outline: {} }, options)],
  [
    "GeneratePlot",
    "characters: has, with task, more than 1000000 characters",
    (client, options) =>
      client.generatePlot({ task: long.slice(1), characters: { characters: [{ name: long }] } }, options),
  ],
  ["ExecuteCreativeWorkflow", "task: is empty", (client, options) => client.executeCreativeWorkflow({}, options)],
  ...[-1, 11].map(
    (maxReflections) =>
      [
        "ExecuteCreativeWorkflow",
        "max_reflections: must be from 0 to 10",
        (client, options) => client.executeCreativeWorkflow({ task: "x", maxReflections }, options),
      ] as const satisfies readonly [string, string, Call],
  ),
  [
    "ExecuteAgent",
    "parameters.task: is empty",
    (client, options) => client.executeAgent({ workflowType: "chat" }, options),
  ],
  [
    "ExecuteAgent",
    `workflow_type: is none of ${agentTypes}`,
    (client, options) => client.executeAgent({ workflowType: "poetry", parameters: { task: "x" } }, options),
  ],
  ["StoryWrite", `${storyParts}: is empty`, (client, options) => client.storyWrite({ mode: "continue" }, options)],
  [
    "StoryWrite",
    "selected_text: has, with instruction, more than 1000000 characters",
    (client, options) => client.storyWrite({ selectedText: long, instruction: long }, options),
  ],
  [
    "StoryWrite",
    "options.stop: must be at most 16",
    (client, options) => client.storyWrite({ instruction: "x", options: { stop: Array(17).fill("s") } }, options),
  ],
];

/** What each RPC refuses, with its code and with the field that is wrong. */
export function testRefusals(client: ClientOf): void {
  it.each(refused)("refuses in %s: %s", async (_, message, call) => {
    const error = await failureOf(call(client(), { headers }));
    expect([error.code, error.rawMessage]).toEqual([Code.InvalidArgument, `invalid_request: ${message}`]);
  });

  it("refuses a wrong token and none in all but HealthCheck", async () => {
    const firstCalls = new Map(refused.toReversed().map(([rpc, , call]) => [rpc, call]));
    const rpcs = AIService.methods.map(({ name }) => name).filter((name) => name !== "HealthCheck");
    expect([...firstCalls.keys()].sort()).toEqual(rpcs.sort());
    for (const call of firstCalls.values()) {
      for (const wrong of ["Bearer wrong", ""])
        expect((await failureOf(call(client(), { headers: { authorization: wrong } }))).code).toBe(
          Code.Unauthenticated,
        );
    }
  });

  it("refuses a tenant that can be none", async () => {
    const asTenant = { headers: { ...headers, "x-qingyu-tenant": "a b" } };
    const error = await failureOf(client().generateOutline({ task: "x" }, asTenant));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toMatch(/^invalid_request: x-qingyu-tenant: /);
  });
}

/** The error that a call must end with. */
async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  return await call.then(
    () => expect.fail("answered"),
    (error: unknown) => ConnectError.from(error),
  );
}

async function first<T>(stream: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of stream) return item;
  return undefined;
}
