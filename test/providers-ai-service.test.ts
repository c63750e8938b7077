import { fromBinary, toJson } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { GenerateContentRequestSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { ownId } from "./support/ids.ts";
import { at } from "./support/json.ts";
import { bodyBytes, provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { goodModel, goodText, marker, type Visit } from "./upstreams/texts.ts";

const kinds = ["connect", "grpc-web"] as const;
const ways = kinds.flatMap((kind) => [false, true].map((stream) => ({ kind, stream })));

/** The request that a visit brought, in the contract's JSON. */
function messageIn(visit: Visit | undefined): unknown {
  const bytes = bodyBytes(visit);
  const isFramed = visit?.headers["content-type"] !== "application/proto";
  if (isFramed) expect([bytes[0], new DataView(bytes.buffer).getUint32(1)]).toEqual([0, bytes.byteLength - 5]);
  return toJson(
    GenerateContentRequestSchema,
    fromBinary(GenerateContentRequestSchema, bytes.subarray(isFramed ? 5 : 0)),
  );
}

describe("a request to the AI service", () => {
  const trace = "0af7651916cd43dd8448eb211c80319c";

  it.each(ways)("has the contract's path, form and metadata: $kind, stream $stream", async ({ kind, stream }) => {
    const service = upstream("ok");
    await gateway([provider("ai", kind, service)]).ask({
      stream,
      body: { user: "用户/1 🪶" },
      headers: {
        authorization: "Bearer the-callers-own",
        "x-request-id": "req-7",
        traceparent: `00-${trace}-b7ad6b7169203331-01`,
        "x-qingyu-tenant": "forged",
        "x-qingyu-user-id": "forged",
      },
    });
    const visits = await service.seen();
    expect(visits.map(({ method, path }) => [method, path])).toEqual([
      ["POST", `/qingyu.ai.AIService/${stream ? "StreamGenerateContent" : "GenerateContent"}`],
    ]);
    const form =
      kind === "grpc-web"
        ? { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" }
        : {
            "content-type": stream ? "application/connect+proto" : "application/proto",
            "connect-protocol-version": "1",
          };
    expect(visits[0]?.headers).toMatchObject({
      ...form,
      "content-length": String(bodyBytes(visits[0]).byteLength),
      authorization: `Bearer sk-${marker}`,
      "x-request-id": ownId,
      traceparent: expect.stringMatching(new RegExp(`^00-${trace}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`)),
      "x-qingyu-tenant": "development",
      "x-qingyu-user-id": "%E7%94%A8%E6%88%B7%2F1%20%F0%9F%AA%B6",
    });
  });

  it.each(kinds)(
    "has no authorization where no token is configured, and no user where none is known: %s",
    async (kind) => {
      const service = upstream("ok");
      await gateway([provider("ai", kind, service, { apiKey: undefined })]).ask({
        headers: { authorization: "Bearer the-callers-own", "x-qingyu-user-id": "forged" },
      });
      const headers = (await service.seen())[0]?.headers ?? {};
      expect([headers.authorization, headers["x-qingyu-user-id"]]).toEqual([undefined, undefined]);
    },
  );

  it.each(ways)("says everything in the contract's fields: $kind, stream $stream", async ({ kind, stream }) => {
    const service = upstream("ok");
    await gateway([provider("ai", kind, service)]).ask({
      stream,
      body: {
        model: "qwen-max",
        messages: [
          { role: "developer", content: "写小说" },
          {
            role: "user",
            name: "青羽",
            content: [
              { type: "text", text: "第一章" },
              { type: "text", text: "第二章" },
            ],
          },
          { role: "assistant", content: "从前" },
          { role: "user", content: "继续🪶" },
        ],
        max_tokens: 50,
        temperature: 0.25,
        top_p: 0.5,
        stop: ["完", "终"],
        seed: -7,
        presence_penalty: -1,
        frequency_penalty: 1.5,
        response_format: { type: "json_object" },
        user: "用户🪶",
      },
    });
    expect(messageIn((await service.seen())[0])).toEqual({
      prompt: "System: 写小说\n\nUser: 第一章\n第二章\n\nAssistant: 从前\n\nUser: 继续🪶\n\nAssistant:",
      messages: [
        { role: "system", content: "写小说" },
        { role: "user", name: "青羽", content: "第一章\n第二章" },
        { role: "assistant", content: "从前" },
        { role: "user", content: "继续🪶" },
      ],
      userId: "用户🪶",
      options: {
        model: "qwen-max",
        maxTokens: 50,
        temperature: 0.25,
        topP: 0.5,
        stop: ["完", "终"],
        seed: "-7",
        presencePenalty: -1,
        frequencyPenalty: 1.5,
        responseFormat: "json_object",
      },
    });
  });

  it.each(kinds)(
    "says the settings' values where the caller gave none, and zeros where it gave zeros: %s",
    async (kind) => {
      const service = upstream("ok");
      const { ask } = gateway([provider("ai", kind, service)]);
      await ask({ surface: "qingyu", body: { projectId: "书", chapterId: "章" } });
      await ask({ body: { temperature: 0, top_p: 0, seed: 0, presence_penalty: 0 } });
      const [plain, zeros] = await service.seen();
      expect(messageIn(plain)).toEqual({
        projectId: "书",
        chapterId: "章",
        prompt: "你好🪶",
        messages: [{ role: "user", content: "你好🪶" }],
        options: { maxTokens: 2000, temperature: expect.closeTo(0.7, 6) },
      });
      expect(messageIn(zeros)).toMatchObject({
        options: { maxTokens: 2000, topP: 0, seed: "0", presencePenalty: 0 },
      });
      expect(messageIn(zeros)).not.toHaveProperty("options.model");
    },
  );

  it.each([
    [{}, "qwen-max", "qwen-max"],
    [{ model: "mine" }, undefined, "mine"],
    [{ model: "mine", models: ["qwen-*"] }, undefined, "mine"],
    [{ model: "mine" }, "qwen-max", "mine"],
    [{ model: "mine", models: ["qwen-*"] }, "qwen-max", "qwen-max"],
    [{ model: "mine", models: ["qwen-*"] }, "gpt-4o", "mine"],
  ])("asks for a model that the service takes: %j, %s", async (rules, asked, sent) => {
    const service = upstream("ok");
    await gateway([provider("ai", "connect", service, rules)]).ask({ body: { model: asked } });
    expect(messageIn((await service.seen())[0])).toMatchObject({ options: { model: sent } });
  });
});

describe("what the AI service cannot carry", () => {
  const cases = [
    { body: { tools: [{ type: "function", function: { name: "f" } }] }, param: "tools" },
    { body: { n: 2 }, param: "n" },
    { body: { logprobs: true }, param: "logprobs" },
    { body: { response_format: { type: "json_schema", json_schema: { name: "s" } } }, param: "response_format" },
    { body: { from_the_future: 1 }, param: "from_the_future" },
    {
      body: { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:," } }] }] },
      param: "messages.content",
    },
    {
      body: { messages: [{ role: "tool", tool_call_id: "c", content: "三" }] },
      param: "messages.tool_call_id",
    },
  ];

  it.each(cases)("goes to the providers that can: $param", async ({ body }) => {
    const [service, openai] = [upstream("ok"), upstream("ok")];
    const { ask } = gateway([provider("ai", "connect", service), provider("openai", "openai", openai)]);
    const { status, attempts } = await ask({ body });
    expect([status, attempts, await service.seen()]).toEqual([200, "openai:ok", []]);
  });

  it.each(cases)("is refused by name where there is none: $param", async ({ body, param }) => {
    const service = upstream("ok");
    const { status, code, events } = await gateway([provider("ai", "connect", service)]).ask({ body });
    expect([status, code, at(events[0], "error", "param")]).toEqual([400, "unsupported_parameter", param]);
    expect(await service.seen()).toEqual([]);
  });
});

describe("an answer of the AI service", () => {
  it.each(kinds)("has no usage where the service does not know it: %s", async (kind) => {
    const { ask } = gateway([provider("ai", kind, upstream("vague"))]);
    const { events } = await ask({ surface: "qingyu", body: { options: { model: "qwen-max" } } });
    expect(at(events[0], "data")).toMatchObject({
      content: goodText,
      model: "qwen-max",
      tokensUsed: null,
      usage: null,
      finishReason: "stop",
    });
    expect(at((await ask()).events[0], "usage")).toBe(null);
  });

  it.each(kinds)("has the service's name for a model that nobody named: %s", async (kind) => {
    const { events } = await gateway([provider("ai", kind, upstream("vague"))]).ask({ surface: "qingyu" });
    expect(at(events[0], "data", "model")).toBe("ai");
  });

  it.each(kinds.flatMap((kind) => ["used", "none", "unavailable"].map((knowledge) => ({ kind, knowledge }))))(
    "tells typed clients what it made of the project's knowledge, and is kept unless that was out of reach: $kind, $knowledge",
    async ({ kind, knowledge }) => {
      const settings = { QINGYU_CACHE_ENABLED: "true" };
      for (const stream of [false, true]) {
        const service = upstream(`knowledge:${knowledge}`);
        const { ask } = gateway([provider("ai", kind, service)], settings);
        const body = { prompt: crypto.randomUUID() };
        const isKept = knowledge !== "unavailable";
        for (const status of ["MISS", isKept ? "HIT" : "MISS"]) {
          const answer = await ask({ surface: "connect", stream, body });
          const saying = answer.events.filter((event) => at(event, "knowledge") !== undefined);
          expect(saying.map((event) => at(event, "knowledge"))).toEqual([knowledge]);
          expect(saying).toEqual([answer.events[stream ? answer.events.length - 2 : 0]]);
          expect([answer.content, answer.headers.get("x-cache")]).toEqual([goodText, status]);
        }
        expect(await service.seen()).toHaveLength(isKept ? 1 : 2);
      }
    },
  );

  it.each(kinds)("has the total alone where the service knows no more: %s", async (kind) => {
    const { ask } = gateway([provider("ai", kind, upstream("total-only"))]);
    const { events } = await ask({ surface: "qingyu" });
    expect(at(events[0], "data")).toMatchObject({ model: goodModel, tokensUsed: 42, usage: null });
    expect(at((await ask()).events[0], "usage")).toBe(null);
  });

  it.each(ways)("keeps its finish reason: $kind, stream $stream", async ({ kind, stream }) => {
    const { ask } = gateway([provider("ai", kind, upstream("finish:length"))]);
    expect((await ask({ stream })).text).toContain('"finish_reason":"length"');
  });

  it.each(ways)(
    "may end by a word that nobody knows, which is logged: $kind, stream $stream",
    async ({ kind, stream }) => {
      for (const [word, logged] of [
        ["nonsense", "nonsense"],
        ["a word: or two", "unreadable"],
        ["MAX_TOKENS", undefined],
      ]) {
        const { ask } = gateway([provider("ai", kind, upstream(`finish:${word}`))]);
        const { text, attempts, log } = await ask({ stream });
        const reason = logged === undefined ? "length" : "stop";
        expect([attempts, text.includes(`"finish_reason":"${reason}"`)]).toEqual(["ai:ok", true]);
        expect(JSON.parse(log.at(-1) ?? "").unknownFinishReason).toBe(logged);
      }
    },
  );
});

describe("an AI service that lacks a method", () => {
  const methods = (visits: readonly Visit[]) => visits.map(({ path }) => path.split("/").at(-1));

  it.each(kinds)("is asked for the whole answer where it cannot stream, and not again: %s", async (kind) => {
    const service = upstream("old");
    const { ask } = gateway([provider("ai", kind, service)]);
    for (const _ of [1, 2, 3]) {
      const { status, content, attempts, events } = await ask({ stream: true });
      expect([status, content, attempts, events.at(-1)]).toEqual([200, goodText, "ai:ok", "[DONE]"]);
    }
    expect(methods(await service.seen())).toEqual([
      "StreamGenerateContent",
      "GenerateContent",
      "GenerateContent",
      "GenerateContent",
    ]);
  });

  it.each(kinds)("need not begin soon where it can only answer whole: %s", async (kind) => {
    const settings = { QINGYU_DEADLINES_FIRST_TOKEN_MS: "700" };
    const { ask } = gateway([provider("ai", kind, upstream("old:1100"))], settings);
    const { status, attempts } = await ask({ stream: true });
    expect([status, attempts]).toEqual([200, "ai:ok"]);
  });

  it.each(kinds)("is passed over for a while where it has none: %s", async (kind) => {
    const service = upstream("error:501:unimplemented");
    const { ask } = gateway([provider("ai", kind, service), provider("openai", "openai", upstream("ok"))]);
    for (const _ of [1, 2]) expect((await ask({ stream: true })).attempts).toBe("ai:unimplemented, openai:ok");
    expect((await ask()).attempts).toBe("ai:unimplemented, openai:ok");
    expect(methods(await service.seen())).toEqual(["StreamGenerateContent", "GenerateContent"]);
  });
});
