import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  chatPath,
  chatSettings,
  chatsOf,
  person,
  promptsIn,
  sessionIn,
  sessionsPath,
  signIn,
} from "./support/chats.ts";
import { at } from "./support/json.ts";
import { provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { completion, completionChunk, event } from "./upstreams/openai-answers.ts";

/*
 * A message and its answer, written once: whatever becomes of the answer, and however often the message comes. And what is
 * left of it in the user's object.
 */

const events = { "content-type": "text/event-stream" };

/** OpenAI that fails as it is told, one after the other, and answers from then on. */
function failing(...failures: readonly ("status" | "mid")[]) {
  const seen: Record<string, unknown>[] = [];
  const network = new Hono().post("/v1/chat/completions", async (c) => {
    seen.push(await c.req.json());
    const failure = failures[seen.length - 1];
    if (failure === "status") return c.json({ error: {} }, 500);
    if (failure === undefined) return c.json(completion("全文"));
    return c.body(event(completionChunk({ content: "半" })), 200, events);
  });
  return { network, seen };
}

/** OpenAI that answers when it is told to. */
function waiting() {
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let count = 0;
  const network = new Hono().post("/v1/chat/completions", async (c) => {
    const number = ++count;
    asked.resolve();
    await go.promise;
    const { messages }: { messages: { content: string }[] } = await c.req.json();
    return c.json(completion(`答${number}：${messages.at(-1)?.content}`));
  });
  return { network, asked: asked.promise, go: go.resolve, count: () => count };
}

/** What stands in the rows of a user's object. */
async function rowsOf(user: string, table: "sessions" | "turns"): Promise<Record<string, unknown>[]> {
  return await runInDurableObject(chatsOf(user), (_, { storage }) =>
    storage.sql.exec(`select * from ${table} order by rowid`).toArray(),
  );
}

describe("an answer that breaks off", () => {
  it("is kept as far as it came and marked, and is what the next one goes on from", async () => {
    const { network, seen } = failing("mid");
    const { say, said } = await person({ network });
    const broken = await say({ message: "问", options: { stream: true } });
    expect([broken.isBroken, broken.text]).toEqual([true, expect.stringContaining("event: error\n")]);
    const { sessionId } = JSON.parse(broken.text.split("data: ")[1]?.split("\n")[0] ?? "");
    expect(await said(sessionId)).toEqual([{ user: "问" }, { assistant: "半", interrupted: true }]);
    await say({ message: "继续", sessionId });
    expect(promptsIn(seen).at(-1)).toEqual(["问", "半", "继续"]);
    expect(await said(sessionId)).toEqual([
      { user: "问" },
      { assistant: "半", interrupted: true },
      { user: "继续" },
      { assistant: "全文" },
    ]);
  });

  it("gives way to that of the same message sent again", async () => {
    const { network, seen } = failing("mid", "mid");
    const { say, said, sessions } = await person({ network });
    const stream = { options: { stream: true } };
    await say({ message: "问", ...stream });
    await say({ message: "问", ...stream });
    const answer = await say({ message: "问" });
    expect(await said(sessionIn(answer))).toEqual([{ user: "问" }, { assistant: "全文" }]);
    expect(await sessions()).toHaveLength(1);
    expect(promptsIn(seen)).toEqual([["问"], ["问"], ["问"]]);
    await say({ message: "问", sessionId: sessionIn(answer) });
    expect(promptsIn(seen).at(-1)).toEqual(["问", "全文", "问"]);
  });

  it.each([
    ["whose reader disconnects", "silent-mid"],
    ["whose reader reads no more", "silent-mid"],
    ["whose provider's connection is lost", "reset-mid"],
  ])("is kept, over a network too: %s", async (how, scenario) => {
    const back = upstream(scenario);
    const user = crypto.randomUUID();
    const { JWT_SECRET } = chatSettings;
    const { open } = gateway([provider("first", "openai", back)], { JWT_SECRET });
    const caller = new AbortController();
    const response = await open({
      surface: "qingyu",
      ...{ path: `${chatPath}/stream`, body: { message: "问" }, headers: await signIn(user), signal: caller.signal },
    });
    const reader = response.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    if (how === "whose reader disconnects") caller.abort();
    else if (how === "whose reader reads no more") await reader?.cancel();
    else await expect(drain(reader)).rejects.toThrow();
    if (scenario === "silent-mid") expect((await back.seen("left")).map(({ state }) => state)).toEqual(["left"]);
    expect(await chatsOf(user).settled(1, 10_000)).toBe(true);
    const { sessions, said } = await person({ user });
    expect(await said(at(await sessions(), 0, "id"))).toEqual([
      { user: "问" },
      { assistant: expect.stringMatching(/./), interrupted: true },
    ]);
  });
});

async function drain(reader: ReadableStreamDefaultReader | undefined): Promise<void> {
  while (reader && !(await reader.read()).done);
}

describe("a message that comes again", () => {
  it.each(["in its session", "with which a session began"])(
    "after a failure is answered in its place: %s",
    async (where) => {
      const { network, seen } = failing("status", "status");
      const { say, said, sessions, post } = await person({ network });
      const sessionId =
        where === "in its session" ? at((await post(sessionsPath, {})).json(), "data", "id") : undefined;
      const body = { message: "问", sessionId };
      const statuses = [(await say(body)).status, (await say(body)).status, (await say(body)).status];
      expect(statuses.slice(1)).toEqual([200, 200]);
      expect(statuses[0]).toBeGreaterThanOrEqual(500);
      expect(promptsIn(seen).slice(0, 3)).toEqual([["问"], ["问"], ["问"]]);
      expect(await sessions()).toHaveLength(where === "in its session" ? 1 : 2);
      const first = sessionId ?? at(await sessions(), 1, "id");
      expect((await said(first)).slice(0, 2)).toEqual([{ user: "问" }, { assistant: "全文" }]);
    },
  );

  it("under its key gets the same answer, plain or streamed, and another message does not", async () => {
    const { say, seen, said, sessions } = await person();
    const key = { "idempotency-key": "k-1" };
    const first = await say({ message: "问" }, key);
    const again = await say({ message: "问" }, key);
    const streamed = await say({ message: "问", options: { stream: true } }, key);
    const [reply, id] = [at(first.json(), "data", "message", "content"), at(first.json(), "data", "message", "id")];
    expect(again.json()).toMatchObject({
      data: { sessionId: sessionIn(first), reply, message: { id }, tokensUsed: 18 },
    });
    expect(streamed.text).toContain(`"content":"${reply}"`);
    expect(streamed.text).toContain(`"messageId":"${id}"`);
    const other = await say({ message: "别的" }, key);
    expect([other.status, other.json()]).toMatchObject([409, { error: "idempotency_key_reused" }]);
    expect(seen).toHaveLength(1);
    expect(await said(sessionIn(first))).toEqual([{ user: "问" }, { assistant: "青羽" }]);
    expect(await sessions()).toHaveLength(1);
    const another = await person();
    expect((await another.say({ message: "别的" }, key)).status).toBe(200);
    const next = await say({ message: "问", sessionId: sessionIn(first) }, { "idempotency-key": "k-2" });
    expect([next.status, (await said(sessionIn(first))).length]).toEqual([200, 4]);
  });

  it("under its key after a failure is answered in its place", async () => {
    const { network } = failing("status", "status");
    const { say, said } = await person({ network });
    const key = { "idempotency-key": "k-1" };
    expect((await say({ message: "问" }, key)).status).toBeGreaterThanOrEqual(500);
    const answer = await say({ message: "问" }, key);
    expect(await said(sessionIn(answer))).toEqual([{ user: "问" }, { assistant: "全文" }]);
  });

  it.each([undefined, { "idempotency-key": "k-1" }])(
    "while it is being answered gets that answer: %j",
    async (headers) => {
      const { network, asked, go, count } = waiting();
      const { say, said } = await person({ network });
      const first = say({ message: "问" }, headers);
      await asked;
      const second = say({ message: "问" }, headers);
      setTimeout(go, 20);
      const [one, two] = [await first, await second];
      expect([count(), at(two.json(), "data", "message", "id")]).toEqual([1, at(one.json(), "data", "message", "id")]);
      expect(await said(sessionIn(one))).toEqual([{ user: "问" }, { assistant: "答1：问" }]);
    },
  );

  it("waits for the message before it, and is answered with it in mind", async () => {
    const { network, asked, go } = waiting();
    const { say, said, post } = await person({ network });
    const sessionId = at((await post(sessionsPath, {})).json(), "data", "id");
    const first = say({ message: "甲", sessionId });
    await asked;
    const others = [say({ message: "乙", sessionId }), say({ message: "丙", sessionId })];
    setTimeout(go, 20);
    for (const answer of [await first, ...(await Promise.all(others))]) expect(answer.status).toBe(200);
    const talk = await said(sessionId);
    const asks = talk.flatMap(({ user }) => user ?? []);
    expect(asks.toSorted()).toEqual(["丙", "乙", "甲"].toSorted());
    expect(talk).toEqual(asks.flatMap((user, index) => [{ user }, { assistant: `答${index + 1}：${user}` }]));
  });

  it("does not wait longer than its time for one that is never answered", async () => {
    const { network, asked, go } = waiting();
    const { say, post } = await person({ network });
    const sessionId = at((await post(sessionsPath, {})).json(), "data", "id");
    const first = say({ message: "甲", sessionId });
    await asked;
    const late = await say({ message: "乙", sessionId }, { "x-request-timeout-ms": "50" });
    expect([late.status, late.json()]).toMatchObject([504, { error: "session_busy" }]);
    go();
    expect((await first).status).toBe(200);
  });
});

describe("what is left of it", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
  afterEach(() => void vi.useRealTimers());

  it("is nothing readable under a secret, not even of a title, nor in a log", async () => {
    const settings = { CACHE_ENCRYPTION_KEY: "one secret of at least 32 bytes..." };
    const { say, user, said, sessions } = await person({ settings });
    const answer = await say({ message: "秘密的少年" });
    const sessionId = sessionIn(answer);
    expect(await said(sessionId)).toEqual([{ user: "秘密的少年" }, { assistant: "青羽" }]);
    expect(await sessions()).toMatchObject([{ title: "秘密的少年" }]);
    const [session] = await rowsOf(user, "sessions");
    const [turn] = await rowsOf(user, "turns");
    for (const blob of [session?.title, turn?.message, turn?.answer]) {
      if (!(blob instanceof ArrayBuffer)) throw new Error("it is no blob");
      expect(new TextDecoder().decode(blob)).not.toMatch(/秘密|青羽/);
    }
    expect(JSON.stringify([session, turn, answer.log])).not.toMatch(/秘密|青羽/);
    const other = await person({ user, settings: { CACHE_ENCRYPTION_KEY: "another secret of at least 32 bytes" } });
    expect(await other.said(sessionId)).toEqual([{ user: "" }, { assistant: "" }]);
    expect(await other.sessions()).toMatchObject([{ id: sessionId, title: "新对话" }]);
  });

  it("is nothing once its session is deleted, also where it is being answered", async () => {
    const { network, asked, go } = waiting();
    const { ask, say, user, post } = await person({ network });
    const sessionId = at((await post(sessionsPath, { title: "卷" })).json(), "data", "id");
    const first = say({ message: "问", sessionId });
    await asked;
    const second = say({ message: "又问", sessionId });
    expect((await ask("DELETE", `${sessionsPath}/${sessionId}`)).status).toBe(200);
    expect((await second).status).toBe(404);
    go();
    expect((await first).status).toBe(200);
    expect([await rowsOf(user, "sessions"), await rowsOf(user, "turns")]).toEqual([[], []]);
  });

  it("goes when nobody has used it for as long as the settings say, with an alarm", async () => {
    // An alarm of the past is one of now.
    const startMs = Date.now() + 365 * 86_400_000;
    vi.setSystemTime(startMs);
    const day = 86_400_000;
    const settings = { QINGYU_CHATS_KEPT_DAYS: "2" };
    const user = crypto.randomUUID();
    const on = async (days: number) => {
      vi.setSystemTime(startMs + days * day);
      return await person({ user, settings });
    };
    const { say } = await on(0);
    expect((await say({ message: "无", sessionId: "session_of_nobody" })).status).toBe(404);
    const [old, used] = [sessionIn(await say({ message: "旧" })), sessionIn(await say({ message: "新" }))];
    const alarmAt = async () => await runInDurableObject(chatsOf(user), (_, { storage }) => storage.getAlarm());
    expect(await alarmAt()).toBe(startMs + 2 * day);
    await (await on(1)).say({ message: "还在", sessionId: used });
    vi.setSystemTime(startMs + 2 * day);
    expect(await runDurableObjectAlarm(chatsOf(user))).toBe(true);
    const { sessions } = await on(2);
    expect(await sessions()).toMatchObject([{ id: used }]);
    expect((await rowsOf(user, "turns")).map(({ session_id }) => session_id)).toEqual([used, used]);
    expect(old).not.toBe(used);
    expect(await alarmAt()).toBe(startMs + 3 * day);
    vi.setSystemTime(startMs + 3 * day);
    await runDurableObjectAlarm(chatsOf(user));
    expect([await rowsOf(user, "sessions"), await rowsOf(user, "turns"), await alarmAt()]).toEqual([[], [], null]);
  });

  it("is not what a new session begins with, long after nobody has answered it", async () => {
    const { network } = failing("status", "status");
    const user = crypto.randomUUID();
    await (await person({ network, user })).say({ message: "你好" });
    vi.setSystemTime(Date.now() + 3_600_000);
    const { say, sessions } = await person({ user });
    const sessionId = sessionIn(await say({ message: "你好" }));
    expect(await sessions()).toMatchObject([{ id: sessionId, messageCount: 2 }, { messageCount: 1 }]);
  });

  it.each([
    ["sessions", "insert into sessions (id, created_ms, updated_ms) select 's' || value, value, value from numbers"],
    [
      "bytes",
      "insert into sessions (id, created_ms, updated_ms, bytes) select 's' || value, value, value, 67108 from numbers",
    ],
  ])("is bounded: of a user's %s the least recently used go", async (_, insert) => {
    const { post, user, sessions, say } = await person();
    await sessions();
    await runInDurableObject(chatsOf(user), (_, { storage }) => {
      storage.sql.exec(
        `with recursive numbers(value) as (select 1 union all select value + 1 from numbers where value < 1001) ${insert}`,
      );
    });
    const made = at((await post(sessionsPath, {})).json(), "data", "id");
    const said = sessionIn(await say({ message: "问" }));
    const rows = await rowsOf(user, "sessions");
    expect(rows.length).toBeLessThanOrEqual(1_000);
    expect(rows.length).toBeGreaterThan(990);
    const ids = rows.map(({ id }) => id);
    expect([ids.includes("s1"), ids.includes("s1001"), ids.includes(made), ids.includes(said)]).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });

  it.each([
    ["messages", 600, 10, 500],
    ["bytes", 40, 500_000, 34],
  ])("is bounded: of a session's %s the oldest go, with their answers", async (_, count, bytes, kept) => {
    const { post, user, say, sessions } = await person();
    const sessionId = at((await post(sessionsPath, {})).json(), "data", "id");
    await runInDurableObject(chatsOf(user), (_, { storage }) => {
      storage.sql.exec(
        `with recursive numbers(value) as (select 1 union all select value + 1 from numbers where value < ?1)
         insert into turns (session_id, message_id, message, digest, asked_ms, state, attempt, lease_ms, answer_id, answer, answered_ms, about)
         select ?2, 'm' || value, x'00', 'd', value, 'answered', 'a' || value, 0, 'r' || value, zeroblob(?3), value, '{}' from numbers`,
        count,
        String(sessionId),
        bytes,
      );
    });
    expect((await say({ message: "问", sessionId })).status).toBe(200);
    const rows = await rowsOf(user, "turns");
    expect([rows.length, rows.at(-2)?.message_id]).toEqual([kept, `m${count}`]);
    expect(await sessions()).toMatchObject([{ messageCount: 2 * kept }]);
  });

  it("is counted as left by who answers it no more once his time is over", async () => {
    const { say, user, said } = await person();
    const sessionId = sessionIn(await say({ message: "甲" }));
    await runInDurableObject(chatsOf(user), (_, { storage }) => {
      storage.sql.exec(
        "update turns set state = 'pending', attempt = 'lost', answer = null, lease_ms = ?",
        Date.now() - 1,
      );
    });
    await say({ message: "甲", sessionId });
    await chatsOf(user).end({
      attempt: "lost",
      isComplete: true,
      endedMs: 1,
      answer: { sealed: new Uint8Array(), about: "{}" },
    });
    expect(await said(sessionId)).toEqual([{ user: "甲" }, { assistant: "青羽" }]);
  });
});
