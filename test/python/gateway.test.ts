import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import { startWorker } from "../../bench/workerd.ts";
import { python } from "../../dev/python-environment.ts";
import { keyOf, tenants } from "../load/tenants.ts";
import { readBody } from "../support/body.ts";
import { type Upstream, upstream } from "../support/upstream.ts";
import { goodText, marker } from "../upstreams/texts.ts";
import { type PythonService, startService } from "./service.ts";

/*
 * The whole system: the gateway in workerd, the Python service, and language models on real sockets that do what the last
 * message of a request says (test/upstreams/scenarios.ts).
 */

let script: string;
let service: PythonService;
let models: Upstream;
beforeAll(async () => {
  script = buildBundle({ minify: true }).path;
  models = upstream("asked");
  service = await startService({ OPENAI_API_KEY: `sk-${marker}`, OPENAI_BASE_URL: `${models.url}/v1` });
}, 60_000);
afterAll(async () => {
  await service.close();
  expect(service.log()).not.toMatch(new RegExp(`${marker}|好的|坏的`));
}, 30_000);

const protocols = ["connect", "grpc-web"] as const;
const ways = protocols.flatMap((protocol) => [false, true].map((stream) => ({ protocol, stream })));
type Way = (typeof ways)[number];

/** A gateway of its own, since breakers remember, with the Python service first and, behind it, a model that is fine. */
async function startGateway(protocol: Way["protocol"], more: Record<string, string> = {}) {
  const worker = await startWorker({
    script,
    readyPath: "/health/live",
    bindings: {
      ENVIRONMENT: "development",
      PYTHON_AI_SERVICE_URL: service.url,
      PYTHON_AI_PROTOCOL: protocol,
      OPENAI_API_KEY: "sk-fallback",
      OPENAI_BASE_URL: `${upstream("ok").url}/v1`,
      ...more,
    },
  });
  onTestFinished(() => worker.stop());
  return `http://127.0.0.1:${worker.port}`;
}

async function embed(url: string, input: readonly string[]) {
  const answer = await fetch(`${url}/v1/embeddings`, {
    method: "POST",
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: JSON.stringify({ input }),
    signal: AbortSignal.timeout(15_000),
  });
  const { data, model, error }: EmbeddingsAnswer = await answer.json();
  return {
    status: answer.status,
    attempts: answer.headers.get("x-qingyu-attempts"),
    vectors: data?.map(({ embedding }) => embedding) ?? [],
    said: model ?? error?.code,
  };
}

interface EmbeddingsAnswer {
  readonly data?: readonly { readonly embedding: readonly number[] }[];
  readonly model?: string;
  readonly error?: { readonly code: string };
}

async function ask(url: string, { stream = false, prompt = "", headers = {}, user = {}, options = {} } = {}) {
  const answer = await fetch(`${url}/api/v1/ai/generate`, {
    method: "POST",
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
    body: JSON.stringify({ projectId: "p", prompt, options: { stream, ...options }, ...user }),
    signal: AbortSignal.timeout(15_000),
  });
  const { bytes, isBroken } = await readBody(answer);
  const text = new TextDecoder().decode(bytes);
  const deltas = [...text.matchAll(/^data: \{"delta":(".*")\}$/gm)].map(([, delta = '""']) => JSON.parse(delta));
  return {
    status: answer.status,
    attempts: answer.headers.get("x-qingyu-attempts"),
    content: stream && answer.ok ? deltas.join("") : JSON.parse(text).data?.content,
    text,
    isBroken,
  };
}

describe.each(protocols)("vectors over %s", (protocol) => {
  it("come from the service, in the order of any number of texts", async () => {
    const gateway = await startGateway(protocol);
    const texts = Array.from({ length: 300 }, (_, index) => `第${index}章 夜雨`);
    const all = await embed(gateway, texts);
    expect(all).toMatchObject({ status: 200, attempts: "ai-service:ok", said: "BAAI/bge-large-zh-v1.5" });
    for (const at of [0, 127, 128, 299]) {
      const [alone] = (await embed(gateway, texts.slice(at, at + 1))).vectors;
      expect(alone).toHaveLength(1024);
      expect(all.vectors[at]).toEqual(alone);
    }
  });

  it("are none where the service has another model", async () => {
    const token = { PYTHON_AI_TOKEN: "a-token-of-some-length-for-production" };
    const strict = { ENVIRONMENT: "production", EMBEDDING_PROVIDER: "embedded", DEFAULT_LLM_PROVIDER: "embedded" };
    const other = await startService({ ...token, ...strict });
    onTestFinished(() => other.close());
    const gateway = await startGateway(protocol, { PYTHON_AI_SERVICE_URL: other.url, ...token });
    const answer = await embed(gateway, ["夜雨"]);
    expect(answer).toMatchObject({ status: 404, attempts: "ai-service:model_not_found", said: "model_not_found" });
    const named = await startGateway(protocol, {
      PYTHON_AI_SERVICE_URL: other.url,
      ...token,
      QINGYU_AI_EMBEDDING_MODEL: "embedded",
    });
    expect(await embed(named, ["夜雨"])).toMatchObject({ status: 200, said: "embedded" });
  });
});

describe.each(ways)("over $protocol, stream $stream", ({ protocol, stream }) => {
  it("an answer of the service's language model reaches the caller", async () => {
    const answer = await ask(await startGateway(protocol), { stream, prompt: "ok" });
    expect(answer).toMatchObject({ status: 200, attempts: "ai-service:ok", content: goodText });
    expect(answer.text).toContain('"tokensUsed":18');
  });

  it.each([
    ["the model's service refuses the key", "status:401", "ai-service:permission_denied"],
    ["it limits the rate", "status:429", "ai-service:rate_limited, ai-service:rate_limited"],
    ["the account is used up", "error:429:insufficient_quota", "ai-service:quota_exhausted"],
    ["it fails", "status:500", "ai-service:unavailable, ai-service:unavailable"],
    ["it does not have the model", "status:404", "ai-service:model_not_found"],
    ["it cannot be reached", "reset", "ai-service:unavailable, ai-service:unavailable"],
    ["it answers nonsense", "garbage", "ai-service:internal, ai-service:internal"],
    ["it answers nothing", "empty", "ai-service:internal, ai-service:internal"],
    ["its answer ends too early", "unfinished-opening", "ai-service:internal, ai-service:internal"],
    ["the prompt is too long for it", "error:400:context_length_exceeded", "ai-service:context_length_exceeded"],
  ])("another provider answers where %s", async (_, prompt, attempts) => {
    const answer = await ask(await startGateway(protocol), { stream, prompt });
    expect(answer).toMatchObject({ status: 200, content: goodText });
    expect(answer.attempts).toBe(`${attempts}, openai:ok`);
  });

  it("another provider is asked for a parameter that its model does not take, and nobody is blamed", async () => {
    const gateway = await startGateway(protocol);
    for (let turn = 0; turn < 6; turn++) {
      const answer = await ask(gateway, { stream, prompt: "error:400:no.top_p", options: { topP: 0.5 } });
      expect(answer).toMatchObject({ status: 200, content: goodText });
      expect(answer.attempts).toBe("ai-service:unsupported_parameter, openai:ok");
    }
    const alone = await startGateway(protocol, { OPENAI_API_KEY: "" });
    const answer = await ask(alone, { stream, prompt: "error:400:no.top_p", options: { topP: 0.5 } });
    expect(answer).toMatchObject({ status: 400, attempts: "ai-service:unsupported_parameter" });
    expect(answer.text).toContain("unsupported_parameter");
  });

  it.each([
    ["the model's service refuses a parameter", "error:400:invalid_value", "ai-service:invalid_request"],
    ["its content filter refuses the prompt", "error:400:content_filter", "ai-service:content_filter"],
  ])("the caller is told where %s", async (_, prompt, attempts) => {
    const answer = await ask(await startGateway(protocol), { stream, prompt });
    expect(answer).toMatchObject({ status: 400, attempts });
    expect(answer.text).not.toContain(marker);
  });

  it("a model that is silent costs its share of the deadline, and is left", async () => {
    const own = upstream("asked");
    const slow = await startService({ OPENAI_API_KEY: "sk-x", OPENAI_BASE_URL: `${own.url}/v1` });
    onTestFinished(() => slow.close());
    const gateway = await startGateway(protocol, { PYTHON_AI_SERVICE_URL: slow.url });
    const headers = { "x-request-timeout-ms": "2000" };
    const answer = await ask(gateway, { stream, prompt: "silent", headers });
    expect(answer).toMatchObject({ status: 200, content: goodText });
    expect(answer.attempts).toMatch(/^ai-service:(timeout|deadline_exceeded), openai:ok$/);
    expect(await own.seen("left")).toHaveLength(1);
    await expect.poll(slow.log).toMatch(/"code": "(deadline_exceeded|canceled)"/);
  });

  it("a caller who leaves ends the model's work", async () => {
    const own = upstream("asked");
    const left = await startService({ OPENAI_API_KEY: "sk-x", OPENAI_BASE_URL: `${own.url}/v1` });
    onTestFinished(() => left.close());
    const gateway = await startGateway(protocol, { PYTHON_AI_SERVICE_URL: left.url });
    const caller = request(`${gateway}/api/v1/ai/generate`, {
      method: "POST",
      headers: { "content-type": "application/json" },
    });
    caller.on("error", () => {});
    caller.end(JSON.stringify({ projectId: "p", prompt: stream ? "silent-mid" : "silent", options: { stream } }));
    await own.seen(stream ? "stalled" : "open");
    caller.socket?.resetAndDestroy();
    expect(await own.seen("left")).toHaveLength(1);
    await expect.poll(left.log).toContain('"code": "canceled"');
  });
});

it.each(protocols)(
  "a stream that breaks in its midst ends with an error, never as a clean end: %s",
  async (protocol) => {
    const answer = await ask(await startGateway(protocol), { stream: true, prompt: "reset-mid" });
    expect([answer.status, answer.isBroken]).toEqual([200, true]);
    expect(answer.text).toMatch(/event: error\ndata: .*\n\n$/);
    expect(answer.text).not.toContain("event: done");
  },
);

describe("what a project knows", () => {
  const [own = "", other = ""] = tenants;
  const headers = (tenant: string) => ({ authorization: `Bearer ${keyOf(tenant)}` });

  it("goes from the index command into the prompts of its tenant, and of no other", async () => {
    const keys = [own, other].map((tenant) => `${tenant}:${createHash("sha256").update(keyOf(tenant)).digest("hex")}`);
    const gateway = await startGateway("connect", { GATEWAY_API_KEYS: keys.join(",") });
    const file = join(String(service.settings.MILVUS_URI), "..", "01-相遇.md");
    writeFileSync(file, "# 第一章 相遇\n\n林青羽在长安遇见老剑客，他的剑名叫听雨。\n");
    // Beside the running service, which has the knowledge base open.
    const args = ["-m", "qingyu_ai", "index", "--tenant", own, "--project", "story", file];
    const { stdout } = await promisify(execFile)(python, args, {
      env: { ENVIRONMENT: "development", ...service.settings },
    });
    expect(stdout).toContain("1/1  chapter 01-相遇: 1 passages");
    const user = {
      projectId: "story",
      messages: [
        { role: "user", content: "老剑客的剑叫什么？" },
        { role: "user", content: "ok" },
      ],
    };
    const known = await ask(gateway, { headers: headers(own), user: { ...user, prompt: undefined } });
    expect(known).toMatchObject({ status: 200, attempts: "ai-service:ok" });
    await ask(gateway, { headers: headers(other), user: { ...user, prompt: undefined } });
    const bodies = (await models.seen()).map(({ body }) => Buffer.from(body, "base64").toString());
    const asked = bodies.filter((body) => body.includes("老剑客的剑叫什么"));
    expect(asked.map((body) => body.includes("剑名叫听雨"))).toEqual([true, false]);
  });
});

describe("a service that is killed, stopped and started again under load", () => {
  it("costs no request: another provider answers meanwhile, and it is back afterwards", async () => {
    const first = await startService({ OPENAI_API_KEY: "sk-x", OPENAI_BASE_URL: `${models.url}/v1` });
    onTestFinished(() => first.close());
    const gateway = await startGateway("connect", { PYTHON_AI_SERVICE_URL: first.url });
    const headers = { "x-request-timeout-ms": "3000" };
    const round = async () => {
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, index) => ask(gateway, { stream: index % 2 === 0, prompt: "ok", headers })),
      );
      expect(answers.map(({ status, content }) => [status, content])).toEqual(answers.map(() => [200, goodText]));
      return answers.map(({ attempts }) => attempts);
    };
    expect(new Set(await round())).toEqual(new Set(["ai-service:ok"]));

    first.process.kill("SIGSTOP");
    expect((await round()).every((attempts) => attempts?.endsWith("openai:ok"))).toBe(true);
    first.process.kill("SIGCONT");
    first.process.kill("SIGKILL");
    await once(first.process, "exit");
    for (let rounds = 0; rounds < 5; rounds++)
      expect((await round()).every((attempts) => attempts?.endsWith("openai:ok"))).toBe(true);

    const second = await startService({ ...first.settings });
    onTestFinished(() => second.close());
    await expect.poll(round, { timeout: 40_000 }).toContain("ai-service:ok");
  }, 80_000);
});
