import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { Code, ConnectError, type ConnectRouter, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import { startAiService } from "../../dev/ai-service.ts";
import { AIService } from "../../src/gen/qingyu/ai/ai_service_pb.ts";

const script = join(import.meta.dirname, "../../dev/check-ai.ts");
const fixture = (name: string) => readFileSync(join(import.meta.dirname, "fixtures", name));

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

/** Listens on a free port of 127.0.0.1 until the test ends. */
async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const address = server.address() as AddressInfo;
  return address.port;
}

interface Run {
  readonly exitCode: number;
  readonly lines: readonly string[];
}

function check(url: string, env: Record<string, string> = {}, options = ["--timeout-ms", "5000"]): Promise<Run> {
  return new Promise((resolve) => {
    const args = [script, url, ...options];
    execFile(process.execPath, args, { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({
        exitCode: typeof error?.code === "number" ? error.code : 0,
        lines: `${stdout}${stderr}`.trim().split("\n"),
      });
    });
  });
}

type Methods = Partial<ServiceImpl<typeof AIService>>;

/** A service that has these methods only; its address. */
async function fake(methods: Methods): Promise<string> {
  const routes = (router: ConnectRouter) => router.service(AIService, methods);
  return `http://127.0.0.1:${await listen(createHttpServer(connectNodeAdapter({ routes, grpc: false })))}`;
}

const needed: Methods = {
  healthCheck: () => ({ status: "healthy" }),
  generateContent: () => ({ content: "雨。", model: "m-1" }),
};

/** What a run says of each RPC; the same over both protocols, which is expected here. */
function said({ lines }: Run): Record<string, string> {
  const rows = lines.map((line) => /^(\S+) +(\S+) +\d+ ms {2}(.*)$/.exec(line)?.slice(1) ?? [line]);
  const of = (protocol: string) =>
    Object.fromEntries(rows.filter((row) => row[0] === protocol).map(([, rpc, says]) => [rpc, says]));
  expect(of("connect")).toEqual(of("grpc-web"));
  return of("connect");
}

const rpcs = AIService.methods.map(({ name }) => name);

describe("npm run check:ai", () => {
  it("calls every RPC over both protocols and prints a line for each", async () => {
    const service = await startAiService({ port: 0 });
    closers.push(service.close);
    const run = await check(service.url);
    expect(run.exitCode).toBe(0);
    expect(run.lines).toHaveLength(rpcs.length * 2);
    expect(said(run)).toEqual({
      HealthCheck: "healthy",
      GenerateContent: "embedded",
      StreamGenerateContent: "embedded",
      EmbedText: "BAAI/bge-large-zh-v1.5, 1024 numbers",
      QueryKnowledge: "0 found",
      GetContext: "0 chapters, 0 characters, 0 tokens",
      GenerateOutline: "5 chapters",
      GenerateCharacters: "2 characters",
      GeneratePlot: "5 events",
      ExecuteCreativeWorkflow: "5 chapters, 2 characters, 5 events, review passed",
      ExecuteAgent: "completed, 651 tokens",
      StoryWrite: "embedded",
    });
    expect(Object.keys(said(run)).sort()).toEqual(rpcs.sort());
  });

  it("says what the gateway does without an RPC that a service may lack", async () => {
    const run = await check(await fake(needed));
    expect(run.exitCode).toBe(0);
    const aModel = "not offered (a language model writes it, if one is configured)";
    const nobody = "not offered (callers get 503)";
    expect(said(run)).toEqual({
      HealthCheck: "healthy",
      GenerateContent: "m-1",
      StreamGenerateContent: "not offered (the gateway uses GenerateContent)",
      EmbedText: "not offered (other providers embed)",
      QueryKnowledge: nobody,
      GetContext: nobody,
      GenerateOutline: aModel,
      GenerateCharacters: aModel,
      GeneratePlot: aModel,
      ExecuteCreativeWorkflow: nobody,
      ExecuteAgent: nobody,
      StoryWrite: aModel,
    });
  });

  it("fails where a service lacks what every service must have", async () => {
    const run = await check(await fake({ getContext: () => ({}) }));
    expect(run.exitCode).toBe(1);
    const lacking = "FAILED: it speaks HTTP but does not offer this RPC; is this the AI service's RPC port?";
    expect(said(run)).toMatchObject({ HealthCheck: lacking, GenerateContent: lacking });
  });

  it("fails where a service answers OK with empty data, but for knowledge that is not there", async () => {
    const empty: Methods = {
      healthCheck: () => ({ status: "degraded" }),
      generateContent: () => ({ model: "m-1" }),
      streamGenerateContent: async function* () {
        yield { model: "m-1" };
      },
      embedText: ({ texts }) => ({ embeddings: texts.map(() => ({ dimension: 1024 })) }),
      queryKnowledge: () => ({}),
      getContext: () => ({}),
      generateOutline: () => ({ outline: { title: "Untitled" }, executionTime: 8 }),
      generateCharacters: () => ({}),
      generatePlot: () => ({ plot: { conflicts: [{ type: "人物冲突" }] } }),
      executeCreativeWorkflow: () => ({ reviewPassed: true, outline: {}, characters: {} }),
      executeAgent: () => ({ status: "completed", result: " " }),
      storyWrite: () => ({ content: "\n", model: "m-1" }),
    };
    const run = await check(await fake(empty));
    expect(run.exitCode).toBe(1);
    expect(said(run)).toEqual({
      HealthCheck: "degraded",
      GenerateContent: "FAILED: answered OK with empty content",
      StreamGenerateContent: "FAILED: answered OK with an empty stream",
      EmbedText: "FAILED: answered OK with empty vectors",
      QueryKnowledge: "0 found",
      GetContext: "0 chapters, 0 characters, 0 tokens",
      GenerateOutline: "FAILED: answered OK with an empty outline",
      GenerateCharacters: "FAILED: answered OK with no characters",
      GeneratePlot: "FAILED: answered OK with an empty plot",
      ExecuteCreativeWorkflow: "FAILED: answered OK with empty structures",
      ExecuteAgent: "FAILED: answered OK with an empty result",
      StoryWrite: "FAILED: answered OK with empty content",
    });
  });

  it.each([
    ["failed", ["RuntimeError: 10.0.0.7", "again"], 'the status "failed": RuntimeError: 10.0.0.7; again'],
    ["running", [], 'the status "running"'],
    ["", [], 'the status ""'],
  ])("fails where an agent's status is not completed: %j", async (status, errors, says) => {
    const run = await check(await fake({ ...needed, executeAgent: () => ({ status, errors, result: "{}" }) }));
    expect([run.exitCode, said(run).ExecuteAgent]).toEqual([1, `FAILED: answered OK with ${says}`]);
  });

  it("prints what the service itself says of a failure", async () => {
    const url = await fake({
      ...needed,
      generateOutline: () => {
        throw new ConnectError("KeyError: 'outline' at 10.0.0.7:8000", Code.Internal);
      },
    });
    const run = await check(url);
    expect([run.exitCode, said(run).GenerateOutline]).toEqual([
      1,
      "FAILED: Internal: KeyError: 'outline' at 10.0.0.7:8000",
    ]);
  });

  it("asks for characters with the outline that came, and for the plot with both", async () => {
    const seen: unknown[] = [];
    const chain = (methods: Methods): Methods => ({
      ...needed,
      generateCharacters: ({ outline }) => {
        seen.push(outline?.title);
        return { characters: { characters: [{ name: "青羽" }] } };
      },
      generatePlot: ({ outline, characters }) => {
        seen.push(outline?.title, characters?.characters[0]?.name);
        return { plot: { timelineEvents: [{ title: "雨" }] } };
      },
      ...methods,
    });
    const outline = { title: "夜雨", chapters: [{ chapterId: 1 }] };
    await check(await fake(chain({ generateOutline: () => ({ outline }) })));
    const asked = ["夜雨", "夜雨", "青羽"];
    expect(seen.splice(0)).toEqual([...asked, ...asked]);
    await check(await fake(chain({})));
    const without = [undefined, undefined, "青羽"];
    expect(seen).toEqual([...without, ...without]);
  });

  it.each([
    ["two minutes for long work", { answers: true, options: [], expected: { outline: 120_000, content: 20_000 } }],
    ["no such time before it has answered", { answers: false, options: [], expected: { outline: 20_000 } }],
    [
      "what it is told",
      { answers: true, options: ["--timeout-ms", "7000"], expected: { outline: 7_000, content: 7_000 } },
    ],
  ])("gives the service %s", async (_, { answers, options, expected }) => {
    const timeouts: Record<string, number | undefined> = {};
    const url = await fake({
      generateContent: (_request, { timeoutMs }) => {
        timeouts.content = timeoutMs();
        if (!answers) throw new ConnectError("later", Code.Unavailable);
        return { content: "雨。" };
      },
      generateOutline: (_request, { timeoutMs }) => {
        timeouts.outline = timeoutMs();
        return { outline: { chapters: [{ chapterId: 1 }] } };
      },
    });
    await check(url, {}, options);
    for (const [name, mostMs] of Object.entries(expected)) {
      expect(timeouts[name]).toBeLessThanOrEqual(mostMs);
      expect(timeouts[name]).toBeGreaterThan(mostMs - 5_000);
    }
  });

  it("sends the token, and says where one is wanted", async () => {
    const service = await startAiService({ port: 0, token: "right" });
    closers.push(service.close);
    expect((await check(service.url, { PYTHON_AI_TOKEN: "right" })).exitCode).toBe(0);
    const refused = await check(service.url, { PYTHON_AI_TOKEN: "wrong" });
    expect(refused.exitCode).toBe(1);
    expect(refused.lines[1]).toMatch(/FAILED: the service wants a token: set PYTHON_AI_TOKEN$/);
  });

  it.each<[string, () => Promise<string>, RegExp]>([
    [
      "nothing listens",
      async () => {
        const port = await listen(createTcpServer());
        await closers.pop()?.();
        return `http://127.0.0.1:${port}`;
      },
      /connection refused/,
    ],
    [
      "a web page answers",
      async () => {
        const page = createHttpServer((_, response) =>
          response.setHeader("content-type", "text/html").end("<h1>hello</h1>"),
        );
        return `http://127.0.0.1:${await listen(page)}`;
      },
      /wrong protocol/,
    ],
    [
      "another API answers 404",
      async () => {
        const api = createHttpServer((_, response) =>
          response.writeHead(404, { "content-type": "application/json" }).end('{"detail":"Not Found"}'),
        );
        return `http://127.0.0.1:${await listen(api)}`;
      },
      /does not offer this RPC/,
    ],
    ["only gRPC is spoken", async () => `http://127.0.0.1:${await listen(createHttp2Server())}`, /plain gRPC only/],
    ["nobody answers", async () => `http://127.0.0.1:${await listen(createTcpServer())}`, /no answer within 300 ms/],
    [
      "the certificate is its own",
      async () => {
        const tls = createHttpsServer({ key: fixture("self-signed.key"), cert: fixture("self-signed.pem") });
        return `https://127.0.0.1:${await listen(tls)}`;
      },
      /TLS: the certificate is not trusted/,
    ],
    [
      "TLS is asked of a plain port",
      async () => `https://127.0.0.1:${await listen(createHttpServer())}`,
      /TLS: the port does not speak TLS/,
    ],
    [
      "a plain answer is asked of a TLS port",
      async () => {
        const tls = createHttpsServer({ key: fixture("self-signed.key"), cert: fixture("self-signed.pem") });
        return `http://127.0.0.1:${await listen(tls)}`;
      },
      /try https:/,
    ],
    [
      "a frame announces 4 GiB",
      async () => {
        const liar = createHttpServer((request, response) => {
          const type = request.headers["content-type"] ?? "";
          response.writeHead(200, { "content-type": type }).end(Buffer.from([0, 255, 255, 255, 255, 1, 2]));
        });
        return `http://127.0.0.1:${await listen(liar)}`;
      },
      /FAILED: /,
    ],
  ])("says in one line per call what is wrong where %s", async (_, start, says) => {
    const { exitCode, lines } = await check(await start(), {}, ["--timeout-ms", "300"]);
    expect(exitCode).toBe(1);
    expect(lines).toHaveLength(rpcs.length * 2);
    expect(lines[1]).toMatch(says);
  });

  it("refuses an address that is none", async () => {
    const { exitCode, lines } = await check("localhost");
    expect([exitCode, lines]).toEqual([2, ["localhost is no http or https URL."]]);
  });

  it("says in one line that a flag is unknown", async () => {
    const { exitCode, lines } = await check("--nope");
    expect([exitCode, lines]).toEqual([2, [expect.stringMatching(/^Unknown option '--nope'/)]]);
  });
});
