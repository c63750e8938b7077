import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type RunningAiService, startAiService } from "../../dev/ai-service.ts";
import { writeCharacters, writeOutline } from "../../dev/embedded-author.ts";
import { isTaken } from "../../dev/ports.ts";
import { AIService } from "../../src/gen/qingyu/ai/ai_service_pb.ts";
import { parsedEventsIn } from "../support/event-stream.ts";
import { at } from "../support/json.ts";
import { callPlatform, platformCalls } from "../support/platform-calls.ts";
import { freePort } from "../support/ports.ts";

const root = join(import.meta.dirname, "../..");
const start = join(root, "dev/start.ts");

/** Runs a script to its end: of Node, unless another program is named. */
function run(args: string[], program = process.execPath): Promise<{ exitCode: number; output: string }> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: root }, (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === "number" ? error.code : 0, output: `${stdout}${stderr}`.trim() });
    });
  });
}

/** The commands of docs/qingyu.md that are followed by what they print, in which an ellipsis stands for anything. */
const examples = [
  ...readFileSync(join(root, "docs/qingyu.md"), "utf8").matchAll(/```sh\n(curl .*?)```\s*```\w+\n(.*?)```/gs),
].map(([, command = "", printed = ""]) => ({
  name: /api\/v1\/\S+/.exec(command)?.[0],
  command,
  printed: new RegExp(`^${printed.trim().split("…").map(RegExp.escape).join(".*")}$`, "s"),
}));

/** What earlier runs left in the local KV must not answer. */
const headers = { "cache-control": "no-store" };

/** The product as `npm run dev` starts it: wrangler's own workerd, where nothing may be compiled at run time. */
describe("npm run dev", () => {
  let dev: ChildProcess;
  let aiService: RunningAiService;
  let port: number;
  let url: string;
  let output = "";

  beforeAll(async () => {
    aiService = await startAiService({ port: 0 });
    port = await freePort();
    url = `http://127.0.0.1:${port}`;
    // A developer's own .env is not part of the test.
    const env = { ...process.env, CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "false" };
    dev = spawn(process.execPath, [start, "--port", String(port), "--ai-service", aiService.url], { cwd: root, env });
    await new Promise<void>((resolve, reject) => {
      const read = (data: Buffer) => {
        output += data;
        if (output.includes("Ready.")) resolve();
      };
      dev.stdout?.on("data", read);
      dev.stderr?.on("data", read);
      dev.once("exit", () => reject(new Error(output)));
    });
  }, 60_000);

  afterAll(async () => {
    dev.kill("SIGINT");
    await once(dev, "exit");
    await aiService.close();
    expect(dev.exitCode).toBe(0);
    expect(await isTaken(port)).toBe(false);
  }, 30_000);

  it("prints where everything is and a line to try, and that line works", async () => {
    expect(output).toContain(`gateway     ${url}`);
    expect(output).toContain(`AI service  ${aiService.url} (--ai-service)`);
    const body = /-d '(.*)'/.exec(output)?.[1] ?? "";
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    expect([answer.status, await answer.json()]).toMatchObject([
      200,
      { model: "embedded", choices: [{ finish_reason: "stop" }] },
    ]);
    await expect.poll(() => output).toMatch(/\{"message":"request",.*"provider":"ai-service"/);
  });

  it("says in one line that its port is taken", async () => {
    const { exitCode, output } = await run([start, "--port", String(port)]);
    expect([exitCode, output]).toEqual([1, expect.stringMatching(`^Port ${port} of 127.0.0.1 is taken\\. [^\\n]*$`)]);
  });

  it.each([
    [["--ai-service", "localhost:50052"], /^--ai-service takes an http or https URL[^\n]*$/],
    [["--port", "x"], /^--port takes a number[^\n]*$/],
    [["--nope"], /^Unknown option '--nope'[^\n]*$/],
  ])("says in one line what is wrong with %j", async (args, line) => {
    const { exitCode, output } = await run([start, ...args]);
    expect([exitCode, output]).toEqual([1, expect.stringMatching(line)]);
  });

  it("ends at once when it is stopped before the gateway is up", async () => {
    const early = spawn(process.execPath, [start, "--port", String(await freePort()), "--ai-service", aiService.url], {
      cwd: root,
    });
    onTestFinished(() => void early.kill("SIGKILL"));
    await once(early.stdout, "data");
    early.kill("SIGINT");
    expect(await once(early, "exit")).toEqual([0, null]);
  });

  describe("serves the official OpenAI SDK", () => {
    const messages = [
      { role: "system" as const, content: "你是小说家。" },
      { role: "user" as const, content: "青羽落在窗前。" },
    ];
    const sdk = () => new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });

    it("plain", async () => {
      const answer = await sdk().chat.completions.create({ model: "gpt-4o", messages });
      expect(answer).toMatchObject({
        object: "chat.completion",
        model: "embedded",
        choices: [{ finish_reason: "stop" }],
      });
      expect(answer.choices[0]?.message.content).toMatch(/\p{Script=Han}/u);
      expect(answer.usage?.total_tokens).toBeGreaterThan(0);
    });

    it("streamed, piece by piece, with usage", async () => {
      const stream = await sdk().chat.completions.create(
        {
          model: "gpt-4o",
          messages: [{ role: "user", content: "streamed" }],
          stream: true,
          stream_options: { include_usage: true },
        },
        { headers },
      );
      const arrivals: number[] = [];
      let usage: OpenAI.CompletionUsage | null | undefined;
      for await (const chunk of stream) {
        arrivals.push(performance.now());
        usage = chunk.usage;
      }
      expect(arrivals.length).toBeGreaterThan(10);
      expect(Number(arrivals.at(-1)) - Number(arrivals[0])).toBeGreaterThan(100);
      expect(usage?.total_tokens).toBeGreaterThan(0);
    });

    it("with models and with errors as its own classes", async () => {
      const { data } = await sdk().models.list();
      expect(data.map(({ id }) => id)).toEqual(["BAAI/bge-large-zh-v1.5"]);
      expect(await sdk().models.retrieve("org/model")).toMatchObject({ id: "org/model" });
      const error = await sdk()
        .chat.completions.create({ model: "gpt-4o", messages: [] })
        .catch((thrown) => thrown);
      expect(error).toBeInstanceOf(OpenAI.BadRequestError);
      expect([error.status, error.code, error.param, error.type]).toEqual([
        400,
        "invalid_value",
        "messages",
        "invalid_request_error",
      ]);
    });
  });

  describe.each([
    ["Connect", createConnectTransport],
    ["gRPC-Web", createGrpcWebTransport],
  ])("serves a typed client over %s", (name, transportOf) => {
    describe.each([
      ["binary", true],
      ["JSON", false],
    ])("in %s", (format, useBinaryFormat) => {
      const client = () => createClient(AIService, transportOf({ baseUrl: url, useBinaryFormat }));
      const prompt = `${name} ${format}：青羽🪶`;

      it("plain, streamed and asked for its health", async () => {
        const answer = await client().generateContent({ projectId: "p", prompt }, { headers });
        expect(answer).toMatchObject({ model: "embedded", finishReason: "stop" });
        expect(answer.tokensUsed).toBe(answer.usage?.totalTokens);
        let text = "";
        let chunks = 0;
        for await (const chunk of client().streamGenerateContent({ projectId: "p", prompt }, { headers })) {
          text += chunk.delta;
          chunks++;
        }
        expect(text).toMatch(/\p{Script=Han}/u);
        expect(chunks).toBeGreaterThan(10);
        expect(await client().healthCheck({})).toMatchObject({
          status: "healthy",
          checks: { "ai-service": "healthy" },
        });
      });

      it("with vectors, of the gateway's model where none is named", async () => {
        const { embeddings } = await client().embedText({ texts: [prompt, "x"] }, { headers });
        expect(embeddings.map(({ vector, dimension }) => [vector.length, dimension])).toEqual([
          [1024, 1024],
          [1024, 1024],
        ]);
        const foreign = await client()
          .embedText({ texts: ["x"], model: "text-embedding-3-small" })
          .catch((thrown) => thrown);
        expect(foreign.code).toBe(Code.NotFound);
      });

      it("with Connect's codes", async () => {
        const refused = await client()
          .generateContent({ projectId: "p" })
          .catch((thrown) => thrown);
        expect(refused.code).toBe(Code.InvalidArgument);
        const streamed = client().streamGenerateContent({ projectId: "p", prompt, options: { maxTokens: 999_999 } });
        const failed = await streamed[Symbol.asyncIterator]()
          .next()
          .catch((thrown) => thrown);
        expect([failed.code, failed.rawMessage]).toEqual([
          Code.InvalidArgument,
          expect.stringContaining("options.max_tokens"),
        ]);
        // The gateway takes it; the service does not.
        const ofNoProject = await client()
          .queryKnowledge({ query: "x" })
          .catch((thrown) => thrown);
        expect(ofNoProject.code).toBe(Code.InvalidArgument);
      });

      it("with structures", async () => {
        const { outline } = await client().generateOutline({ task: prompt, projectId: "p" });
        expect(outline).toEqual(writeOutline(prompt));
        const { characters } = await client().generateCharacters({ task: prompt, projectId: "p", outline });
        expect(characters).toEqual(writeCharacters(prompt, outline));
      });
    });
  });

  describe("serves the platform's clients", () => {
    it.concurrent.each(platformCalls)("by %s", async (path, body, expected) => {
      expect(await callPlatform(url, path, body)).toMatchObject(expected);
    });
  });

  it("runs examples/embeddings.ts", async () => {
    const { exitCode, output } = await run([join(root, "examples", "embeddings.ts"), url]);
    expect([exitCode, output]).toEqual([
      0,
      expect.stringMatching(/^BAAI\/bge-large-zh-v1\.5: 1024 numbers, cosine 0\.\d\d$/),
    ]);
  });

  it.each(["openai-sdk.ts", "connect.ts"])("runs examples/%s", async (example) => {
    const { exitCode, output } = await run([join(root, "examples", example), url]);
    expect([exitCode, output]).toEqual([0, expect.stringMatching(/\p{Script=Han}.*\(\d+ tokens\)$/su)]);
  });

  it("runs examples/creative.ts", async () => {
    const { exitCode, output } = await run([join(root, "examples", "creative.ts"), url]);
    const [outline, characters, ...events] = output.split("\n");
    expect([exitCode, outline, characters]).toEqual([
      0,
      expect.stringMatching(/^写一部江湖小说.*: 第1章 .*, 第5章 \p{Script=Han}+$/u),
      expect.stringMatching(/^\p{Script=Han}+ \(protagonist\), \p{Script=Han}+ \(antagonist\)$/u),
    ]);
    expect(events.map((event) => event.split(" ")[0])).toEqual(["第1日", "第2日", "第3日", "第4日", "第5日"]);
  });

  it("runs examples/workflow.sh", async () => {
    const { exitCode, output } = await run([join(root, "examples", "workflow.sh"), url], "sh");
    const events = parsedEventsIn(`${output}\n\n`);
    expect([exitCode, events.length, events.slice(0, 4).map((event) => at(event, "stage"))]).toEqual([
      0,
      5,
      ["outline", "characters", "plot", "review"],
    ]);
    expect(events[4]).toMatchObject({ outline: { chapters: { length: 5 } }, review_passed: true });
  });

  it("has examples in docs/qingyu.md", () => {
    expect(examples.length).toBeGreaterThan(4);
  });

  it.each(examples)("answers as docs/qingyu.md says: $name", async ({ command, printed }) => {
    const quiet = command.replace("curl", "curl --silent --show-error").replace("http://127.0.0.1:8787", url);
    const { exitCode, output } = await run(["-c", quiet], "sh");
    expect([exitCode, output]).toEqual([0, expect.stringMatching(printed)]);
  });
});
