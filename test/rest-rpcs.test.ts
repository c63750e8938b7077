import { create, type DescField, equals, type Message, ScalarType, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import {
  CharactersResponseSchema,
  CreativeWorkflowResponseSchema,
  OutlineResponseSchema,
  RAGQueryResponseSchema,
} from "../src/gen/qingyu/ai/ai_service_pb.ts";
import type { Rpc } from "../src/rpcs/rpc.ts";
import { rpcs } from "../src/rpcs/rpcs.ts";
import { sha256Hex } from "./support/app-on-fake-network.ts";
import { aiServiceApp } from "./support/fake-ai-service.ts";
import { at } from "./support/json.ts";
import { errorOf } from "./support/rpcs.ts";
import { sampleOf } from "./support/sample-message.ts";

const rows = rpcs.flatMap((rpc) => rpc.paths.map((path) => ({ path: `/api/v1${path}`, rpc })));
const camelCase = ({ jsonName }: DescField) => jsonName;

/** What the service says of a success: an agent's must be one, and tells of no errors. */
const answerOf = ({ method: { output } }: Rpc) =>
  sampleOf(output, { instead: output.name === "AgentExecutionResponse" ? { status: "completed", errors: [] } : {} });
/** What a request must have. */
const leastOf = ({ rules: { required = [] } }: Rpc) => Object.fromEntries(required.map((name) => [String(name), "写"]));

/** A gateway before a service that answers well. */
function asking({ path, rpc }: (typeof rows)[number]) {
  const app = aiServiceApp(() => answerOf(rpc).message);
  return {
    ...app,
    /** What the service gets of a body. */
    messageFor: async (body: unknown) => {
      const { status, text } = await app.post(path, body, { "cache-control": "no-store" });
      expect([status, text]).toEqual([200, expect.any(String)]);
      return app.asked.at(-1)?.message;
    },
  };
}

function expectMessage(rpc: Rpc, found: Message | undefined, expected: Message): void {
  const { input } = rpc.method;
  expect(found && toJson(input, found)).toEqual(toJson(input, expected));
  expect(found && equals(input, found, expected)).toBe(true);
}

describe.each(rows)("POST $path", (row) => {
  const { path, rpc } = row;
  const { input } = rpc.method;

  it("sends on each field", async () => {
    const { json, message } = sampleOf(input);
    expectMessage(rpc, await asking(row).messageFor(json), message);
  });

  it("takes the same fields in camel case", async () => {
    const { json, message } = sampleOf(input, { nameOf: camelCase });
    expectMessage(rpc, await asking(row).messageFor(json), message);
  });

  it("leaves out what is not there, what is zero and what is null", async () => {
    const { messageFor } = asking(row);
    const least = leastOf(rpc);
    const reflections = input.fields.some(({ name }) => name === "max_reflections") ? { max_reflections: 3 } : {};
    const { message } = sampleOf(input, {
      instead: { ...Object.fromEntries(input.fields.map(({ name }) => [name, undefined])), ...least, ...reflections },
    });
    expectMessage(rpc, await messageFor(least), message);
    const zeros = Object.fromEntries(input.fields.map((field) => [field.name, zeroOf(field)]));
    expectMessage(rpc, await messageFor({ ...zeros, ...least }), message);
    const nulls = Object.fromEntries(input.fields.map(({ name }) => [name, null]));
    expectMessage(rpc, await messageFor({ ...nulls, ...least }), message);
  });

  it("leaves keys alone that it does not know, however deep", async () => {
    const { json, message } = sampleOf(input);
    const known = Object.fromEntries(
      // What is a key in a map is known.
      input.fields.map((field) => [
        field.name,
        field.fieldKind === "map" ? json[field.name] : withMore(json[field.name]),
      ]),
    );
    expectMessage(rpc, await asking(row).messageFor({ ...known, quality: { deep: [1, null] } }), message);
  });

  it.each(input.fields)("refuses a wrong type of $name by its name", async (field) => {
    const app = asking(row);
    for (const name of [field.name, field.jsonName]) {
      const answer = await app.post(path, { ...leastOf(rpc), [name]: wrongFor(field) });
      expect([answer.status, answer.json()]).toMatchObject([
        400,
        { code: 1001, data: null, error: "invalid_value", param: field.name },
      ]);
    }
    expect(app.asked).toEqual([]);
  });

  it("refuses what lacks a field that must be there, by its name", async () => {
    const answer = await asking(row).post(path, {});
    const [first] = Object.keys(leastOf(rpc));
    expect([answer.status, answer.json()]).toMatchObject([400, { code: 1001, error: "missing_field", param: first }]);
  });

  it("answers each field, bare to a body in the contract's own names", async () => {
    const answer = await asking(row).post(path, { ...leastOf(rpc), project_id: "p" });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(answer.text).toBe(JSON.stringify({ ...answerOf(rpc).json, provider: "ai-service" }));
  });

  const { project_id: projectMustBeThere, ...others } = leastOf(rpc);
  const projects: readonly [string, Record<string, string | null>][] = [
    ["no project", {}],
    ["null for a project", { project_id: null }],
    ["its project in camel case", { projectId: "p" }],
    ["its project in both", { projectId: "p", project_id: "p" }],
  ];
  it.each(projectMustBeThere ? projects.slice(2) : projects)(
    "answers in the platform's envelope to a body with %s",
    async (_, project) => {
      const app = asking(row);
      const answer = await app.post(path, { ...others, ...project }, { "x-request-id": "r-1" });
      expect(at(app.asked[0]?.message, "projectId")).toBe(Object.values(project)[0] ?? "");
      const data = JSON.stringify({ ...answerOf(rpc).json, provider: "ai-service" });
      const timestamp = at(answer.json(), "timestamp");
      expect(timestamp).toBeTypeOf("number");
      expect(answer.text).toBe(
        `{"code":0,"message":"操作成功","data":${data},"timestamp":${timestamp},"request_id":"r-1"}`,
      );
    },
  );

  it.each([
    [Code.Internal, 503, 5002, "upstream_unavailable"],
    [Code.Unimplemented, 503, 5002, "upstream_unavailable"],
    [Code.InvalidArgument, 400, 1001, "invalid_request"],
    [Code.ResourceExhausted, 429, 4290, "rate_limit_exceeded"],
    [Code.Unauthenticated, 502, 5004, "upstream_auth"],
    [Code.DeadlineExceeded, 504, 5002, "upstream_timeout"],
  ])("tells of Connect's code %s in the envelope, in its own words", async (code, status, number, error) => {
    const app = aiServiceApp(() => errorOf("connect", code, "Traceback: ValueError at 10.0.0.7"));
    const answer = await app.post(path, { ...leastOf(rpc), project_id: "p" }, { "x-request-id": "r-2" });
    expect([answer.status, answer.json()]).toEqual([
      status,
      {
        code: number,
        message: expect.any(String),
        data: null,
        error,
        timestamp: expect.any(Number),
        request_id: "r-2",
      },
    ]);
    expect(answer.text + JSON.stringify([...answer.headers]) + answer.log.join()).not.toMatch(/Traceback|10\.0\.0\.7/);
  });

  it("needs a key", async () => {
    const app = aiServiceApp(() => answerOf(rpc).message, { GATEWAY_API_KEYS: `a:${await sha256Hex("key-of-a")}` });
    expect((await app.post(path, leastOf(rpc))).status).toBe(401);
    expect((await app.post(path, leastOf(rpc), { authorization: "Bearer key-of-a" })).status).toBe(200);
  });
});

/** The same with a member more in each object. */
function withMore(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withMore);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, withMore(member)]);
  return { ...Object.fromEntries(members), xUnknown: [{ a: null }] };
}

function zeroOf({ fieldKind, scalar }: DescField): unknown {
  if (fieldKind === "list") return [];
  if (fieldKind === "map") return {};
  switch (scalar) {
    case ScalarType.STRING:
      return "";
    case ScalarType.BOOL:
      return false;
    default:
      return fieldKind === "message" ? null : 0;
  }
}

/** What no field of its type can be. */
const wrongFor = ({ fieldKind, scalar }: DescField) =>
  fieldKind === "scalar" && scalar === ScalarType.STRING ? 1 : "文";

describe("the platform's JSON of the contract", () => {
  const characters = "/api/v1/creative/characters";

  it("has every field of what says little, and no message that is not there", async () => {
    const outline = create(OutlineResponseSchema, { outline: { chapters: [{}], storyArc: {} } });
    const answer = await aiServiceApp(() => outline).post("/api/v1/creative/outline", { task: "写", project_id: "p" });
    expect(answer.text).toBe(
      '{"outline":{"title":"","genre":"","core_theme":"","target_audience":"","estimated_total_words":0,' +
        '"chapters":[{"chapter_id":0,"title":"","summary":"","key_events":[],"characters_involved":[],' +
        '"conflict_type":"","emotional_tone":"","estimated_word_count":0,"chapter_goal":"","cliffhanger":""}],' +
        '"story_arc":{"setup":[],"rising_action":[],"climax":[],"falling_action":[],"resolution":[]}},' +
        '"execution_time":0,"provider":"ai-service"}',
    );
  });

  it("has lists of lists where the contract has messages around them, also empty ones", async () => {
    const cast = create(CharactersResponseSchema, {
      characters: {
        characters: [{ name: "林青羽" }],
        relationshipNetwork: {
          alliances: [{ members: ["林青羽", "沈灯"] }, {}],
          conflicts: [{ parties: ["夜行人"] }],
          mentorships: [{ mentor: "沈灯", student: "林青羽" }],
        },
      },
      executionTime: 10.4,
    });
    const answer = await aiServiceApp(() => cast).post(characters, { task: "写", project_id: "p" });
    expect(answer.text).toContain(
      '"relationship_network":{"alliances":[["林青羽","沈灯"],[]],"conflicts":[["夜行人"]],' +
        '"mentorships":[{"mentor":"沈灯","student":"林青羽"}]}},"execution_time":10.4,',
    );
  });

  it.each([
    ["lists", [["甲", "乙"], []], [["丙"]]],
    ["messages", [{ members: ["甲", "乙"] }, {}], [{ parties: ["丙"] }]],
  ])("takes %s for them", async (_, alliances, conflicts) => {
    const app = aiServiceApp(() => create(OutlineResponseSchema));
    const network = { relationship_network: { alliances, conflicts } };
    await app.post("/api/v1/creative/plot", { task: "写", characters: network });
    expect(app.asked.map(({ message }) => at(message, "characters", "relationshipNetwork"))).toMatchObject([
      { alliances: [{ members: ["甲", "乙"] }, { members: [] }], conflicts: [{ parties: ["丙"] }] },
    ]);
  });

  it.each([[["甲"]], [[[1]]], ["甲"], [{ members: 1 }]])("takes nothing else for them: %j", async (alliances) => {
    const network = { relationship_network: { alliances } };
    const app = aiServiceApp(() => create(OutlineResponseSchema));
    const answer = await app.post("/api/v1/creative/plot", { task: "写", characters: network });
    expect([answer.status, app.asked]).toEqual([400, []]);
  });

  it("has floats as the decimals that they were meant to be, and null for none", async () => {
    const scores = [8.1, 0.1, 1 / 3, 16777216, 1e-7, 0, -2.5, Number.NaN, Number.POSITIVE_INFINITY];
    const found = create(RAGQueryResponseSchema, { results: scores.map((score) => ({ score })) });
    const answer = await aiServiceApp(() => found).post("/api/v1/ai/rag/query", { query: "青羽", project_id: "p" });
    const written = [...answer.text.matchAll(/"score":([^,]*)/g)].map(([, score]) => score);
    expect(written).toEqual(["8.1", "0.1", "0.33333334", "16777216", "1e-7", "0", "-2.5", "null", "null"]);
  });

  it("has a workflow's times by their stages", async () => {
    const workflow = create(CreativeWorkflowResponseSchema, {
      outline: { chapters: [{}] },
      executionTimes: { outline: 8.1, characters: 10.4 },
    });
    const app = aiServiceApp(() => workflow);
    const answer = await app.post("/api/v1/ai/creative/workflow", { task: "写", project_id: "p" });
    expect(answer.text).toContain('"execution_times":{"outline":8.1,"characters":10.4},"tokens_used":0,"provider"');
  });
});
