import { Hono } from "hono";
import { afterEach, describe, expect, it, vi } from "vitest";
import { onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { ownId } from "./support/ids.ts";
import { at } from "./support/json.ts";
import { type Kind, provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { completion } from "./upstreams/openai-answers.ts";
import { goodText } from "./upstreams/texts.ts";

const kinds: readonly Kind[] = ["openai", "connect", "grpc-web"];
const both = kinds.flatMap((kind) => [false, true].map((stream) => ({ kind, stream })));

describe.concurrent("an answer to another request", () => {
  it.each(both)("is discarded and falls back: $kind, stream $stream", async ({ kind, stream }) => {
    const [first, second] = [upstream("turns:echo|echo:of-another-request"), upstream("ok")];
    const { ask } = gateway([provider("first", kind, first), provider("second", "openai", second)]);
    expect((await ask({ stream })).attempts).toBe("first:ok");
    const { status, content, attempts, log } = await ask({ stream });
    expect([status, content, attempts]).toEqual([200, goodText, "first:mismatched, second:ok"]);
    expect(log.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ message: "alarm", provider: "first", reason: "mismatched" }),
    );
  });

  it.each(kinds)("is told by no id of a provider that has ids of its own: %s", async (kind) => {
    const { ask } = gateway([provider("first", kind, upstream("turns:echo:req_1|echo:req_2|ok"))]);
    for (const _ of [1, 2, 3]) expect((await ask()).attempts).toBe("first:ok");
  });

  it("is not what an error without our id is", async () => {
    const { ask } = gateway([provider("first", "openai", upstream("turns:echo|html:503|echo"))]);
    await ask();
    expect((await ask()).attempts).toBe("first:unavailable, first:ok");
  });
});

/** A provider that answers with the id that the test makes of ours, on a clock that the test moves. */
function naming() {
  vi.useFakeTimers({ toFake: ["Date"] });
  const seen: string[] = [];
  const state = { idFor: (sent: string) => sent, status: 200 };
  const network = new Hono().post("/v1/chat/completions", (c) => {
    const sent = c.req.header("x-request-id") ?? "";
    seen.push(sent);
    return Response.json(completion("好"), { status: state.status, headers: { "x-request-id": state.idFor(sent) } });
  });
  const app = testApp({ network, settings: onlyOpenAi });
  return {
    seen,
    state,
    ask: async (requestId: string) => {
      const body = { messages: [{ role: "user", content: "问" }] };
      const headers = { "cache-control": "no-store", "x-request-id": requestId };
      const answer = await app.post("/v1/chat/completions", body, headers);
      return {
        ...answer,
        attempts: answer.headers.get("x-qingyu-attempts"),
        requestId: answer.headers.get("x-request-id"),
      };
    },
  };
}

describe("the id that a provider is sent", () => {
  afterEach(() => void vi.useRealTimers());

  it("is of the gateway's own for each attempt, and in the log, and not the caller's", async () => {
    const { ask, seen, state } = naming();
    state.status = 503;
    const { log, requestId } = await ask("req-7");
    const line: unknown = JSON.parse(log.at(-1) ?? "");
    const logged = [0, 1].map((attempt) => at(line, "attempts", attempt, "upstreamRequestId"));
    expect([requestId, at(line, "requestId")]).toEqual(["req-7", "req-7"]);
    expect(logged).toEqual(seen);
    expect([seen, new Set(seen).size]).toEqual([[ownId, ownId], 2]);
  });

  it("lets no caller teach the gateway what the provider says anyway", async () => {
    const { ask, state } = naming();
    state.idFor = () => "req_1";
    for (const id of ["req_1", "req_2", "req_1"]) expect((await ask(id)).attempts).toBe("openai:ok");
  });

  it("opens no breaker where it is not in the answer, and binds for a minute after it was", async () => {
    const { ask, state } = naming();
    await ask("req-1");
    state.idFor = () => crypto.randomUUID();
    for (let turn = 0; turn < 25; turn++) expect((await ask("req-2")).attempts).toBe("openai:mismatched");
    vi.setSystemTime(Date.now() + 59_000);
    expect((await ask("req-3")).attempts).toBe("openai:mismatched");
    vi.setSystemTime(Date.now() + 2_000);
    expect((await ask("req-4")).attempts).toBe("openai:ok");
  });
});
