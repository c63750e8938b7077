import { create, toBinary } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { operations } from "./support/openapi.ts";
import { testRuns } from "./support/test-runs.ts";
import { type Kind, provider, type Upstream, upstream } from "./support/upstream.ts";
import { type Ask, gateway } from "./support/worker-on-sockets.ts";
import { protoResponse } from "./support/writers.ts";
import { goodText } from "./upstreams/texts.ts";

/*
 * How long the platform's clients are made to wait: they leave after a while, so that a plain answer that comes later than
 * `deadlines.plain_ms` would be read by nobody.
 */

/** Enough to come to the provider on a machine that does much else. */
const plainMs = 500;
const hurried = { QINGYU_DEADLINES_PLAIN_MS: String(plainMs) };
const project = { projectId: "p" };

interface Plain {
  readonly name: string;
  readonly kind: Kind;
  readonly ask: Ask;
}

/** What other providers than an AI service over Connect are asked for. */
const ofOthers: readonly Plain[] = (
  [
    ["openai", "/api/v1/ai/generate", { ...project, prompt: "写" }],
    ["grpc-web", "/api/v1/ai/generate", { ...project, prompt: "写" }],
    ["openai", "/api/v1/ai/writing/summarize", { content: "夜雨。" }],
    ["grpc-web", "/api/v1/ai/writing/summarize", { content: "夜雨。" }],
    ["openai", "/api/v1/creative/outline", { task: "写", project_id: "p" }],
  ] as const
).map(([kind, path, body]) => ({ name: `${path} of ${kind}`, kind, ask: { path, body } }));

/** All that a client of the platform may ask for whose answer comes whole, as the API's description has it. */
const plain: readonly Plain[] = operations.flatMap(({ path, method, operation }): Plain[] => {
  const mayBeLate = path.startsWith("/api/v1/") && at(operation, "responses", "504") !== undefined;
  if (!mayBeLate || at(operation, "responses", "200", "content", "application/json") === undefined) return [];
  const kind = "connect";
  if (method === "get") return [{ name: path, kind, ask: { path: `${path}?projectId=p&query=x`, method: "GET" } }];
  const examples = Object.entries(Object(at(operation, "requestBody", "content", "application/json", "examples")));
  return examples.flatMap(([name, example]) => {
    const body = Object(at(example, "value"));
    return at(body, "options", "stream") ? [] : [{ name: `${path} (${name})`, kind, ask: { path, body } }];
  });
});

function only(kind: Kind, scenario: string, settings: Readonly<Record<string, string>> = hurried) {
  const first = upstream(scenario);
  return { ...gateway([provider("first", kind, first)], settings), first };
}

// What the first request of all takes is in nobody's time.
beforeAll(async () => {
  for (const kind of ["openai", "connect", "grpc-web"] as const) await only(kind, "ok", {}).ask({ surface: "qingyu" });
});

/** Waits until those who came to an upstream are in these states, in their order. */
async function expectStates({ seen }: Upstream, states: readonly string[]): Promise<void> {
  const look = async () => expect((await seen()).map(({ state }) => state)).toEqual(states);
  await vi.waitFor(look, { timeout: 5_000 });
}

describe.concurrent("a plain answer to a client of the platform's", () => {
  it.each([...ofOthers, ...plain])("is waited for so long and no longer: $name", async ({ kind, ask: asked }) => {
    const { ask, first } = only(kind, "silent");
    const { status, events } = await ask({ surface: "qingyu", ...asked });
    expect([status, events]).toMatchObject([
      504,
      [{ code: 5002, error: "upstream_timeout", message: expect.any(String), request_id: expect.any(String) }],
    ]);
    // On a machine that does much else its time may be up before anybody is asked.
    const asking = async () => (await first.seen()).filter(({ state }) => state !== "left");
    await vi.waitFor(async () => expect(await asking()).toEqual([]), { timeout: 5_000 });
  });

  it.each([...ofOthers, ...plain])("is worked on no longer when its client leaves: $name", async (asked) => {
    const { open, first } = only(asked.kind, "silent", {});
    const client = new AbortController();
    const answer = open({ surface: "qingyu", ...asked.ask, signal: client.signal });
    await first.seen("open");
    client.abort();
    await expectStates(first, ["left"]);
    await (await answer).body?.cancel();
  });

  it.each([
    ["shortens", "100", "30000"],
    ["does not lengthen", "100000", "100"],
  ])("%s by the time that the client allows: %s ms of %s", async (_, header, limitMs) => {
    const { ask } = only("openai", "silent", { QINGYU_DEADLINES_PLAIN_MS: limitMs });
    const headers = { "x-request-timeout-ms": header };
    expect((await ask({ surface: "qingyu", headers })).status).toBe(504);
  });

  it("leaves the second provider its share of the time", async () => {
    const [first, second] = [upstream("silent"), upstream("ok")];
    const settings = { QINGYU_DEADLINES_PLAIN_MS: "1000" };
    const { ask } = gateway([provider("first", "openai", first), provider("second", "openai", second)], settings);
    const { status, content, attempts } = await ask({ surface: "qingyu" });
    expect([status, content, attempts]).toEqual([200, goodText, "first:timeout, second:ok"]);
  });
});

describe.concurrent("deadlines.plain_ms is none of", () => {
  const late = "slow:50";
  const settings = { QINGYU_DEADLINES_PLAIN_MS: "1" };
  const cases: Readonly<Record<string, Ask>> = {
    "a stream's": { surface: "qingyu", stream: true },
    "a stream's that is held back": { surface: "qingyu", stream: true, headers: { "x-qingyu-delivery": "atomic" } },
    "a stream's by its path": {
      surface: "qingyu",
      path: "/api/v1/ai/writing/continue/stream",
      body: { ...project, currentText: "夜雨。" },
    },
    "OpenAI's clients'": { surface: "openai" },
    "typed clients'": { surface: "connect" },
  };

  it.each(Object.entries(cases))("%s", async (_, asked) => {
    const { ask } = only("openai", late, settings);
    const { status, content } = await ask(asked);
    expect([status, content.startsWith(goodText)]).toEqual([200, true]);
  });
});

const outlinePath = "/api/v1/creative/outline";
const outline = (title: string) => {
  const { output } = AIService.method.generateOutline;
  return protoResponse(toBinary(output, create(output, { outline: { title, chapters: [{ title }] } })));
};

/** A network whose answers come when the test lets them. */
function held(answers: Hono) {
  const arrived = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const network = new Hono().all("*", async (c) => {
    const left = Promise.withResolvers<void>();
    c.req.raw.signal.addEventListener("abort", () => left.resolve());
    arrived.resolve();
    await Promise.race([release.promise, left.promise]);
    return await answers.fetch(c.req.raw);
  });
  return { network, arrived: arrived.promise, release: release.resolve };
}

describe("long work of the platform's", () => {
  const settings = { PYTHON_AI_SERVICE_URL: "http://ai.test", AI_PROVIDERS: "ai-service", ...hurried };
  const body = { task: "写一部小说", project_id: "p" };

  it("may take longer as events", async () => {
    const network = new Hono().post("*", async () => {
      await scheduler.wait(50);
      return outline("羽");
    });
    const app = testApp({ settings: { ...settings, QINGYU_DEADLINES_PLAIN_MS: "1" }, network });
    const answer = await app.post(outlinePath, body, { accept: "text/event-stream" });
    expect(answer.text).toMatch(/^event: result\ndata: \{.*"title":"羽"/);
  });

  it("goes on under its key when its plain caller's time is up, and is there when he comes back", async () => {
    let asked = 0;
    const { network, release } = held(new Hono().post("*", () => outline(`羽${++asked}`)));
    const headers = { "idempotency-key": crypto.randomUUID() };
    const runs = testRuns(settings, network);
    const first = await testApp({ settings, network, runs: runs.objects }).post(outlinePath, body, headers);
    expect([first.status, first.json()]).toMatchObject([504, { code: 5002 }]);
    release();
    await runs.over(1);
    const again = await testApp({ settings, network, runs: runs.objects }).post(outlinePath, body, headers);
    expect([again.status, again.headers.get("idempotent-replayed"), asked]).toEqual([200, "true", 1]);
    expect(at(again.json(), "outline", "title")).toBe("羽1");
  });
});

describe("a hedge for a client of the platform's", () => {
  afterEach(() => void vi.useRealTimers());
  const settings = {
    AI_PROVIDERS: ["first", "second"].map((name) => ({
      ...{ name, type: "openai", apiKey: "k", baseUrl: `https://${name}.test/v1` },
    })),
    QINGYU_CACHE_ENABLED: "false",
    QINGYU_HEDGE_AFTER_MS: "20000",
    QINGYU_HEDGE_MAX_PERCENT: "100",
  };

  it.each([
    ["plain", "/api/v1/ai/generate", { ...project, prompt: "写" }, 5_000],
    ["a task", "/api/v1/ai/writing/summarize", { content: "夜雨。" }, 5_000],
    ["with a sooner hedge", "/api/v1/ai/generate", { ...project, prompt: "写" }, 300],
    ["streamed", "/api/v1/ai/generate", { ...project, prompt: "写", options: { stream: true } }, undefined],
    ["of OpenAI's form", "/v1/chat/completions", { messages: [{ role: "user", content: "写" }] }, undefined],
  ])("starts early enough for the most impatient of them: %s", async (_, path, body, afterMs) => {
    const asked: string[] = [];
    const { network, arrived, release } = held(new Hono());
    const noting = new Hono().all("*", async (c) => {
      asked.push(new URL(c.req.url).host);
      return await network.fetch(c.req.raw);
    });
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
    const sooner = afterMs === undefined || afterMs === 5_000 ? {} : { QINGYU_HEDGE_AFTER_MS: String(afterMs) };
    const answer = testApp({ settings: { ...settings, ...sooner }, network: noting }).post(path, body);
    await arrived;
    const waitMs = afterMs ?? 9_000;
    await vi.advanceTimersByTimeAsync(waitMs - 1);
    expect(asked).toEqual(["first.test"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toEqual(["first.test", ...(afterMs === undefined ? [] : ["second.test"])]);
    release();
    await vi.runAllTimersAsync();
    await answer;
  });
});

describe.concurrent("a task of several parts", () => {
  const path = "/api/v1/ai/writing/summarize";
  const body = { content: `${"雨".repeat(23_000)}\n`.repeat(6) };

  it.each(["openai", "connect", "grpc-web"] as const)("ends with its client, all of it: %s", async (kind) => {
    const { open, first } = only(kind, "silent", {});
    const client = new AbortController();
    const answer = open({ surface: "qingyu", path, body, signal: client.signal });
    await expectStates(first, ["open", "open", "open", "open"]);
    client.abort();
    await expectStates(first, ["left", "left", "left", "left"]);
    await (await answer).body?.cancel();
  });

  it.each(["openai", "connect", "grpc-web"] as const)("ends where one of them fails: %s", async (kind) => {
    const { ask, first } = only(kind, "turns:silent|silent|silent|html:401", {});
    expect((await ask({ surface: "qingyu", path, body })).status).toBe(502);
    await expectStates(first, ["left", "left", "left", "answered"]);
  });
});
