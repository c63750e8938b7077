import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import { startWorker } from "../../bench/workerd.ts";
import { CreativeWorkflowResponseSchema } from "../../src/gen/qingyu/ai/ai_service_pb.ts";

/*
 * Long work that its caller leaves, in a workerd where each request has a context of its own, over real connections: what is
 * carried on goes on there in no caller's context.
 */

let script: string;
beforeAll(() => {
  script = buildBundle({ minify: true }).path;
});

const path = "/qingyu.ai.AIService/ExecuteCreativeWorkflow";

/** An AI service that says when it is asked and left, and answers when a test wants it. */
async function startService() {
  const answers: (() => void)[] = [];
  let left = 0;
  let change = Promise.withResolvers<void>();
  const tell = () => {
    change.resolve();
    change = Promise.withResolvers();
  };
  const server = createServer((asked, answer) => {
    asked.resume();
    if (asked.url !== path) return void answer.writeHead(404).end();
    const message = create(CreativeWorkflowResponseSchema, {
      executionId: `run ${answers.length + 1}`,
      outline: { chapters: [{ title: "夜雨" }] },
      tokensUsed: 4321,
    });
    answers.push(() =>
      answer
        .writeHead(200, { "content-type": "application/proto" })
        .end(toBinary(CreativeWorkflowResponseSchema, message)),
    );
    answer.once("close", () => {
      if (!answer.writableFinished) left++;
      tell();
    });
    tell();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const until = async (isSo: () => boolean) => {
    while (!isSo()) await change.promise;
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => answers.length,
    untilAsked: (times = 1) => until(() => answers.length >= times),
    untilLeft: () => until(() => left > 0),
    left: () => left,
    answer: () => answers.at(-1)?.(),
  };
}

type Service = Awaited<ReturnType<typeof startService>>;

interface Starting {
  readonly isolates?: number;
  readonly settings?: Readonly<Record<string, string>>;
  readonly service?: Service;
  readonly objectsFolder?: string;
}

async function start({ settings = {}, service: given, ...options }: Starting = {}) {
  const service = given ?? (await startService());
  let log = "";
  let change = Promise.withResolvers<void>();
  const worker = await startWorker({
    ...options,
    script,
    bindings: { PYTHON_AI_SERVICE_URL: service.url, AI_PROVIDERS: "ai-service", ...settings },
    readyPath: "/health/live",
    onLog(text) {
      log += text;
      change.resolve();
      change = Promise.withResolvers();
    },
  });
  onTestFinished(() => worker.stop());
  return {
    service,
    ports: worker.ports,
    stop: worker.stop,
    async untilLogged(text: string) {
      while (!log.includes(text)) await change.promise;
    },
  };
}

const headersOf = (key?: string) => ({
  "content-type": "application/json",
  ...(key !== undefined && { "idempotency-key": key }),
});
const body = JSON.stringify({ task: "写一部小说" });

async function ask(port = 0, key?: string) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers: headersOf(key), body });
  const { executionId, code } = (await answer.json()) as { executionId?: string; code?: string };
  return { said: executionId ?? code, replayed: answer.headers.get("idempotent-replayed") };
}

/** Asks, and breaks the connection once the service is asked. */
async function askAndLeave(port: number, service: Service, key?: string) {
  const asking = request({ port, path, method: "POST", headers: headersOf(key) });
  asking.on("error", () => {});
  asking.end(body);
  await service.untilAsked();
  asking.socket?.resetAndDestroy();
}

describe("long work whose caller leaves", () => {
  it.each([
    ["he gave no key", undefined, {}],
    ["the settings say so", "mine", { QINGYU_RUNS_MAX_MS: "0" }],
  ])("ends with him where %s", async (_, key, settings) => {
    const { service, ports } = await start({ settings });
    await askAndLeave(ports[0] ?? 0, service, key);
    await service.untilLeft();
    expect(service.asked()).toBe(1);
  });

  it.each([
    ["has ended", true],
    ["goes on", false],
  ])("is there under its key when he comes back while it %s", async (_, hasEnded) => {
    const { service, ports } = await start({ isolates: 2 });
    await askAndLeave(ports[0] ?? 0, service, "mine");
    // What ends with its caller has ended now.
    await askOther(ports[0] ?? 0);
    if (hasEnded) service.answer();
    const back = ask(ports[1], "mine");
    if (!hasEnded) {
      await askOther(ports[1] ?? 0);
      service.answer();
    }
    expect(await back).toEqual({ said: "run 1", replayed: "true" });
    expect(await ask(ports[0], "mine")).toEqual({ said: "run 1", replayed: "true" });
    expect([service.asked(), service.left()]).toEqual([1, 0]);
  });

  it("is begun anew when he comes back, and not before, where it was lost", async () => {
    const objectsFolder = mkdtempSync(join(tmpdir(), "qingyu-runs-"));
    onTestFinished(() => rmSync(objectsFolder, { recursive: true, force: true }));
    const { service, ports, stop } = await start({ objectsFolder });
    await askAndLeave(ports[0] ?? 0, service, "mine");
    await stop();
    const later = await start({ service, objectsFolder });
    await later.untilLogged('"error":"run_lost"');
    expect(service.asked()).toBe(1);
    const back = ask(later.ports[0], "mine");
    await service.untilAsked(2);
    service.answer();
    expect(await back).toEqual({ said: "run 2", replayed: null });
  });

  it("is one for two isolates that are asked at once", async () => {
    const { service, ports } = await start({ isolates: 2 });
    const both = ports.map((port) => ask(port, "ours"));
    await service.untilAsked();
    service.answer();
    const answers = await Promise.all(both);
    expect(answers.map(({ said }) => said)).toEqual(["run 1", "run 1"]);
    expect(answers.filter(({ replayed }) => replayed).length).toBe(1);
    expect(service.asked()).toBe(1);
  });
});

/** Something else, whose answer tells that the isolate has turned to it. */
async function askOther(port: number): Promise<void> {
  await (await fetch(`http://127.0.0.1:${port}/health/live`)).text();
}
