import { describe, expect, it } from "vitest";
import { browser } from "./support/clients/browser.ts";
import { dtos, enveloped } from "./support/clients/dtos.ts";
import { markedIn } from "./support/clients/ed.ts";
import { frontEnd, olderUnwrapped, type Tokens } from "./support/clients/fe.ts";
import { goDecode } from "./support/clients/go-json.ts";
import type { Reply } from "./support/clients/model.ts";
import { chapterText, platformCalls } from "./support/clients/platform-calls.ts";
import type { Send } from "./support/clients/send.ts";
import { desktopOrigins, goodReply, page, platform } from "./support/clients/setting.ts";
import { at } from "./support/json.ts";
import { signed, unixSeconds } from "./support/tokens.ts";

/* What the platform's front end and its editor send with their user's token, and what they make of what comes back. */

const tokenOf = async (user: string) => await signed({ claims: { user_id: user } });
/** Nobody's quota is touched by another one's test. */
const newToken = async () => await tokenOf(crypto.randomUUID());
const refreshed = await newToken();

/** Asks as a page of another origin than the gateway's does. */
async function ask(send: Send, { path, body, method = body ? "POST" : "GET" }: Asked, tokens?: Tokens) {
  const client = frontEnd(browser(page, send), tokens ?? { access: await newToken() });
  const outcome = await client.ask(method, path, body);
  return { ...outcome, isLoggedIn: client.isLoggedIn() };
}
interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly body?: object;
}
const asking = platformCalls.filter(({ body }) => body !== undefined);
const texts = asking.filter(({ isText }) => isText);
/** A sentence in Chinese, with no English one in it. */
const chinese = /^(?!.*[A-Za-z]+,? [A-Za-z]+).*\p{Script=Han}{2}/u;

describe.concurrent("a view of the front end's", () => {
  it.each(platformCalls)("shows what was asked for: $name", async (call) => {
    const { send, sent } = platform(goodReply);
    const outcome = await ask(send, call);
    const raw = (await sent.at(-1)?.text()) ?? "";
    expect([raw, outcome]).toEqual([raw, { data: expect.anything(), isLoggedIn: true }]);
    expect(call.view(at(outcome, "data"))).toEqual(call.shows);
    const { value, missing } = goDecode(raw, enveloped(call.data));
    expect([missing, at(value, "code"), at(value, "message")]).toEqual([[], 0, call.said]);
    expect(olderUnwrapped(JSON.parse(raw))).toEqual(expect.anything());
  });
});

describe.concurrent.each<[string, Reply]>([
  ["says 500", { status: 500 }],
  ["resets the connection", "reset"],
  ["refuses the gateway's key", { status: 401 }],
  ["has no words", ""],
])("where the first model %s", (_, first) => {
  it.each(asking)("the second one's answer is shown: $name", async (call) => {
    const { send, sent } = platform((question) => (question.provider === "first" ? first : goodReply(question)));
    const outcome = await ask(send, call);
    expect([call.view(at(outcome, "data")), outcome.isLoggedIn]).toEqual([call.shows, true]);
    expect(sent.at(-1)?.headers.get("x-qingyu-provider")).toBe("second");
  });
});

describe.concurrent.each<[string, Reply, number, number]>([
  ["says 500", { status: 500 }, 503, 5002],
  ["resets the connection", "reset", 503, 5002],
  ["refuses the gateway's key", { status: 401 }, 502, 5004],
  ["is forbidden to the gateway", { status: 403 }, 502, 5004],
])("where every model %s", (_, reply, status, code) => {
  it.each(asking)("the user is told so in Chinese, and stays logged in: $name", async (call) => {
    const { send, sent } = platform(() => reply);
    const outcome = await ask(send, call);
    const told = await sent.at(-1)?.text();
    expect([told, outcome]).toEqual([told, { shown: expect.stringMatching(chinese), isLoggedIn: true }]);
    expect([sent.at(-1)?.status, at(JSON.parse(told ?? ""), "code")]).toEqual([status, code]);
    expect(told).not.toContain("UPSTREAM-SECRET");
  });
});

describe.concurrent("where a model's words are withheld", () => {
  it.each(asking)("the user is told so in Chinese: $name", async (call) => {
    const { send, sent } = platform(() => ({ filtered: true }));
    const outcome = await ask(send, call);
    expect(outcome).toEqual({ shown: expect.stringMatching(chinese), isLoggedIn: true });
    expect(sent.at(-1)?.status).toBe(400);
  });
});

describe("a user's token", () => {
  const [call] = texts;
  if (!call) throw new Error("no calls");

  it("that has expired is renewed, and what was asked for is shown", async () => {
    const { send, sent } = platform(goodReply);
    const expired = await signed({ claims: { exp: unixSeconds() - 3_600 } });
    const outcome = await ask(send, call, { access: expired, refreshed });
    expect([call.view(at(outcome, "data")), outcome.isLoggedIn]).toEqual([call.shows, true]);
    expect(sent.filter(({ status }) => status === 403)).toHaveLength(1);
  });

  it.each<[string, Parameters<typeof signed>[0]]>([
    ["is for refreshing", { claims: { token_type: "refresh" } }],
    ["is of another issuer", { claims: { iss: "other" } }],
    ["is signed by nobody", { header: { alg: "none" } }],
    ["is not yet valid", { claims: { nbf: unixSeconds() + 3_600 } }],
  ])("that %s leads to the log-in page, before any model is asked", async (_, parts) => {
    const { send, sent, questions } = platform(goodReply);
    const outcome = await ask(send, call, { access: await signed(parts), refreshed });
    expect(outcome).toEqual({ shown: expect.stringMatching(chinese), isLoggedIn: false });
    expect([sent.at(-1)?.status, questions]).toEqual([401, []]);
  });

  it("may have no type", async () => {
    const { send } = platform(goodReply);
    const outcome = await ask(send, call, { access: await signed({ claims: { token_type: undefined } }) });
    expect(outcome.isLoggedIn).toBe(true);
  });
});

describe("who would rather read English", () => {
  it("is told in English, by the same codes", async () => {
    const english: Send = (url, sent) =>
      failing.send(url, {
        ...sent,
        headers: { ...Object.fromEntries(new Headers(sent?.headers)), "accept-language": "en-US" },
      });
    const failing = platform(() => ({ status: 500 }));
    const outcome = await ask(english, asking[0] ?? { path: "" });
    expect(outcome).toEqual({ shown: expect.stringMatching(/^[\x20-\x7e]+$/), isLoggedIn: true });
    expect(at(JSON.parse((await failing.sent.at(-1)?.text()) ?? ""), "code")).toBe(5002);
  });
});

describe("a page of an app", () => {
  it.each(desktopOrigins)("may ask and read: %s", async (origin) => {
    const { send } = platform(goodReply);
    const client = frontEnd(browser(origin, send), { access: await newToken() });
    for (const path of ["/api/v1/health", "/api/v1/ai/health", "/api/v1/ai/models"]) {
      expect(await client.ask("GET", path)).toEqual({ data: expect.anything() });
    }
    for (const { path, body } of texts)
      expect(await client.ask("POST", path, body)).toEqual({ data: expect.anything() });
    expect(await client.ask("PUT", "/api/v1/ai/chat/sessions/none", { title: "新" })).toEqual({
      shown: expect.stringMatching(chinese),
    });
    expect(await client.ask("DELETE", "/api/v1/ai/chat/sessions/none")).toEqual({
      shown: expect.stringMatching(chinese),
    });
  });

  it("that is not listed may not", async () => {
    const { send } = platform(goodReply);
    const client = frontEnd(browser("https://elsewhere.test", send), { access: await newToken() });
    await expect(client.ask("GET", "/api/v1/ai/models")).rejects.toThrow(/may not see/);
  });
});

describe("the editor", () => {
  it("marks each issue where it is told to, and looks for none", async () => {
    const { send } = platform(goodReply);
    const body = { content: `😀𠮷${chapterText}`, text: `😀𠮷${chapterText}`, contextPrompt: "x", context_prompt: "x" };
    const outcome = await ask(send, { path: "/api/v1/ai/writing/proofread", body });
    const marked = markedIn(body.content, at(outcome, "data"));
    const places = marked.map(({ range = [0, 0], isTold }) => [body.content.slice(...range), isTold]);
    expect(places).toEqual([
      ["雨声一阵紧似一阵。", true],
      ["的的", true],
    ]);
    expect(marked[1]).toMatchObject({ type: "spelling", severity: "error", suggestions: ["改一改"] });
  });
});

describe("what is kept for a user", () => {
  const { send } = platform(goodReply, { QINGYU_AUTH_JWT_TENANT_CLAIM: "tenant" });
  type Claims = Readonly<Record<string, string>>;
  const own = { tenant: "a", user_id: "u-1" };
  const others = [
    { tenant: "a", user_id: "u-2" },
    { tenant: "b", user_id: "u-1" },
  ];
  const as = async (claims: Claims, method: string, path: string, body?: object) =>
    await ask(send, { method, path, body }, { access: await signed({ claims }) });
  const nothing = { shown: expect.stringMatching(chinese), isLoggedIn: true };

  it("is an issue's suggestions, for nobody else", async () => {
    const proofread = await as(own, "POST", "/api/v1/ai/writing/proofread", { content: chapterText });
    const id = String(at(proofread, "data", "issues", 1, "id"));
    const path = `/api/v1/ai/writing/suggestions/${id}`;
    const kept = await as(own, "GET", path);
    expect(kept).toMatchObject({ data: { issueId: id, originalText: "的的", suggestions: [{ text: "改一改" }] } });
    expect(goDecode(JSON.stringify(at(kept, "data")), dtos.suggestions).missing).toEqual([]);
    for (const other of others) expect(await as(other, "GET", path)).toEqual(nothing);
  });

  it("is a check of words, for nobody else", async () => {
    const body = { content: chapterText, category: "all", customWords: ["雨声"] };
    const audit = await as(own, "POST", "/api/v1/ai/audit/sensitive-words", body);
    const path = `/api/v1/ai/audit/sensitive-words/${String(at(audit, "data", "checkId"))}`;
    const kept = await as(own, "GET", path);
    expect(kept).toMatchObject({ data: { content: chapterText, customWords: ["雨声"], matches: [{ word: "雨声" }] } });
    expect(goDecode(JSON.stringify(at(kept, "data")), dtos.keptAudit).missing).toEqual([]);
    for (const other of others) expect(await as(other, "GET", path)).toEqual(nothing);
  });

  it("is a chat, from its beginning to its deletion, for nobody else", async () => {
    const sessions = "/api/v1/ai/chat/sessions";
    const made = await as(own, "POST", sessions, {});
    const id = String(at(made, "data", "id"));
    const path = `${sessions}/${id}`;
    expect(goDecode(JSON.stringify(at(made, "data")), dtos.session).missing).toEqual([]);
    await as(own, "PUT", path, { title: "夜雨" });
    const chat = { sessionId: id, projectId: "p", message: "林远是谁？", useContext: false };
    expect(await as(own, "POST", "/api/v1/ai/chat", chat)).toMatchObject({ data: { sessionId: id } });
    const history = await as(own, "GET", `${path}?limit=50&offset=0`);
    expect(history).toMatchObject({
      data: {
        session: { id, title: "夜雨" },
        messages: { total: 2, messages: [{ role: "user", content: "林远是谁？" }, { role: "assistant" }] },
      },
    });
    expect(goDecode(JSON.stringify(at(history, "data")), dtos.history).missing).toEqual([]);
    const listed = await as(own, "GET", `${sessions}?limit=20&offset=0&_t=1`);
    expect(goDecode(JSON.stringify(at(listed, "data")), dtos.sessions).missing).toEqual([]);
    expect(at(listed, "data")).toMatchObject([{ id, title: "夜雨", messageCount: 2 }]);
    for (const other of others) {
      expect(await as(other, "GET", path)).toEqual(nothing);
      expect(await as(other, "PUT", path, { title: "x" })).toEqual(nothing);
      expect(await as(other, "DELETE", path)).toEqual(nothing);
      expect(at(await as(other, "GET", sessions), "data")).toEqual([]);
    }
    expect(await as(own, "DELETE", path)).toMatchObject({ data: null });
    expect(await as(own, "GET", path)).toEqual(nothing);
  });
});
