import { fromBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { AIService, EmbedRequestSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { aiServiceEmbedder, embeddingApp, listOf, openAiEmbedder, vectorsFor } from "./support/embedders.ts";
import { at } from "./support/json.ts";

/** None of them has a short binary form; one needs nine digits; the last two differ in their last bit only. */
const awkward = [0.1, 0.0100800395, 16_777_215, 1e-45, 3.4028234e38, -0.3, 0.33333334, 0.33333337];
const float32 = Float32Array.from(awkward);

describe("POST /v1/embeddings", () => {
  it("answers in OpenAI's form", async () => {
    const { embed } = embeddingApp([openAiEmbedder("one", ["m"])]);
    const answer = await embed({ model: "m", input: ["夜雨", "青羽"] });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(answer.json()).toEqual({
      object: "list",
      data: [
        { object: "embedding", index: 0, embedding: [1, 0.5] },
        { object: "embedding", index: 1, embedding: [2, 0.5] },
      ],
      model: "embedding-upstream",
      usage: { prompt_tokens: 5, total_tokens: 5 },
    });
    expect(answer.headers.get("x-qingyu-provider")).toBe("one");
    expect(answer.headers.get("x-qingyu-attempts")).toBe("one:ok");
  });

  it("says null where the cost is not known, and the model that was asked for where none is named", async () => {
    const { embed } = embeddingApp([
      openAiEmbedder("one", ["m"], () => listOf([[1]], { usage: undefined, model: "" })),
    ]);
    expect((await embed({ model: "m", input: "夜雨" })).json()).toMatchObject({ model: "m", usage: null });
  });

  it("writes one log line, which holds no text", async () => {
    const { embed } = embeddingApp([openAiEmbedder("one", ["m"])]);
    const { log } = await embed({ model: "m", input: ["夜雨", "青羽"] });
    expect(log).toHaveLength(1);
    expect(JSON.parse(log[0] ?? "")).toMatchObject({
      operation: "embed",
      route: "/v1/embeddings",
      model: "embedding-upstream",
      provider: "one",
      attempts: [{ provider: "one", outcome: "ok" }],
      usage: { promptTokens: 5, totalTokens: 5, cached: false },
      stream: false,
      status: 200,
    });
    expect(log[0]).not.toContain("夜雨");
  });

  const forms: readonly [form: string, input: unknown, sent: unknown][] = [
    ["a text", "夜雨", ["夜雨"]],
    ["a list of texts", ["夜雨", " "], ["夜雨", " "]],
    ["a list of tokens", [0, 99_999], [[0, 99_999]]],
    ["a list of lists of tokens", [[1, 2], [3]], [[1, 2], [3]]],
  ];
  it.each(forms)("takes %s", async (_, input, sent) => {
    const { embed, bodies } = embeddingApp([openAiEmbedder("one", ["m"])]);
    expect((await embed({ model: "m", input })).status).toBe(200);
    expect(await bodies("one")).toEqual([{ model: "m", input: sent }]);
  });

  it.each(["float", "base64"] as const)(
    "gives the official SDK every bit of a float32: %s",
    async (encoding_format) => {
      const { fetch } = embeddingApp([openAiEmbedder("one", ["m"], () => listOf([awkward]))]);
      const client = new OpenAI({
        apiKey: "any",
        baseURL: "http://localhost/v1",
        maxRetries: 0,
        fetch: async (url, init) => await fetch(String(url), init),
        defaultHeaders: { "cache-control": "no-store" },
      });
      for (const more of [{}, { encoding_format }]) {
        const { data } = await client.embeddings.create({ model: "m", input: "夜雨", ...more });
        const embedding: unknown = data[0]?.embedding;
        const numbers =
          typeof embedding === "string"
            ? new Float32Array(Uint8Array.fromBase64(embedding).buffer)
            : Float32Array.from(embedding as number[]);
        expect(numbers).toEqual(float32);
      }
    },
  );

  it("writes numbers short, and base64 in little-endian float32", async () => {
    const { embed } = embeddingApp([openAiEmbedder("one", ["m"], () => listOf([[0.1, -0.3, 0.33333334]]))]);
    expect((await embed({ model: "m", input: "x" })).text).toContain('"embedding":[0.1,-0.30000001,0.33333334]');
    const answer = await embed({ model: "m", input: "x", encoding_format: "base64" });
    expect(at(answer.json(), "data", 0, "embedding")).toBe("zczMPZqZmb6rqqo+");
  });

  it("sends a large answer whole, as it is read", async () => {
    const vector = Array.from({ length: 3072 }, (_, index) => Math.fround(index / 7));
    const { embed } = embeddingApp([openAiEmbedder("one", ["m"], ({ input }) => listOf(input.map(() => vector)))]);
    const answer = await embed({ model: "m", input: Array.from({ length: 90 }, String) });
    expect(answer.headers.get("content-length")).toBeNull();
    const data = at(answer.json(), "data") as { index: number; embedding: number[] }[];
    expect(data.map(({ index }) => index)).toEqual(Array.from({ length: 90 }, (_, index) => index));
    for (const { embedding } of data) expect(embedding.map(Math.fround)).toEqual(vector);
    expect(JSON.parse(answer.log[0] ?? "")).toMatchObject({ responseBytes: answer.text.length, status: 200 });
  });

  const bad: readonly [body: Record<string, unknown>, param: string, code: string][] = [
    [{}, "input", "missing_field"],
    [{ input: null }, "input", "invalid_value"],
    [{ input: "" }, "input", "invalid_value"],
    [{ input: [] }, "input", "invalid_value"],
    [{ input: {} }, "input", "invalid_value"],
    [{ input: ["a", ""] }, "input[1]", "invalid_value"],
    [{ input: ["a", 1] }, "input[1]", "invalid_value"],
    [{ input: [1, "a"] }, "input[1]", "invalid_value"],
    [{ input: [1, -1] }, "input[1]", "invalid_value"],
    [{ input: [1.5] }, "input[0]", "invalid_value"],
    [{ input: [[1], []] }, "input[1]", "invalid_value"],
    [{ input: [[1], [2, null]] }, "input[1][1]", "invalid_value"],
    [{ input: Array.from({ length: 2049 }, () => "a") }, "input", "invalid_value"],
    [{ input: "a", model: "" }, "model", "invalid_value"],
    [{ input: "a", dimensions: 0 }, "dimensions", "invalid_value"],
    [{ input: "a", dimensions: 1.5 }, "dimensions", "invalid_value"],
    [{ input: "a", encoding_format: "hex" }, "encoding_format", "invalid_value"],
    [{ input: "a", user: 7 }, "user", "invalid_value"],
  ];
  it.each(bad)("refuses %j and names the field", async (body, param, code) => {
    const { embed, visits } = embeddingApp([openAiEmbedder("one", ["m"])]);
    const answer = await embed({ model: "m", ...body });
    expect([answer.status, at(answer.json(), "error")]).toMatchObject([400, { param, code }]);
    expect(visits).toEqual([]);
  });

  it("counts the characters of all inputs, and each token as one", async () => {
    const { embed } = embeddingApp([openAiEmbedder("one", ["m"])], { QINGYU_LIMITS_PROMPT_CHARS: "6" });
    const statusOf = async (input: unknown) => {
      const answer = await embed({ model: "m", input });
      return [answer.status, at(answer.json(), "error", "param")];
    };
    expect(await statusOf(["🪶🪶🪶", "夜雨青"])).toEqual([200, undefined]);
    expect(await statusOf(["🪶🪶🪶", "夜雨青羽"])).toEqual([413, "input"]);
    expect(
      await statusOf([
        [1, 2, 3],
        [4, 5, 6],
      ]),
    ).toEqual([200, undefined]);
    expect(await statusOf([1, 2, 3, 4, 5, 6, 7])).toEqual([413, "input"]);
  });
});

describe("EmbedText", () => {
  const transports = [
    ["Connect", createConnectTransport],
    ["gRPC-Web", createGrpcWebTransport],
  ] as const;
  describe.each(transports)("over %s", (protocol, transportOf) => {
    it.each([true, false])("answers in order: binary %s", async (useBinaryFormat) => {
      const { fetch, bodies } = embeddingApp([
        openAiEmbedder("one", ["m"], ({ input }) => listOf(input.map(() => awkward))),
      ]);
      const baseUrl = "http://localhost";
      const client = createClient(
        AIService,
        transportOf({ baseUrl, useBinaryFormat, fetch: (url, init) => fetch(String(url), init) }),
      );
      const texts = [`夜雨 ${protocol} ${useBinaryFormat}`, "青羽"];
      const { embeddings } = await client.embedText({ texts, model: "m" });
      const expected = { vector: [...float32], dimension: awkward.length };
      expect(embeddings.map(({ vector, dimension }) => ({ vector, dimension }))).toEqual([expected, expected]);
      expect((await bodies("one"))[0]).toEqual({ model: "m", input: texts });
    });
  });

  const path = "/qingyu.ai.AIService/EmbedText";

  it("takes the gateway's model where none is named", async () => {
    const { post, visits } = embeddingApp([aiServiceEmbedder()]);
    const answer = await post(path, { texts: ["夜雨，无名"] });
    expect(answer.json()).toEqual({ embeddings: [{ vector: [1, 0.5], dimension: 2 }] });
    const sent = fromBinary(EmbedRequestSchema, new Uint8Array((await visits[0]?.request.arrayBuffer()) ?? []));
    expect(sent).toMatchObject({ texts: ["夜雨，无名"], model: "BAAI/bge-large-zh-v1.5" });
  });

  it.each([
    [{ texts: [] }, "invalid_argument", "'texts'"],
    [{ texts: ["a", ""] }, "invalid_argument", "'texts[1]'"],
    [{ texts: Array.from({ length: 2049 }, () => "a") }, "invalid_argument", "'texts'"],
    [{ texts: ["a"], model: "m".repeat(257) }, "invalid_argument", "'model'"],
    [{ texts: ["a"], model: "nobody's" }, "not_found", "model"],
    [{ texts: ["a".repeat(11)] }, "resource_exhausted", "limits.prompt_chars"],
  ])("refuses %j", async (message, code, named) => {
    const { post, visits } = embeddingApp([aiServiceEmbedder()], { QINGYU_LIMITS_PROMPT_CHARS: "2050" });
    const small = embeddingApp([aiServiceEmbedder()], { QINGYU_LIMITS_PROMPT_CHARS: "10" });
    const answer = await (code === "resource_exhausted" ? small.post : post)(path, message);
    expect(answer.json()).toMatchObject({ code, message: expect.stringContaining(named) });
    expect([...visits, ...small.visits]).toEqual([]);
  });

  it("answers what the other surface has cached", async () => {
    const { post, visits } = embeddingApp([aiServiceEmbedder()]);
    const input = ["一份缓存"];
    await post("/v1/embeddings", { input });
    const again = await post(path, { texts: input });
    expect([again.headers.get("x-cache"), visits.length]).toEqual(["HIT", 1]);
    expect(again.json()).toEqual({ embeddings: vectorsFor(input).map((vector) => ({ vector, dimension: 2 })) });
  });
});
