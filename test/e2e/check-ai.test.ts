import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { startAiService } from "../../dev/ai-service.ts";

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

function check(url: string, env: Record<string, string> = {}, timeoutMs = 5000): Promise<Run> {
  return new Promise((resolve) => {
    const args = [script, url, "--timeout-ms", String(timeoutMs)];
    execFile(process.execPath, args, { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({
        exitCode: typeof error?.code === "number" ? error.code : 0,
        lines: `${stdout}${stderr}`.trim().split("\n"),
      });
    });
  });
}

describe("npm run check:ai", () => {
  it("calls every RPC over both protocols and prints latency and model", async () => {
    const service = await startAiService({ port: 0 });
    closers.push(service.close);
    const { exitCode, lines } = await check(service.url);
    expect(exitCode).toBe(0);
    expect(
      lines.map((line) =>
        line
          .replace(/\d+ ms/, "N ms")
          .split(/\s{2,}|(?<=ms)\s+/)
          .join(" | "),
      ),
    ).toEqual(
      ["connect", "grpc-web"].flatMap((protocol) => [
        expect.stringMatching(`^${protocol}.*HealthCheck.*N ms.*healthy$`),
        expect.stringMatching(`^${protocol}.*GenerateContent.*N ms.*embedded$`),
        expect.stringMatching(`^${protocol}.*StreamGenerateContent.*N ms.*embedded$`),
        expect.stringMatching(`^${protocol}.*EmbedText.*N ms.*BAAI/bge-large-zh-v1.5, 1024 numbers$`),
      ]),
    );
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
    const { exitCode, lines } = await check(await start(), {}, 300);
    expect(exitCode).toBe(1);
    expect(lines).toHaveLength(8);
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
