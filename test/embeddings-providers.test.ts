import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { EmbedRequestSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import {
  aiServiceEmbedder,
  connectError,
  embeddingApp,
  type FakeEmbedder,
  listOf,
  openAiEmbedder,
  vectorsFor,
} from "./support/embedders.ts";
import { ownId } from "./support/ids.ts";
import { at } from "./support/json.ts";
import { embeddingList } from "./upstreams/openai-answers.ts";

const attempts = (answer: { headers: Headers }) => answer.headers.get("x-qingyu-attempts");
const texts = (count: number) => Array.from({ length: count }, (_, index) => `text ${index}`);
const vectorsIn = (answer: { json: () => unknown }) =>
  (at(answer.json(), "data") as { embedding: number[] }[]).map(({ embedding }) => embedding);
const errorIn = (answer: { json: () => unknown; status: number }) => [
  answer.status,
  at(answer.json(), "error", "code"),
];

const item = (index: unknown, embedding: unknown) => ({ object: "embedding", index, embedding });
const good = openAiEmbedder("good", ["m"], ({ input }) => listOf(input.map(() => [9, 9])));

describe("a request to a provider of OpenAI's type", () => {
  it("has the gateway's key and ids", async () => {
    const { embed, visits } = embeddingApp([openAiEmbedder("one", ["m"])]);
    await embed({ model: "m", input: "x" }, { "x-request-id": "req-7", authorization: "Bearer the-callers-own" });
    const { url, method, headers } = visits[0]?.request ?? new Request("http://nobody.test");
    expect([method, url]).toEqual(["POST", "https://one.test/v1/embeddings"]);
    expect(Object.fromEntries(headers)).toMatchObject({
      authorization: "Bearer sk-one",
      "x-request-id": ownId,
      "content-type": "application/json",
    });
  });

  const bodies: readonly [what: string, asked: Record<string, unknown>][] = [
    ["nothing but what was said", {}],
    ["every member, known or not", { dimensions: 2, user: "用户", task: "retrieval", deep: [{ 键: 1 }] }],
    ["no null, and no way to write numbers", { dimensions: null, user: null, encoding_format: "base64", task: null }],
  ];
  it.each(bodies)("has %s", async (_, asked) => {
    const { embed, bodies } = embeddingApp([openAiEmbedder("one", ["m"])]);
    const answer = await embed({ model: "m", input: ["x"], ...asked });
    expect(answer.status).toBe(200);
    const { encoding_format: _format, ...rest } = asked;
    const said = Object.entries(rest).filter(([, value]) => value !== null);
    expect(await bodies("one")).toEqual([{ model: "m", ...Object.fromEntries(said), input: ["x"] }]);
  });
});

describe("a request to the AI service", () => {
  it("has texts, the model's name, ids, tenant, user and deadline", async () => {
    const { embed, visits } = embeddingApp([aiServiceEmbedder()]);
    expect((await embed({ input: ["夜雨", "青羽"], user: "用户" })).status).toBe(200);
    const { url, headers } = visits[0]?.request ?? new Request("http://nobody.test");
    expect(url).toBe("https://ai.test/qingyu.ai.AIService/EmbedText");
    expect(Object.fromEntries(headers)).toMatchObject({
      "x-qingyu-tenant": "development",
      "x-qingyu-user-id": encodeURIComponent("用户"),
      "connect-timeout-ms": expect.stringMatching(/^\d+$/),
      traceparent: expect.any(String),
    });
    const body = new Uint8Array((await visits[0]?.request.arrayBuffer()) ?? []);
    const { texts, model } = fromBinary(EmbedRequestSchema, body);
    expect({ texts, model }).toEqual({ texts: ["夜雨", "青羽"], model: "BAAI/bge-large-zh-v1.5" });
  });

  it("is named the model of the settings, or the caller's", async () => {
    const settings = { EMBEDDING_MODEL_NAME: "mine" };
    const seen: string[] = [];
    const service = aiServiceEmbedder(
      ({ model }) => {
        seen.push(model);
        return { embeddings: [{ vector: [1] }] };
      },
      { embeddingModels: ["mine", "other-*"] },
    );
    const { embed } = embeddingApp([service], settings);
    const answers = [await embed({ input: "x" }), await embed({ input: "x", model: "other-1" })];
    expect(seen).toEqual(["mine", "other-1"]);
    expect(answers.map((answer) => at(answer.json(), "model"))).toEqual(["mine", "other-1"]);
  });

  it.each([
    ["input", { input: [1, 2] }],
    ["dimensions", { input: "x", dimensions: 2 }],
    ["task", { input: "x", task: "retrieval" }],
  ])("is not made where the contract cannot say it: %s", async (param, body) => {
    const alone = embeddingApp([aiServiceEmbedder()]);
    const refused = await alone.embed(body);
    expect([refused.status, at(refused.json(), "error")]).toMatchObject([
      400,
      { code: "unsupported_parameter", param },
    ]);
    const both = embeddingApp([aiServiceEmbedder(), openAiEmbedder("one", ["BAAI/*"])]);
    expect([(await both.embed(body)).status, both.asked(), alone.asked()]).toEqual([200, ["one"], []]);
  });
});

describe("many inputs", () => {
  /** Gives each text the number in it; of the ten calls for 600 texts it answers the first one last. */
  const numbering = (name: string) => {
    let calls = 0;
    const last = Promise.withResolvers<void>();
    return openAiEmbedder(name, ["m"], async ({ input, dimensions }) => {
      if (++calls === 10 || dimensions !== undefined) last.resolve();
      if (calls === 1) await last.promise;
      return listOf(input.map((text) => [Number(String(text).split(" ")[1]), 1]));
    });
  };

  it("are asked for in calls of a bounded answer, each input once, and put together in order", async () => {
    const { embed, bodies } = embeddingApp([numbering("one")]);
    const answer = await embed({ model: "m", input: texts(600) });
    expect(vectorsIn(answer)).toEqual(texts(600).map((_, index) => [index, 1]));
    const calls = await bodies("one");
    expect(calls.map(({ input }) => input.length)).toEqual([...Array(9).fill(64), 24]);
    expect(calls.flatMap(({ input }) => input).toSorted()).toEqual(texts(600).toSorted());
    expect(at(answer.json(), "usage")).toEqual({ prompt_tokens: 50, total_tokens: 50 });
    expect(attempts(answer)).toBe("one:ok");
  });

  it("are more for a call where their vectors are asked for to be short", async () => {
    const { embed, bodies } = embeddingApp([numbering("one")]);
    await embed({ model: "m", input: texts(2048), dimensions: 2 });
    expect((await bodies("one")).map(({ input }) => input.length)).toEqual([2048]);
  });

  it("are fewer for a call where they are long", async () => {
    const { embed, bodies } = embeddingApp([openAiEmbedder("one", ["m"])]);
    expect((await embed({ model: "m", input: Array.from({ length: 5 }, () => "长".repeat(40_000)) })).status).toBe(200);
    expect((await bodies("one")).map(({ input }) => input.length)).toEqual([2, 2, 1]);
  });

  it("are split for the AI service too", async () => {
    const sizes: number[] = [];
    const service = aiServiceEmbedder(({ texts }) => {
      sizes.push(texts.length);
      return { embeddings: texts.map((text) => ({ vector: [Number(text.split(" ")[1]), 1], dimension: 2 })) };
    });
    const { embed } = embeddingApp([service]);
    const answer = await embed({ input: texts(300) });
    expect(vectorsIn(answer)).toEqual(texts(300).map((_, index) => [index, 1]));
    expect(sizes).toEqual([128, 128, 44]);
    expect(at(answer.json(), "usage")).toBeNull();
  });

  it("are asked for by three calls at once", async () => {
    const waiting: (() => void)[] = [];
    const held = openAiEmbedder("one", ["m"], async ({ input }) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return listOf(vectorsFor(input));
    });
    const answer = embeddingApp([held]).embed({ model: "m", input: texts(600) });
    for (const atOnce of [3, 3, 3, 1]) {
      await expect.poll(() => waiting.length).toBe(atOnce);
      for (const go of waiting.splice(0)) go();
    }
    expect((await answer).status).toBe(200);
  });

  it("are asked for no more once a call has failed, and what is under way is aborted", async () => {
    let calls = 0;
    let aborted = 0;
    const failing = openAiEmbedder("one", ["m"], async (_, { signal }) => {
      if (++calls === 2) return new Response("", { status: 400 });
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      aborted++;
      return new Response();
    });
    const answer = await embeddingApp([failing, good]).embed({ model: "m", input: texts(600) });
    expect(errorIn(answer)).toEqual([400, "invalid_request"]);
    expect([calls, aborted, attempts(answer)]).toEqual([3, 2, "one:invalid_request"]);
  });

  it("come from one provider only", async () => {
    const torn = openAiEmbedder("one", ["m"], ({ input }) =>
      listOf(input.includes("text 599") ? [] : input.map(() => [7, 7])),
    );
    const { embed, bodies } = embeddingApp([torn, numbering("two")]);
    const answer = await embed({ model: "m", input: texts(600) });
    expect(attempts(answer)).toBe("one:malformed, two:ok");
    expect(vectorsIn(answer)).toEqual(texts(600).map((_, index) => [index, 1]));
    const inputs = (await bodies("two")).flatMap(({ input }) => input);
    expect(inputs.toSorted()).toEqual(texts(600).toSorted());
  });

  it.each([
    ["of another dimension", () => listOf([[1, 2, 3]])],
    ["by another model", () => listOf([[1, 2]], { model: "another" })],
  ])("are no answer where one call's vectors are %s", async (_, last) => {
    const uneven = openAiEmbedder("one", ["m"], ({ input }) =>
      input.length === 1 ? last() : listOf(vectorsFor(input)),
    );
    const answer = await embeddingApp([uneven]).embed({ model: "m", input: texts(65) });
    expect([attempts(answer), ...errorIn(answer)]).toEqual(["one:malformed", 502, "upstream_bad_response"]);
  });

  it("cost what is not known where one call does not say", async () => {
    const silent = openAiEmbedder("one", ["m"], ({ input }) =>
      listOf(vectorsFor(input), input.length === 1 ? { usage: undefined } : {}),
    );
    const answer = await embeddingApp([silent]).embed({ model: "m", input: texts(65) });
    expect([answer.status, at(answer.json(), "usage")]).toEqual([200, null]);
  });
});

describe("an answer of OpenAI's type", () => {
  it("is read by its indices and in either way to write numbers", async () => {
    const base64 = new Uint8Array(Float32Array.of(1, 2).buffer).toBase64();
    const mixed = openAiEmbedder("one", ["m"], () => listOf([], { data: [item(1, base64), item(0, [3, 4])] }));
    expect(vectorsIn(await embeddingApp([mixed]).embed({ model: "m", input: ["a", "b"] }))).toEqual([
      [3, 4],
      [1, 2],
    ]);
  });

  const answers: Readonly<Record<string, unknown>> = {
    "no list": { data: {} },
    "no data": { data: undefined },
    "a vector too few": { data: [item(0, [1, 2])] },
    "a vector too many": { data: [item(0, [1]), item(1, [1]), item(2, [1])] },
    "an index twice": { data: [item(0, [1]), item(0, [1])] },
    "an index too high": { data: [item(0, [1]), item(2, [1])] },
    "no index": { data: [item(undefined, [1]), item(1, [1])] },
    "an index as text": { data: [item("0", [1]), item("1", [1])] },
    "an empty vector": { data: [item(0, [1]), item(1, [])] },
    "only empty vectors": { data: [item(0, []), item(1, [])] },
    "two dimensions": { data: [item(0, [1]), item(1, [1, 2])] },
    "text for a number": { data: [item(0, [1]), item(1, ["1"])] },
    "null for a number": { data: [item(0, [1]), item(1, [null])] },
    "a number that no float32 holds": { data: [item(0, [1]), item(1, [1e39])] },
    "no vector": { data: [item(0, [1]), item(1, null)] },
    "no base64": { data: [item(0, [1]), item(1, "@@@@")] },
    "half a number": { data: [item(0, [1]), item(1, "AAAAAAA=")] },
    "empty base64": { data: [item(0, "AAAAAA=="), item(1, "")] },
    "NaN in base64": { data: [item(0, [1]), item(1, new Uint8Array(Float32Array.of(Number.NaN).buffer).toBase64())] },
  };
  it.each(Object.entries(answers))("that has %s leads to the next provider", async (_, more) => {
    const bad = openAiEmbedder("bad", ["m"], () => listOf([], more as Record<string, unknown>));
    const answer = await embeddingApp([bad, good]).embed({ model: "m", input: ["a", "b"] });
    expect([attempts(answer), vectorsIn(answer)]).toEqual([
      "bad:malformed, good:ok",
      [
        [9, 9],
        [9, 9],
      ],
    ]);
    const alone = await embeddingApp([bad]).embed({ model: "m", input: ["a", "b"] });
    expect(errorIn(alone)).toEqual([502, "upstream_bad_response"]);
  });

  it.each([
    ["of another dimension than was asked for", () => listOf([[1, 2, 3]])],
    [
      "of another type",
      () => new Response(JSON.stringify(embeddingList([[1, 2]])), { headers: { "content-type": "text/plain" } }),
    ],
    ["that is no JSON", () => new Response("<html>", { headers: { "content-type": "text/html" } })],
    ["that is cut off", () => new Response('{"data":[', { headers: { "content-type": "application/json" } })],
  ])("%s leads to the next provider", async (_, answer) => {
    const { embed } = embeddingApp([openAiEmbedder("bad", ["m"], answer), good]);
    expect(attempts(await embed({ model: "m", input: "a", dimensions: 2 }))).toBe("bad:malformed, good:ok");
  });

  it("that is larger than 8 MiB is not read", async () => {
    const large = openAiEmbedder("bad", ["m"], () => listOf([Array.from({ length: 800_000 }, () => 0.123456789)]));
    expect(attempts(await embeddingApp([large, good]).embed({ model: "m", input: "a" }))).toBe(
      "bad:oversized, good:ok",
    );
  });
});

describe("an answer of the AI service", () => {
  const two = { vector: [1, 2], dimension: 2 };
  const next = openAiEmbedder("next", ["BAAI/*"], ({ input }) => listOf(input.map(() => [9, 9])));
  const attemptsBefore = async (service: FakeEmbedder) =>
    attempts(await embeddingApp([service, next]).embed({ input: ["a", "b"] }));

  it.each([
    ["no vectors", { embeddings: [] }],
    ["empty vectors", { embeddings: [{ dimension: 2 }, { dimension: 2 }] }],
    ["empty vectors of no dimension", { embeddings: [{}, {}] }],
    ["a vector too few", { embeddings: [two] }],
    ["a vector too many", { embeddings: [two, two, two] }],
    ["a dimension that does not match", { embeddings: [two, { vector: [1, 2], dimension: 1024 }] }],
    ["two dimensions", { embeddings: [two, { vector: [1], dimension: 1 }] }],
    ["no number", { embeddings: [two, { vector: [1, Number.NaN], dimension: 2 }] }],
  ])("that has %s leads to the next provider", async (_, answer) => {
    expect(await attemptsBefore(aiServiceEmbedder(() => answer))).toBe("ai:malformed, next:ok");
  });

  it("need not name a dimension", async () => {
    expect(await attemptsBefore(aiServiceEmbedder(() => ({ embeddings: [{ vector: [1] }, { vector: [2] }] })))).toBe(
      "ai:ok",
    );
  });

  it("that says that it has no EmbedText is remembered, and says nothing of generation", async () => {
    const { embed, asked } = embeddingApp([aiServiceEmbedder(() => connectError("unimplemented", 501)), next]);
    const answers = [await embed({ input: "a" }), await embed({ input: "b" })];
    expect(answers.map(attempts)).toEqual(["ai:unimplemented, next:ok", "ai:unimplemented, next:ok"]);
    expect(asked()).toEqual(["ai", "next", "next"]);
  });

  it("that is an exception's text is told to nobody", async () => {
    const { embed } = embeddingApp([aiServiceEmbedder(() => connectError("unknown", 500))]);
    const answer = await embed({ input: "a" });
    expect(errorIn(answer)).toEqual([503, "upstream_unavailable"]);
    expect(answer.text + answer.log.join("")).not.toMatch(/ValueError|10\.0\.0\.7/);
    // Asked once more, since it may have been a moment's weakness.
    expect(attempts(answer)).toBe("ai:internal, ai:internal");
  });
});

describe("the model that is asked for", () => {
  it("is never another one", async () => {
    const failing = openAiEmbedder("one", ["m"], () => new Response("", { status: 503 }));
    const { embed, asked } = embeddingApp([aiServiceEmbedder(), failing, openAiEmbedder("two", ["n", "mm"])]);
    const answer = await embed({ model: "m", input: "a" });
    expect(errorIn(answer)).toEqual([503, "upstream_unavailable"]);
    expect(new Set(asked())).toEqual(new Set(["one"]));
  });

  it("is the same at the next provider", async () => {
    const failing = openAiEmbedder("one", ["m"], () => new Response("", { status: 404 }));
    const { embed, bodies } = embeddingApp([failing, openAiEmbedder("two", ["*"])]);
    expect(attempts(await embed({ model: "m", input: "a" }))).toBe("one:not_found, two:ok");
    expect((await bodies("two")).map(({ model }) => model)).toEqual(["m"]);
  });

  it.each([
    ["nobody has", { model: "nobody's", input: "a" }, {}],
    ["the settings do not allow", { model: "m", input: "a" }, { QINGYU_AI_MODELS: "gpt-*" }],
    ["is the settings' own, and nobody has", { input: "a" }, {}],
  ])("is 404 where %s", async (_, body, settings) => {
    const { embed, asked } = embeddingApp([openAiEmbedder("one", ["m"])], settings);
    const answer = await embed(body);
    expect([answer.status, at(answer.json(), "error")]).toMatchObject([
      404,
      { code: "model_not_found", param: "model" },
    ]);
    expect(asked()).toEqual([]);
  });

  it("is 404 rather than what one provider cannot carry of it", async () => {
    const { embed } = embeddingApp([openAiEmbedder("one", ["m"]), aiServiceEmbedder()]);
    expect(errorIn(await embed({ model: "nobody's", input: "a", dimensions: 2 }))).toEqual([404, "model_not_found"]);
    expect(errorIn(await embed({ input: "a", dimensions: 2 }))).toEqual([400, "unsupported_parameter"]);
  });

  it("is one of OpenAI's where the settings only name OpenAI", async () => {
    const openai = openAiEmbedder("openai", []);
    const settings = { AI_PROVIDERS: "openai", OPENAI_API_KEY: "k", OPENAI_BASE_URL: "https://openai.test/v1" };
    const { embed, bodies } = embeddingApp([openai], settings);
    for (const model of ["text-embedding-3-small", "text-embedding-ada-002", "gpt-4o"])
      await embed({ model, input: "a" });
    expect((await bodies("openai")).map(({ model }) => model)).toEqual([
      "text-embedding-3-small",
      "text-embedding-ada-002",
    ]);
  });

  it("is none where a provider lists none", async () => {
    const silent = openAiEmbedder("one", ["m"]);
    const { embeddingModels: _, ...entry } = silent.entry;
    const { embed } = embeddingApp([{ ...silent, entry: { ...entry, name: "one" } }]);
    expect(errorIn(await embed({ model: "m", input: "a" }))).toEqual([404, "model_not_found"]);
  });

  it("is listed where it is no pattern", async () => {
    const { send } = embeddingApp([aiServiceEmbedder(), openAiEmbedder("one", ["m", "n-*"])]);
    const ids = (at((await send("/v1/models")).json(), "data") as { id: string }[]).map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining(["BAAI/bge-large-zh-v1.5", "m"]));
    expect(ids).not.toContain("n-*");
  });
});

describe("where any model will do (ai.any_embedding_model)", () => {
  const any = { QINGYU_AI_ANY_EMBEDDING_MODEL: "true" };
  const own = () => openAiEmbedder("two", ["b-*", "b-1"], ({ input }) => listOf(vectorsFor(input), { model: "b-1" }));

  it("a provider without the model answers by its own, and says which", async () => {
    const failing = openAiEmbedder("one", ["a"], () => new Response("", { status: 503 }));
    const { embed, bodies } = embeddingApp([failing, own()], any);
    const answer = await embed({ model: "a", input: "x" });
    expect([answer.status, at(answer.json(), "model")]).toEqual([200, "b-1"]);
    expect((await bodies("two")).map(({ model }) => model)).toEqual(["b-1"]);
    expect(JSON.parse(answer.log.at(-1) ?? "")).toMatchObject({ model: "b-1", provider: "two" });
  });

  it("a provider that has the model is asked before those in front of it that do not", async () => {
    const { embed, asked } = embeddingApp([own(), openAiEmbedder("one", ["a"])], any);
    const answer = await embed({ model: "a", input: "x" });
    expect([answer.headers.get("x-qingyu-attempts"), asked()]).toEqual(["one:ok", ["one"]]);
  });

  it("a provider that only knows patterns has none of its own", async () => {
    const { embed } = embeddingApp([openAiEmbedder("one", ["b-*"])], any);
    expect(errorIn(await embed({ model: "a", input: "x" }))).toEqual([404, "model_not_found"]);
  });

  it("keeps only what the model itself has answered", async () => {
    const { post } = embeddingApp([own()], any);
    const cacheOf = async (model: string) => {
      await post("/v1/embeddings", { model, input: "kept?" });
      return (await post("/v1/embeddings", { model, input: "kept?" })).headers.get("x-cache");
    };
    expect([await cacheOf("a"), await cacheOf("b-2")]).toEqual(["MISS", "HIT"]);
  });
});
