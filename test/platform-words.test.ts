import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { sentences } from "../src/error-sentences.ts";
import { GatewayError } from "../src/errors.ts";
import { envelopes } from "../src/http/envelopes.ts";
import { qingyuSurface } from "../src/http/qingyu/surface.ts";
import { toGatewayError } from "../src/resilience/failures.ts";
import { peerReasons, UpstreamFailure, wireReasons } from "../src/upstream-failure.ts";
import { fakeOpenAi, onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { membersOf, objectsIn, operations } from "./support/openapi.ts";

const generate = "/api/v1/ai/generate";
const good = { projectId: "p", prompt: "继续写" };
const english = { "accept-language": "en-US,en;q=0.9" };
const isChinese = (text: unknown) => /\p{Script=Han}/u.test(String(text));

describe("the sentences", () => {
  /** What is made of the parameter, in either language. */
  const ofParam = new Set(["field", "about", "param"]);
  const valuesIn = (text: string) =>
    [...text.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name).filter((name) => !ofParam.has(name));

  it.each(Object.entries(sentences))("%s", (said, inChinese) => {
    expect(inChinese).toMatch(/\p{Script=Han}.*(。|\{about\})$/u);
    // Why a setting is wrong is told in English, where all of them are told.
    expect(valuesIn(inChinese).toSorted()).toEqual(
      valuesIn(said)
        .filter((name) => name !== "reason")
        .toSorted(),
    );
  });
});

describe("an error below /api/", () => {
  const closed = { ...onlyOpenAi, GATEWAY_API_KEYS: `a:${"0".repeat(64)}`, ENVIRONMENT: "production" };
  const post = (body: unknown, headers: Record<string, string> = {}, path = generate) => ({
    path,
    init: {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    },
  });
  const deep = `${"[".repeat(101)}${"]".repeat(101)}`;
  const noBody = (path: string, method = "GET") => ({ path, init: { method, headers: {} } });

  it.each([
    ["missing", post({ prompt: "x" }), 400, "字段 'projectId' 缺失。", "The field 'projectId' is missing."],
    [
      "blank",
      post({}, {}, "/api/v1/ai/writing/continue"),
      400,
      "字段 'projectId' 缺失。",
      "The field 'projectId' is missing.",
    ],
    [
      "a type",
      post({ ...good, options: { maxTokens: 1.5 } }),
      400,
      "字段 'options.maxTokens' 必须是整数。",
      "The field 'options.maxTokens' must be a whole number.",
    ],
    [
      "a text",
      post({ ...good, projectId: 7 }),
      400,
      "字段 'projectId' 必须是字符串。",
      "The field 'projectId' must be a string.",
    ],
    [
      "one of several types",
      post({ messages: [{ role: "user", content: "x" }], stop: 1 }, {}, "/api/v1/ai/cache/purge"),
      400,
      "字段 'stop' 必须是字符串或数组。",
      "The field 'stop' must be a string or an array.",
    ],
    [
      "a value",
      post({ ...good, options: { temperature: 3 } }),
      400,
      "字段 'options.temperature' 不能大于 2。",
      "The field 'options.temperature' must be at most 2.",
    ],
    [
      "a small value",
      post({ ...good, options: { topP: -1 } }),
      400,
      "字段 'options.topP' 不能小于 0。",
      "The field 'options.topP' must be at least 0.",
    ],
    [
      "an empty text",
      noBody("/api/v1/ai/rag/search?query="),
      400,
      "字段 'query' 至少要有 1 个字符。",
      "The field 'query' must be at least 1 characters long.",
    ],
    [
      "a choice",
      post({ projectId: "p", documentId: "d", mode: "sing" }, {}, "/api/v1/ai/story/generate"),
      400,
      "字段 'mode' 只能是以下之一：continue, rewrite, suggest。",
      "The field 'mode' must be one of continue, rewrite, suggest.",
    ],
    [
      "both",
      post({ ...good, messages: [{ role: "user", content: "x" }] }),
      400,
      "'prompt' 和 'messages' 只能发送其中之一。",
      "Send 'prompt' or 'messages', not both.",
    ],
    [
      "a limit under the caller's name",
      post({ ...good, options: { maxTokens: 131_073 } }),
      400,
      "字段 'options.maxTokens' 不能大于 131072（limits.max_tokens）。",
      "The field 'options.maxTokens' must be at most 131072 (limits.max_tokens).",
    ],
    [
      "too long a text",
      post({ ...good, prompt: "长".repeat(400_001) }),
      413,
      "文本超过 400000 个字符（limits.prompt_chars），请缩短。（字段 'prompt'）",
      "The prompt is longer than 400000 characters (limits.prompt_chars).",
    ],
    ["no object", post("[]"), 400, "请求体必须是对象。", "The body must be an object."],
    ["no JSON", post("{"), 400, "请求体不是有效的 JSON。", "The body is not valid JSON."],
    ["deep JSON", post(deep), 400, "请求体嵌套超过 100 层。", "The body is nested more than 100 levels deep."],
    [
      "another type",
      post("x", { "content-type": "text/plain" }),
      415,
      "请以 'content-type: application/json' 发送 JSON。",
      "Send JSON as 'content-type: application/json'.",
    ],
    [
      "a header",
      post(good, { "x-request-timeout-ms": "soon" }),
      400,
      "请求头 'x-request-timeout-ms' 必须是正整数。",
      "The header 'x-request-timeout-ms' must be a positive whole number.",
    ],
    [
      "a large body",
      post(good, { "content-length": "99999999" }),
      413,
      "请求体超过 4194304 字节（limits.body_bytes）。",
      "The body is larger than 4194304 bytes (limits.body_bytes).",
    ],
    [
      "a query",
      noBody("/api/v1/ai/rag/search?query=a&topK=101"),
      400,
      "字段 'topK' 不能大于 100。",
      "The field 'topK' must be at most 100.",
    ],
    [
      "a query that is not there",
      noBody("/api/v1/ai/rag/search"),
      400,
      "字段 'query' 缺失。",
      "The field 'query' is missing.",
    ],
    [
      "an RPC's field",
      post({ project_id: "p" }, {}, "/api/v1/creative/outline"),
      400,
      "字段 'task' 缺失。",
      "The field 'task' is missing.",
    ],
    [
      "an RPC's type",
      post({ project_id: "p", task: 7 }, {}, "/api/v1/creative/outline"),
      400,
      "字段 'task' 的类型不对。",
      "The field 'task' is not of its type.",
    ],
    ["a method", noBody("/api/v1/admin/quota/u", "DELETE"), 405, "请求方法不对，请使用 GET或PUT。", "Use GET or PUT."],
    [
      "a path",
      noBody("/api/v1/nothing"),
      404,
      "路径不存在。平台的路径以 '/api/v1' 开头；OpenAI 客户端的基础地址是本主机的 '/v1'（'https://host/v1'）。",
      expect.stringContaining("There is nothing at this path."),
    ],
    [
      "nobody's right",
      noBody("/api/v1/admin/quota/u"),
      403,
      "此操作需要本租户的管理员（角色 'admin'）身份。",
      "This takes a token of this tenant with the role 'admin'.",
    ],
    [
      "what only a cache could answer",
      post(good, { "cache-control": "only-if-cached" }),
      504,
      "缓存中没有回答。",
      "There is no answer in the cache.",
    ],
  ])("%s", async (_, { path, init }, status, inChinese, inEnglish) => {
    const app = testApp();
    const [plain, foreign] = [await app.send(path, init), await app.send(path, withHeaders(init, english))];
    expect([plain.status, at(plain.json(), "message")]).toEqual([status, inChinese]);
    expect([foreign.status, at(foreign.json(), "message")]).toEqual([status, inEnglish]);
    const same = { message: "", timestamp: 0, request_id: "" };
    expect({ ...Object(foreign.json()), ...same }).toEqual({ ...Object(plain.json()), ...same });
    expect([plain, foreign].map(({ headers }) => headers.get("content-language"))).toEqual(["zh", "en"]);
    expect(plain.headers.get("vary")).toMatch(/accept-language/);
  });

  it.each([
    ["nobody", {}, 401, "请登录，或以 'Authorization: Bearer <key>' 发送 API 密钥。"],
    ["a key of nobody's", { authorization: "Bearer x" }, 401, "API 密钥无效。"],
  ])("tells %s", async (_, headers, status, message) => {
    const answer = await testApp({ settings: closed }).send(generate, { method: "POST", headers });
    expect([answer.status, answer.json()]).toMatchObject([status, { code: 1002, message }]);
  });

  it("tells that nothing works, and where to read why", async () => {
    const settings = { ...onlyOpenAi, QINGYU_LIMITS_BODY_BYTES: "many" };
    const answer = await testApp({ settings }).post(generate, good);
    const message = expect.stringMatching(/^网关的设置项 limits\.body_bytes .*有误.*\/health\/ready/);
    expect([answer.status, answer.json()]).toMatchObject([503, { code: 5002, error: "config_error", message }]);
    expect(answer.headers.get("vary")).toBe("accept-language");
  });

  it("is English everywhere else", async () => {
    const answer = await testApp().post("/v1/chat/completions", { model: "m" }, { "accept-language": "zh-CN" });
    expect(at(answer.json(), "error", "message")).toBe("The field 'messages' is missing.");
    expect([answer.headers.get("vary"), answer.headers.get("content-language")]).toEqual([null, null]);
  });

  it("has nothing of a provider's in it", async () => {
    const network = new Hono().post("/v1/chat/completions", (c) =>
      c.json({ error: { message: "secret of 10.0.0.7", code: "context_length_exceeded", param: "messages" } }, 400),
    );
    const answer = await testApp({ network }).post(generate, { ...good, prompt: "长文" });
    const message = "请求超出了模型的上下文长度，请缩短文本。（字段 'prompt'）";
    expect([answer.status, answer.json()]).toMatchObject([400, { code: 1001, param: "prompt", message }]);
    expect(answer.text).not.toMatch(/secret|10\.0/);
  });
});

describe("the reader's language", () => {
  it.each([
    [undefined, "zh"],
    ["", "zh"],
    ["*", "zh"],
    ["zh-CN,zh;q=0.9,en;q=0.8", "zh"],
    ["en;q=0.8,zh-TW;q=0.9", "zh"],
    ["fr", "zh"],
    ["en;q=0", "zh"],
    ["*, en;q=0.5", "zh"],
    ["english", "zh"],
    [',;q=,"', "zh"],
    ["en", "en"],
    ["EN-gb", "en"],
    ["en-US,en;q=0.9,zh;q=0.8", "en"],
    ["fr-FR, en;q=0.8, zh;q=0.7", "en"],
    ["zh;q=0, en", "en"],
  ])("of %j is %s", async (accepted, language) => {
    const headers = accepted === undefined ? undefined : { "accept-language": accepted };
    const answer = await testApp().send("/api/v1/nothing", { headers });
    expect(answer.headers.get("content-language")).toBe(language);
    expect(isChinese(at(answer.json(), "message"))).toBe(language === "zh");
  });
});

describe("successes", () => {
  const outline = { task: "写", projectId: "p" };
  it.each([
    ["POST", generate, good, "操作成功", "Done"],
    ["POST", "/api/v1/ai/writing/continue", { projectId: "p", currentText: "雨" }, "续写成功", "Continued"],
    ["POST", "/api/v1/creative/outline", outline, "操作成功", "Done"],
    ["POST", "/api/v1/ai/cache/purge", good, "操作成功", "Done"],
    ["GET", "/api/v1/ai/models", undefined, "获取成功", "Found"],
    ["GET", "/api/v1/ai/providers", undefined, "获取成功", "Found"],
    ["GET", "/api/v1/ai/quota", undefined, "获取成功", "Found"],
    ["GET", "/api/v1/ai/health", undefined, "服务正常", "The service is well"],
  ])("%s %s", async (method, path, body, inChinese, inEnglish) => {
    const { network } = fakeOpenAi();
    const sent = { method, headers: { "content-type": "application/json" }, body: body && JSON.stringify(body) };
    const app = testApp({ network });
    const [plain, foreign] = [await app.send(path, sent), await app.send(path, withHeaders(sent, english))];
    expect([plain.status, at(plain.json(), "message")]).toEqual([200, inChinese]);
    expect([foreign.status, at(foreign.json(), "message")]).toEqual([200, inEnglish]);
    expect(plain.headers.get("vary")).toMatch(/accept-language/);
  });
});

describe("a stream's error", () => {
  const cut = new Hono().post("/v1/chat/completions", () => {
    const chunk = JSON.stringify({
      id: "c",
      model: "m",
      choices: [{ index: 0, delta: { content: "青" }, finish_reason: null }],
    });
    return new Response(`data: ${chunk}\n\n`, { headers: { "content-type": "text/event-stream" } });
  });

  it.each([
    [generate, { ...good, prompt: "断", options: { stream: true } }],
    ["/api/v1/ai/writing/continue/stream", { projectId: "p", currentText: "断" }],
  ])("of %s", async (path, body) => {
    const said = async (headers: Record<string, string>) => {
      const { text, isBroken } = await testApp({ network: cut }).post(path, body, headers);
      const data: unknown = JSON.parse(/event: error\ndata: (.*)\n\n$/.exec(text)?.[1] ?? "null");
      return { isBroken, code: at(data, "code"), message: at(data, "message"), error: at(data, "error") };
    };
    const failed = { isBroken: true, code: 5004 };
    const [inChinese, inEnglish] = ["AI 服务的回答中途断开。", "The AI provider's answer ended too early."];
    expect(await said({})).toEqual({ ...failed, message: inChinese, error: inChinese });
    expect(await said(english)).toEqual({ ...failed, message: inEnglish, error: inEnglish });
  });
});

describe("what the platform's clients make of an error", () => {
  const request = new Request("http://gateway");
  const told = async (error: GatewayError) => {
    const response = qingyuSurface.errorResponse(error, { request, requestId: "r" });
    return { status: response.status, body: await response.json() };
  };
  /** After these they log their user out, whatever the status; and after any 401. */
  const loggingOut = [1002, 1103];
  const kinds = Object.keys(envelopes).map((kind) => [
    kind,
    new GatewayError(kind as keyof typeof envelopes, "The gateway failed."),
  ]);
  const failures = [
    ...peerReasons.map((reason) => UpstreamFailure.peer(reason, { param: "stop" })),
    ...wireReasons.map((reason) => UpstreamFailure.wire(reason)),
  ].map((failure) => [failure.message, toGatewayError(failure)]);

  it.each([...kinds, ...failures] as [string, GatewayError][])("%s", async (_, error) => {
    const { status, body } = await told(error);
    const isCredential = error.kind === "unauthenticated";
    expect([status === 401, loggingOut.includes(Number(at(body, "code")))]).toEqual([isCredential, isCredential]);
    expect(isChinese(at(body, "message"))).toBe(true);
  });

  it("only a token that has expired is renewed", async () => {
    const expired = new GatewayError("unauthenticated", "The token has expired.", { code: "token_expired" });
    expect(await told(expired)).toMatchObject({ status: 403, body: { code: 1102 } });
  });
});

it("the description shows all errors of the platform's routes as they are told", () => {
  const examples = operations
    .filter(({ path }) => path.startsWith("/api/"))
    .flatMap(({ operation }) => membersOf(at(operation, "responses")))
    .flatMap(([, response]) => [...objectsIn(response)])
    .flatMap(({ value }) =>
      "request_id" in value && "message" in value && typeof value.message === "string" ? [value.message] : [],
    );
  expect(examples.length).toBeGreaterThan(100);
  expect(examples.filter((message) => !isChinese(message))).toEqual([]);
});

function withHeaders<Init extends { readonly headers?: Record<string, string> }>(init: Init, headers: object) {
  return { ...init, headers: { ...init.headers, ...headers } };
}
