import { create, type Message } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import {
  CreativeWorkflowResponseSchema,
  OutlineResponseSchema,
  StoryContextResponseSchema,
} from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { rpcs } from "../src/rpcs/rpcs.ts";
import { readBody } from "./support/body.ts";
import { aiServiceApp } from "./support/fake-ai-service.ts";
import { at } from "./support/json.ts";
import { errorOf } from "./support/rpcs.ts";
import { provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";

const outline = create(OutlineResponseSchema, { outline: { chapters: [{ title: "夜雨" }] }, executionTime: 8.1 });
const workflow = create(CreativeWorkflowResponseSchema, {
  executionId: "e",
  outline: { chapters: [{ title: "夜雨" }] },
  executionTimes: { other: 1, plot: 0, character_agent: 10.4, outline: 8.1 },
});
const story = create(StoryContextResponseSchema, { content: "雨停了。" });
const internal = () => errorOf("connect", Code.Internal, "Traceback: ValueError at 10.0.0.7");

const asEvents = { accept: "text/event-stream" };
const creative = "/api/v1/creative/outline";
const body = { task: "写一部小说", project_id: "p" };
const storyBody = { projectId: "p", documentId: "d", mode: "continue" };

/** A service that answers when it is told to, or nobody waits any more. */
function slowService() {
  const { promise, resolve } = Promise.withResolvers<Message | Response>();
  const arrived = Promise.withResolvers<AbortSignal>();
  return {
    answer: resolve,
    arrived: arrived.promise,
    service: ({ signal }: { readonly signal: AbortSignal }) => {
      arrived.resolve(signal);
      signal.addEventListener("abort", () => resolve(new Response(null, { status: 500 })));
      return promise;
    },
  };
}

const beat = ": keep-alive\n\n";
const event = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

/** What a plain caller gets. */
async function plain(service: () => Message, path: string, sent: object): Promise<unknown> {
  const answer = (await aiServiceApp(service).post(path, sent)).json();
  return at(answer, "data") ?? answer;
}

describe("long work as events", () => {
  it("is a result, with the same data as a plain answer", async () => {
    const answer = await aiServiceApp(() => outline).post(creative, body, { ...asEvents, "x-request-id": "r" });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
    expect(answer.headers.get("x-qingyu-provider")).toBe("ai-service");
    expect(answer.text).toBe(event("result", await plain(() => outline, creative, body)));
    expect(answer.isBroken).toBe(false);
    expect(JSON.parse(answer.log.at(-1) ?? "")).toMatchObject({ status: 200, provider: "ai-service" });
  });

  it("is the same without the envelope's rule, since an event has no envelope", async () => {
    const { project_id: _, ...enveloped } = body;
    const answer = await aiServiceApp(() => outline).post(creative, enveloped, asEvents);
    expect(answer.text).toBe(event("result", await plain(() => outline, creative, body)));
  });

  it("tells of each stage before its result", async () => {
    const path = "/api/v1/ai/creative/workflow";
    const answer = await aiServiceApp(() => workflow).post(path, body, asEvents);
    expect(answer.text).toBe(
      event("stage", { stage: "outline", seconds: 8.1 }) +
        event("stage", { stage: "character_agent", seconds: 10.4 }) +
        event("stage", { stage: "plot", seconds: 0 }) +
        event("stage", { stage: "other", seconds: 1 }) +
        event("result", await plain(() => workflow, path, body)),
    );
  });

  it("is a result of a story too", async () => {
    const path = "/api/v1/ai/story/generate";
    const answer = await aiServiceApp(() => story).post(path, storyBody, asEvents);
    expect(answer.text).toBe(event("result", await plain(() => story, path, storyBody)));
  });

  it.each(rpcs.flatMap(({ paths: [path], isLong, method }) => (path ? [{ path, isLong, method }] : [])))(
    "is what $path answers only where it is long: $isLong",
    async ({ path, isLong, method }) => {
      const headers = { accept: "application/json;q=0.5, TEXT/event-stream;q=0.9" };
      const least = { task: "写", query: "写", workflow_type: "写", project_id: "p" };
      const sayingAll = create(method.output, {
        status: "completed",
        result: "{}",
        outline: { chapters: [{}] },
        characters: { characters: [{}] },
        plot: { plotThreads: [{}] },
      });
      const answer = await aiServiceApp(() => sayingAll).post(`/api/v1${path}`, least, headers);
      const type = isLong ? "text/event-stream; charset=utf-8" : "application/json";
      expect([answer.status, answer.headers.get("content-type")]).toEqual([200, type]);
    },
  );

  it("is plain for who does not accept events", async () => {
    const answer = await aiServiceApp(() => outline).post(creative, body, { accept: "*/*" });
    expect(answer.headers.get("content-type")).toBe("application/json");
  });

  it("shows signs of life from one heartbeat on, then ends with the result", async () => {
    const { service, answer } = slowService();
    const { fetch } = aiServiceApp(service, { QINGYU_STREAM_HEARTBEAT_MS: "10" });
    const response = await fetch(`http://localhost${creative}`, post(body));
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (let beats = 0; beats < 3; beats++) expect(await reader?.read()).toEqual({ done: false, value: beat });
    answer(outline);
    let rest = "";
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) rest += read.value;
    expect(rest.replaceAll(beat, "")).toBe(event("result", await plain(() => outline, creative, body)));
    expect(rest.endsWith(beat)).toBe(false);
  });

  it("is refused with its own status where it fails before the first heartbeat", async () => {
    const app = aiServiceApp(internal, { QINGYU_STREAM_HEARTBEAT_MS: "5000" });
    const failed = await app.post(creative, body, asEvents);
    expect([failed.status, failed.json()]).toMatchObject([503, { code: 5002, error: "upstream_unavailable" }]);
    const refused = await app.post(creative, { project_id: "p" }, asEvents);
    expect([refused.status, refused.json()]).toMatchObject([400, { code: 1001, param: "task" }]);
  });

  it("ends abnormally with one error where it fails after that", async () => {
    const { service, answer } = slowService();
    const { fetch } = aiServiceApp(service, { QINGYU_STREAM_HEARTBEAT_MS: "10" });
    const response = await fetch(`http://localhost${creative}`, post(body, { "x-request-id": "r-1" }));
    expect(response.status).toBe(200);
    answer(internal());
    const { bytes, isBroken } = await readBody(response);
    const text = new TextDecoder().decode(bytes);
    const message = "AI 服务出错了，请稍后再试。";
    expect([text.replaceAll(beat, ""), isBroken]).toEqual([
      event("error", { code: 5002, message, error: message, requestId: "r-1" }),
      true,
    ]);
    expect(text).not.toContain("Traceback");
  });

  it("waits for its status as long as it takes where heartbeats are off", async () => {
    const settings = { QINGYU_STREAM_HEARTBEAT_MS: "0", QINGYU_DEADLINES_REQUEST_MS: "200" };
    const { service } = slowService();
    const failed = await aiServiceApp(service, settings).post(creative, body, asEvents);
    expect([failed.status, failed.json()]).toMatchObject([504, { code: 5002, error: "upstream_timeout" }]);
    const answered = await aiServiceApp(() => outline, settings).post(creative, body, asEvents);
    expect(answered.text).toMatch(/^event: result\ndata: \{.*\}\n\n$/);
  });

  it("tells of a deadline that has passed", async () => {
    const { service } = slowService();
    const settings = { QINGYU_STREAM_HEARTBEAT_MS: "20", QINGYU_DEADLINES_REQUEST_MS: "200" };
    const answer = await aiServiceApp(service, settings).post(creative, body, asEvents);
    expect([answer.status, answer.isBroken]).toEqual([200, true]);
    expect(answer.text).toMatch(/^(: keep-alive\n\n)+event: error\ndata: \{"code":5002,[^\n]*\}\n\n$/);
    expect(JSON.parse(answer.log.at(-1) ?? "")).toMatchObject({ error: "upstream_timeout" });
  });

  it("writes a result of many bytes in one piece, so that no heartbeat comes within it", async () => {
    const chapters = Array.from({ length: 3000 }, (_, index) => ({ chapterId: index, summary: "长".repeat(60) }));
    const long = create(OutlineResponseSchema, { outline: { chapters } });
    const answer = await aiServiceApp(() => long).post(creative, body, asEvents);
    expect(answer.text).toBe(event("result", await plain(() => long, creative, body)));
    expect(answer.text.length).toBeGreaterThan(500_000);
  });

  it("is replayed under its key, as events or plain", async () => {
    const app = aiServiceApp(() => workflow);
    const headers = { "idempotency-key": crypto.randomUUID() };
    const path = "/api/v1/creative/workflow";
    const first = await app.post(path, body, { ...asEvents, ...headers });
    const again = await app.post(path, body, { ...asEvents, ...headers });
    const whole = await app.post(path, body, headers);
    expect([again.headers.get("idempotent-replayed"), again.text]).toEqual(["true", first.text]);
    expect([whole.headers.get("idempotent-replayed"), whole.json()]).toEqual([
      "true",
      await plain(() => workflow, path, body),
    ]);
    expect(app.asked).toHaveLength(1);
  });
});

function post(sent: object, headers: Record<string, string> = {}): RequestInit {
  const type = { "content-type": "application/json" };
  return { method: "POST", body: JSON.stringify(sent), headers: { ...type, ...asEvents, ...headers } };
}

describe("a caller who leaves", () => {
  const paths = [
    ["/api/v1/creative/workflow", body],
    ["/api/v1/ai/agent/execute", { workflow_type: "creative", project_id: "p" }],
    ["/api/v1/ai/story/generate", storyBody],
  ] as const;

  it.each(paths)("ends the work while it waits for events: %s", async (path, sent) => {
    const { service, arrived } = slowService();
    const { fetch } = aiServiceApp(service, { QINGYU_STREAM_HEARTBEAT_MS: "10" });
    const response = await fetch(`http://localhost${path}`, post(sent));
    const signal = await arrived;
    expect(signal.aborted).toBe(false);
    await response.body?.cancel();
    await aborted(signal);
  });

  it.each(["text/event-stream", "application/json"])(
    "ends the call at the service, before its headers and amid its answer: %s",
    async (accept) => {
      for (const scenario of ["silent", "silent-body"]) {
        const [first, second] = [upstream(scenario), upstream("ok")];
        const providers = [provider("first", "connect", first), provider("second", "connect", second)];
        const { open } = gateway(providers, { QINGYU_STREAM_HEARTBEAT_MS: "50" });
        const caller = new AbortController();
        const answer = open({
          surface: "qingyu",
          path: "/api/v1/creative/outline",
          body,
          headers: { accept },
          signal: caller.signal,
        });
        await first.seen("open");
        caller.abort();
        expect((await first.seen("left")).map(({ state }) => state)).toEqual(["left"]);
        await (await answer).body?.cancel();
        expect(await second.seen()).toEqual([]);
      }
    },
  );
});

async function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (!signal.aborted) await promise;
}
