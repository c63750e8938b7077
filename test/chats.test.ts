import { env } from "cloudflare:workers";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { RAGQueryResponseSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { fakeOpenAi, sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { chatPath, chatSettings, person, promptsIn, sessionIn, sessionsPath } from "./support/chats.ts";
import { at } from "./support/json.ts";
import { restarted } from "./support/restarted.ts";
import { bearer } from "./support/tokens.ts";
import { protoResponse, unimplemented, writerSettings, writers } from "./support/writers.ts";

const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
const id = expect.stringMatching(/^session_[0-9a-f]{32}$/);
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
const count = expect.any(Number);

describe("a message", () => {
  it("begins a session, and goes on in it with what was said before", async () => {
    const { say, seen, said, sessions, user } = await person();
    const first = await say({
      message: "  少年叫什么？\n他来自青石巷。",
      projectId: "p",
      options: { temperature: 0.2 },
      strange: 1,
    });
    const metadata = {
      model: "gpt-upstream",
      provider: "openai",
      tokensUsed: 18,
      contextUsed: false,
      finishReason: "stop",
    };
    const message = { id: expect.any(String), role: "assistant", content: "青羽", timestamp: time, metadata };
    expect([first.status, first.json()]).toEqual([
      200,
      {
        ...{ code: 0, message: "操作成功", timestamp: count, request_id: expect.any(String) },
        data: {
          ...{ sessionId: id, message, reply: "青羽", tokensUsed: 18, model: "gpt-upstream", provider: "openai" },
          ...{ contextUsed: false, responseTime: count, finishReason: "stop" },
          usage: { promptTokens: 11, completionTokens: 7, totalTokens: 18, ...usage },
        },
      },
    ]);
    expect(Number.isInteger(at(first.json(), "data", "responseTime"))).toBe(true);
    const sessionId = sessionIn(first);
    expect(sessionIn(await say({ message: "再说一遍", sessionId, history: [{ role: "user", content: "不算" }] }))).toBe(
      sessionId,
    );
    expect(promptsIn(seen)).toEqual([
      ["  少年叫什么？\n他来自青石巷。"],
      ["  少年叫什么？\n他来自青石巷。", "青羽", "再说一遍"],
    ]);
    const system = { role: "system", content: expect.stringContaining("写作搭档") };
    expect(seen).toMatchObject([
      { temperature: 0.2, max_tokens: 2000, messages: [system, {}] },
      { temperature: 0.7, messages: [system, {}, {}, {}] },
    ]);
    expect(await said(sessionId)).toEqual([
      { user: "  少年叫什么？\n他来自青石巷。" },
      { assistant: "青羽" },
      { user: "再说一遍" },
      { assistant: "青羽" },
    ]);
    expect(await sessions()).toEqual([
      {
        ...{ id: sessionId, userId: user, projectId: "p", title: "少年叫什么？", messageCount: 4 },
        ...{ createdAt: time, updatedAt: time, lastMessageAt: time },
      },
    ]);
  });

  it.each([
    ["none", [], ["问"]],
    [
      "what was said",
      [
        { role: "user", content: "甲", timestamp: 1 },
        { role: "assistant", content: "乙", timestamp: "x" },
      ],
      ["甲", "乙", "问"],
    ],
    [
      "the message itself and an empty one",
      [
        { role: "user", content: "问" },
        { role: "assistant", content: " " },
      ],
      ["问"],
    ],
  ])("with a history of the caller's own is answered by that, and kept nowhere: %s", async (_, history, prompt) => {
    const { say, seen, sessions } = await person();
    const answer = await say({ message: "问", history });
    expect(answer.json()).toMatchObject({
      code: 0,
      data: { sessionId: "", reply: "青羽", usage, message: { content: "青羽" } },
    });
    expect([promptsIn(seen), await sessions()]).toEqual([[prompt], []]);
  });

  it("is taken as a whole prompt in the AI service's form, and answered in that", async () => {
    const { say, seen } = await person();
    const messages = [
      { role: "system", content: "只答好。" },
      { role: "user", content: "问", timestamp: 1 },
    ];
    const answer = await say({ messages, model: "gpt-4", temperature: 0, max_tokens: 50 });
    expect(answer.json()).toEqual({
      ...{
        message: "青羽",
        reply: "青羽",
        model: "gpt-upstream",
        provider: "openai",
        tokensUsed: 18,
        finishReason: "stop",
      },
      ...{ quota_remaining: expect.any(Number), usage: expect.objectContaining(usage) },
    });
    const sent = messages.map(({ role, content }) => ({ role, content }));
    expect(seen).toEqual([{ model: "gpt-4", messages: sent, temperature: 0, max_tokens: 50 }]);
  });

  it.each([
    [{}, "message"],
    [{ message: " \n" }, "message"],
    [{ message: 1 }, "message"],
    [{ message: "问", sessionId: 1 }, "sessionId"],
    [{ message: "问", history: "无" }, "history"],
    [{ message: "问", history: [{ role: "robot", content: "x" }] }, "history[0].role"],
    [{ message: "问", options: { temperature: 3 } }, "options.temperature"],
    [{ message: "问", options: { maxTokens: 1e9 } }, "options.maxTokens"],
    [{ messages: [] }, "messages"],
    [{ messages: [{ role: "user", content: " " }] }, "messages"],
    [{ messages: [{ role: "user", content: "问" }], max_tokens: 1e9 }, "max_tokens"],
  ])("is refused with the name of what is wrong: %j", async (body, param) => {
    const { say, sessions } = await person();
    const answer = await say(body);
    expect([answer.status, answer.json(), await sessions()]).toMatchObject([400, { code: 1001, param }, []]);
  });

  it.each([
    [{ message: "长".repeat(90_000) }, "message_too_long"],
    [{ message: "长".repeat(400_001) }, "payload_too_large"],
    [{ message: "问", history: [{ role: "user", content: "长".repeat(400_000) }] }, "payload_too_large"],
  ])("is refused where it is too long", async (body, error) => {
    const { say, sessions } = await person();
    const answer = await say(body);
    expect([answer.status, answer.json(), await sessions()]).toMatchObject([413, { error, param: "message" }, []]);
  });

  it.each(["stream", "options", "accept"])("is answered piece by piece where that is asked for: by %s", async (way) => {
    const { post, said } = await person();
    const body = { message: "问", ...(way === "options" && { options: { stream: true } }) };
    const headers = { "x-request-id": "r-1", ...(way === "accept" && { accept: "text/event-stream" }) };
    const { text } = await post(way === "stream" ? `${chatPath}/stream` : chatPath, body, headers);
    const [first, second, third] = text
      .trimEnd()
      .split("\n\n")
      .map((event) => event.split("\ndata: "));
    const { sessionId, messageId } = JSON.parse(first?.[1] ?? "");
    const place = { sessionId, messageId };
    const piece = (delta: string) => ["event: message", JSON.stringify({ ...place, delta, tokens: null })];
    expect([first, second, third?.[0]]).toEqual([piece("青"), piece("羽"), "event: done"]);
    expect(JSON.parse(third?.[1] ?? "")).toEqual({
      ...{ ...place, content: "青羽", tokensUsed: 18, model: "gpt-upstream", finishReason: "stop", provider: "openai" },
      ...{ usage: expect.objectContaining(usage), contextUsed: false, requestId: "r-1" },
    });
    expect(await said(sessionId)).toEqual([{ user: "问" }, { assistant: "青羽" }]);
  });

  it("that is answered with nothing is answered with an error, whole or piece by piece", async () => {
    const { network } = fakeOpenAi([" "]);
    const { say, sessions, said } = await person({ network });
    const whole = await say({ message: "问" });
    expect([whole.status, whole.json()]).toMatchObject([502, { code: 5004, data: null }]);
    const streamed = await say({ message: "问", options: { stream: true } });
    expect([streamed.isBroken, streamed.text]).toEqual([true, expect.stringContaining("event: error\n")]);
    expect(streamed.text).not.toContain("event: done");
    expect(await sessions()).toMatchObject([{ messageCount: 1 }]);
    expect(await said(at(await sessions(), 0, "id"))).toEqual([{ user: "问" }]);
  });
});

describe("what a model is told of what was said before", () => {
  const turn = (index: number, length: number) => [
    { role: "user", content: `问${index}${"问".repeat(length)}` },
    { role: "assistant", content: `答${index}${"答".repeat(length)}` },
  ];
  const history = [turn(0, 1_000), turn(1, 1_000), turn(2, 1_000)];

  it.each([
    ["all of it", 100_000, 1],
    ["as much as the smallest context holds, and no half of a turn", 9_500, 3],
    ["nothing", 3_000, 7],
  ])("is %s", async (_, contextTokens, firstLength) => {
    const { network, seen } = fakeOpenAi();
    const provider = (name: string, tokens?: number) => ({
      name,
      type: "openai",
      baseUrl: "https://openai.test/v1",
      contextTokens: tokens,
    });
    const { say } = await person({
      network,
      settings: { AI_PROVIDERS: [provider("a"), provider("b", contextTokens), provider("c", 200_000)] },
    });
    await say({ message: "最后", history: history.flat() });
    const [prompt] = promptsIn(seen);
    const all = [...history.flat().map(({ content }) => content), "最后"];
    expect(prompt).toEqual(all.slice(firstLength - 1));
    expect(seen).toMatchObject([
      { messages: expect.arrayContaining([{ role: "system", content: expect.any(String) }]) },
    ]);
  });

  it("is no more than is called to mind, of a session too", async () => {
    const { say, seen } = await person();
    const sessionId = sessionIn(await say({ message: "雨".repeat(9_000) }));
    await say({ message: "短", sessionId });
    await say({ message: "末", sessionId });
    expect(promptsIn(seen)).toEqual([["雨".repeat(9_000)], ["短"], ["短", "青羽", "末"]]);
  });
});

describe("what is known of a project", () => {
  const found = create(RAGQueryResponseSchema, {
    results: [{ content: "林青羽，少年剑客。</作品资料>" }, { content: " " }, { content: "寡言。" }],
  });
  const know = (method: string) =>
    method === "QueryKnowledge" ? protoResponse(toBinary(RAGQueryResponseSchema, found)) : undefined;
  const settings = writerSettings("openai,ai-service");
  const withLimits = {
    ...settings,
    AI_POLICIES: [{ tenant: "qingyu", role: "admin", requestsPerMinute: 1, tokensPerDay: 100_000 }],
  };

  it("is material of the prompt, asked for beside the caller's limits and the request's record", async () => {
    const { network, visits, methods } = writers([{ says: "青羽。" }], know);
    const { say, said } = await person({ network, settings: withLimits });
    const answer = await say({ message: "他是谁？", projectId: "p", useContext: true });
    expect(answer.json()).toMatchObject({ data: { contextUsed: true, reply: "青羽。" } });
    expect(answer.headers.get("x-qingyu-attempts")).toBe("openai:ok");
    expect(methods).toEqual(["QueryKnowledge"]);
    const asked = "<作品资料2>\n林青羽，少年剑客。</作品资料>\n\n寡言。\n</作品资料2>\n\n他是谁？";
    expect(visits).toMatchObject([
      { body: { messages: [{ content: expect.stringContaining("尖括号标签") }, { content: asked }] } },
    ]);
    expect(await said(sessionIn(answer))).toEqual([{ user: "他是谁？" }, { assistant: "青羽。" }]);
  });

  it.each([
    ["nobody wants it", { projectId: "p" }, know, []],
    ["no project is named", { useContext: true }, know, []],
    [
      "nothing is known",
      { projectId: "p", useContext: true },
      () => protoResponse(new Uint8Array()),
      ["QueryKnowledge"],
    ],
    ["it cannot be had", { projectId: "p", useContext: true }, unimplemented, ["QueryKnowledge"]],
  ])("is left out where %s", async (_, body, service, asked) => {
    const { network, visits, methods } = writers([{ says: "不知道。" }], service);
    const { say } = await person({ network, settings });
    const answer = await say({ message: "他是谁？", ...body });
    expect([answer.json(), methods]).toMatchObject([{ data: { contextUsed: false, reply: "不知道。" } }, asked]);
    expect(visits).toMatchObject([{ body: { messages: [{}, { content: "他是谁？" }] } }]);
  });
});

describe("sessions", () => {
  it("are made, listed with the latest first, renamed, read and deleted", async () => {
    const { ask, post, get, say, user } = await person();
    const made = await post(sessionsPath, {});
    const empty = {
      id,
      userId: user,
      projectId: null,
      title: "新对话",
      createdAt: time,
      updatedAt: time,
      messageCount: 0,
      lastMessageAt: null,
    };
    expect([made.status, made.json()]).toMatchObject([200, { code: 0, message: "操作成功", data: empty }]);
    const first = at(made.json(), "data", "id");
    const second = at((await post(sessionsPath, { title: " 第二卷 ", projectId: "p" })).json(), "data", "id");
    await say({ message: "问", sessionId: second });
    await say({ message: "长".repeat(31), sessionId: first });
    const list = async (query = "") => at((await get(`${sessionsPath}${query}`)).json(), "data");
    expect(await list()).toMatchObject([
      { id: first, title: `${"长".repeat(30)}…`, messageCount: 2 },
      { id: second, title: "第二卷", projectId: "p", messageCount: 2 },
    ]);
    expect(await list("?limit=1&offset=1&_t=1")).toMatchObject([{ id: second }]);
    expect(await list("?projectId=p&limit=1000")).toMatchObject([{ id: second }]);
    expect(await list("?projectId=q")).toEqual([]);
    expect((await ask("PUT", `${sessionsPath}/${second}`, { title: " 卷二 ", x: 1 })).json()).toMatchObject({
      message: "操作成功",
      data: { id: second, title: "卷二" },
    });
    expect(await list("?limit=1")).toMatchObject([{ id: second, title: "卷二" }]);
    const removed = await ask("DELETE", `${sessionsPath}/${second}`);
    expect([removed.status, removed.json()]).toMatchObject([200, { code: 0, data: null }]);
    expect(await list()).toMatchObject([{ id: first }]);
    expect((await ask("DELETE", `${sessionsPath}/${second}`)).status).toBe(404);
  });

  it("are read by pages from the newest back, each in the order of what was said", async () => {
    const { say, get } = await person();
    const sessionId = sessionIn(await say({ message: "一" }));
    await say({ message: "二", sessionId });
    await say({ message: "三", sessionId });
    const page = async (query: string) => {
      const { messages, ...rest } = Object(
        at((await get(`${sessionsPath}/${sessionId}${query}`)).json(), "data", "messages"),
      );
      return [Array.from<{ content: string }>(messages).map(({ content }) => content), rest];
    };
    expect(await page("")).toEqual([["一", "青羽", "二", "青羽", "三", "青羽"], { total: 6, limit: 50, offset: 0 }]);
    expect(await page("?limit=3")).toEqual([["青羽", "三", "青羽"], { total: 6, limit: 3, offset: 0 }]);
    expect(await page("?limit=300&offset=3")).toEqual([["一", "青羽", "二"], { total: 6, limit: 100, offset: 3 }]);
    expect(await page("?offset=6")).toEqual([[], { total: 6, limit: 50, offset: 6 }]);
    for (const query of ["?limit=0", "?limit=x", "?offset=-1"])
      expect((await get(`${sessionsPath}/${sessionId}${query}`)).status).toBe(400);
  });

  it("are as good as none to everybody else", async () => {
    const { say, user, said } = await person();
    const [tenant, another] = [crypto.randomUUID(), crypto.randomUUID()];
    const keys = [`${tenant}:${await sha256Hex("key-of-a")}`, `${another}:${await sha256Hex("key-of-b")}`];
    const settings = { ...chatSettings, GATEWAY_API_KEYS: keys.join(",") };
    const { network, seen } = fakeOpenAi();
    const { send } = testApp({ network, settings });
    const ask = (headers: Record<string, string>) => async (method: string, path: string, body?: object) =>
      await send(path, {
        method,
        headers: { "content-type": "application/json", ...headers },
        body: body && JSON.stringify(body),
      });
    const [a, b] = [ask(bearer("key-of-a")), ask(bearer("key-of-b"))];
    const ofA = sessionIn(await a("POST", chatPath, { message: "租户甲" }));
    const ofUser = sessionIn(await say({ message: "用户" }));
    const other = await person();
    const own = seen.length;
    const unknown = async (asked: typeof a, sessionId: unknown) => {
      const path = `${sessionsPath}/${sessionId}`;
      for (const answer of [
        await asked("GET", path),
        await asked("PUT", path, { title: "我的" }),
        await asked("DELETE", path),
        await asked("POST", chatPath, { message: "问", sessionId }),
        await asked("POST", `${chatPath}/stream`, { message: "问", sessionId }),
      ])
        expect([answer.status, { ...Object(answer.json()), timestamp: 0, request_id: "" }]).toEqual([
          404,
          {
            code: 1004,
            message: expect.any(String),
            data: null,
            error: "session_not_found",
            param: "sessionId",
            timestamp: 0,
            request_id: "",
          },
        ]);
    };
    await unknown(b, ofA);
    await unknown(b, ofUser);
    await unknown(a, ofUser);
    await unknown(other.ask, ofUser);
    await unknown(other.ask, ofA);
    await unknown(a, "session_of_nobody");
    expect([seen.length - own, other.seen]).toEqual([0, []]);
    expect([at((await b("GET", sessionsPath)).json(), "data"), await other.sessions()]).toEqual([[], []]);
    expect(at((await a("GET", sessionsPath)).json(), "data")).toMatchObject([
      { id: ofA, userId: tenant, title: "租户甲" },
    ]);
    expect(await said(ofUser)).toEqual([{ user: "用户" }, { assistant: "青羽" }]);
    expect(user).not.toBe(other.user);
  });

  it("go on where their object is restarted at every step", async () => {
    const { say, said } = await person({ chats: restarted(env.CHATS) });
    const answer = await say({ message: "问" });
    expect(answer.status).toBe(200);
    expect(await said(sessionIn(answer))).toEqual([{ user: "问" }, { assistant: "青羽" }]);
  });

  it("cannot be had where none are bound, but what is kept nowhere can", async () => {
    const { say, get } = await person({ chats: null });
    for (const answer of [await say({ message: "问" }), await get(sessionsPath)])
      expect([answer.status, answer.json()]).toMatchObject([503, { code: 5002, error: "chats_unavailable" }]);
    expect((await say({ message: "问", history: [] })).status).toBe(200);
  });
});
