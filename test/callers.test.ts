import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { fakeOpenAi, onlyOpenAi, sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { bearer, secret, signed } from "./support/tokens.ts";

/** The user whom a token names, and the one whom a body does: which of them counts where. */

const { method } = AIService;
const keys = { GATEWAY_API_KEYS: `keyed:${await sha256Hex("k")}`, JWT_SECRET: secret };
const serviceOnly = { ...keys, PYTHON_AI_SERVICE_URL: "http://ai.test", AI_PROVIDERS: "ai-service" };
const tokenOf = async (user: string, more = {}) => bearer(await signed({ claims: { user_id: user, ...more } }));
const fresh = { "cache-control": "no-store" };
const token = await tokenOf("u-1");
const key = bearer("k");

interface Heard {
  readonly tenant: string | undefined;
  readonly header: string | undefined;
  readonly body: string | undefined;
}

/** An AI service that keeps on whose behalf it was asked. */
function service() {
  const heard: Heard[] = [];
  const network = new Hono().post("/qingyu.ai.AIService/:method", async (c) => {
    const name = c.req.param("method");
    const bytes = new Uint8Array(await c.req.arrayBuffer());
    const note = (body: string | undefined) =>
      heard.push({ tenant: c.req.header("x-qingyu-tenant"), header: c.req.header("x-qingyu-user-id"), body });
    const answer = (answered: Uint8Array) => c.body(answered.slice(), 200, { "content-type": "application/proto" });
    switch (name) {
      case "GenerateContent": {
        note(fromBinary(method.generateContent.input, bytes).userId);
        const { output } = method.generateContent;
        return answer(toBinary(output, create(output, { content: "好", model: "m", finishReason: "stop" })));
      }
      case "EmbedText": {
        note(undefined);
        const { output } = method.embedText;
        return answer(toBinary(output, create(output, { embeddings: [{ vector: [1], dimension: 1 }] })));
      }
      case "ExecuteAgent": {
        note(fromBinary(method.executeAgent.input, bytes).parameters.user_id);
        const { output } = method.executeAgent;
        return answer(toBinary(output, create(output, { status: "completed", result: "好" })));
      }
      case "GenerateOutline": {
        note(fromBinary(method.generateOutline.input, bytes).userId);
        const { output } = method.generateOutline;
        return answer(toBinary(output, create(output, { outline: { chapters: [{ chapterId: 1 }] } })));
      }
      default: {
        note(undefined);
        const { output } = method.queryKnowledge;
        return answer(toBinary(output, create(output, { results: [{ content: "好" }] })));
      }
    }
  });
  const { post } = testApp({ network, settings: serviceOnly });
  const ask = async (path: string, body: object, headers: Record<string, string>) =>
    await post(path, body, { ...fresh, ...headers });
  return { heard, post: ask };
}

const rpc = (name: string) => `/qingyu.ai.AIService/${name}`;
const messages = [{ role: "user", content: "问" }];

describe("the AI service is asked on behalf of", () => {
  it.each<[string, string, object, object]>([
    ["a chat", "/v1/chat/completions", { messages }, { user: "forged" }],
    ["the platform's text", "/api/v1/ai/generate", { projectId: "p", prompt: "问" }, {}],
    ["GenerateContent", rpc("GenerateContent"), { projectId: "p", prompt: "问" }, { userId: "forged" }],
    ["ExecuteAgent", rpc("ExecuteAgent"), { workflowType: "w" }, { parameters: { user_id: "forged", more: "1" } }],
    ["GenerateOutline", rpc("GenerateOutline"), { task: "t" }, { userId: "forged" }],
  ])("the token's user, whomever the body names: %s", async (_, path, body, forged) => {
    for (const sent of [body, { ...body, ...forged }]) {
      const { heard, post } = service();
      const answer = await post(path, sent, { ...token, "x-qingyu-user-id": "forged", "x-qingyu-tenant": "forged" });
      expect([answer.status, heard]).toEqual([200, [{ tenant: "qingyu", header: "u-1", body: "u-1" }]]);
    }
  });

  it.each([
    [rpc("EmbedText"), { texts: ["问"] }],
    ["/v1/embeddings", { input: "问", user: "forged" }],
    [rpc("QueryKnowledge"), { query: "问" }],
  ])("the token's user where the message has no place for one: %s", async (path, body) => {
    const { heard, post } = service();
    const answer = await post(path, body, token);
    expect([answer.status, heard]).toEqual([200, [{ tenant: "qingyu", header: "u-1", body: undefined }]]);
  });

  it.each<[string, object, string | undefined]>([
    ["/v1/chat/completions", { messages, user: "named" }, "named"],
    ["/v1/chat/completions", { messages }, undefined],
    [rpc("GenerateOutline"), { task: "t", userId: "named" }, "named"],
    [rpc("GenerateOutline"), { task: "t" }, undefined],
    [rpc("ExecuteAgent"), { workflowType: "w", parameters: { user_id: "named" } }, "named"],
  ])("whom the body names, for a key: %s %j", async (path, body, user) => {
    const { heard, post } = service();
    expect((await post(path, body, key)).status).toBe(200);
    expect(heard).toMatchObject([{ tenant: "keyed", header: user }]);
    expect(heard[0]?.body || undefined).toBe(user);
  });

  it.each([
    ["用户/1", "%E7%94%A8%E6%88%B7%2F1"],
    ["a@b.example", "a@b.example"],
    // Else it could not be told from the one whose name is written so.
    ["100%", "100%25"],
    ["%E7%94%A8", "%25E7%2594%25A8"],
  ])("%s, in a header as %s", async (user, header) => {
    const { heard, post } = service();
    await post(rpc("EmbedText"), { texts: ["问"] }, await tokenOf(user));
    expect(heard).toMatchObject([{ header }]);
  });
});

describe("OpenAI is told", () => {
  it("the token's user in the place of another, and none where the body names none", async () => {
    for (const [user, told] of [
      ["forged", "u-1"],
      [undefined, undefined],
    ]) {
      const { network, seen } = fakeOpenAi();
      const { post } = testApp({ network, settings: { ...onlyOpenAi, ...keys } });
      await post("/v1/chat/completions", { messages, user }, { ...fresh, ...token });
      await post("/v1/embeddings", { input: "问", model: "text-embedding-3-small", user }, { ...fresh, ...token });
      expect(seen.map((body) => body.user)).toEqual([told, told]);
    }
  });
});

describe("answers are shared", () => {
  const caches = async (scope: string, asks: readonly [Record<string, string>, string | undefined][]) => {
    const { network } = fakeOpenAi();
    const { post } = testApp({ network, settings: { ...onlyOpenAi, ...keys, QINGYU_CACHE_SCOPE: scope } });
    const seen: unknown[] = [];
    for (const [headers, user] of asks) {
      const body = { messages: [{ role: "user", content: `分享 ${scope}` }], user };
      seen.push((await post("/v1/chat/completions", body, headers)).headers.get("x-cache"));
    }
    return seen;
  };

  it("by the users of a tenant, unless cache.scope is user: then by none, whomever they name", async () => {
    const other = await tokenOf("u-2");
    const asks: [Record<string, string>, string | undefined][] = [
      [token, undefined],
      [other, undefined],
      [other, "u-1"],
      [token, "u-2"],
      [token, undefined],
      [key, undefined],
      [key, "u-1"],
    ];
    expect(await caches("tenant", asks)).toEqual(["MISS", "HIT", "HIT", "HIT", "HIT", "MISS", "HIT"]);
    expect(await caches("user", asks)).toEqual(["MISS", "MISS", "HIT", "HIT", "HIT", "MISS", "MISS"]);
  });

  it("under an idempotency key with nobody else who chose the same", async () => {
    const { network, seen } = fakeOpenAi();
    const { post } = testApp({ network, settings: { ...onlyOpenAi, ...keys } });
    const ask = async (headers: Record<string, string>, content: string) =>
      await post(
        "/v1/chat/completions",
        { messages: [{ role: "user", content }] },
        {
          ...headers,
          "idempotency-key": "1",
          ...fresh,
        },
      );
    const mine = [await ask(token, "我的"), await ask(await tokenOf("u-2"), "你的"), await ask(token, "我的")];
    expect(mine.map(({ status, headers }) => [status, headers.get("idempotent-replayed")])).toEqual([
      [200, null],
      [200, null],
      [200, "true"],
    ]);
    expect(seen).toHaveLength(2);
    expect((await ask(token, "别的")).status).toBe(409);
  });

  it("until a key, or an administrator, has them all forgotten; a user may have one forgotten", async () => {
    const { network } = fakeOpenAi();
    const { post, send } = testApp({ network, settings: { ...onlyOpenAi, ...keys } });
    const purge = async (headers: Record<string, string>) =>
      await send("/api/v1/ai/cache", { method: "DELETE", headers });
    const refused = await purge(token);
    expect([refused.status, at(refused.json(), "code"), at(refused.json(), "error")]).toEqual([
      403,
      1003,
      "permission_denied",
    ]);
    for (const roles of [["Admin"], ["administrator"], []]) {
      expect((await purge(await tokenOf("u-1", { roles }))).status).toBe(403);
    }
    expect((await purge(await tokenOf("u-9", { roles: ["reader", "admin"] }))).status).toBe(200);
    expect((await purge(key)).status).toBe(200);
    expect((await post("/api/v1/ai/cache/purge", { messages }, token)).status).toBe(200);
  });
});
