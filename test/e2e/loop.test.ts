import { createServer, request } from "node:http";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import { startWorker } from "../../bench/workerd.ts";

/*
 * Gateways that are their own providers. What a provider is asked goes over a relay that counts and, since only workerd
 * knows its ports, leads back to the gateway: each turn to another isolate of it.
 */

let script: string;
beforeAll(() => {
  script = buildBundle({ minify: true }).path;
});

async function startRelay() {
  const paths: string[] = [];
  const target: { ports: readonly number[] } = { ports: [] };
  const relay = createServer((incoming, response) => {
    paths.push(incoming.url ?? "");
    const { url: path, method, headers } = incoming;
    const outgoing = request({ port: target.ports[paths.length % target.ports.length], path, method, headers });
    outgoing.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    });
    outgoing.on("error", () => response.destroy());
    incoming.pipe(outgoing);
  });
  await new Promise<void>((resolve) => void relay.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void relay.close());
  const address = relay.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  const leadTo = (ports: readonly number[]) => {
    target.ports = ports;
  };
  return { url: `http://127.0.0.1:${address.port}`, paths, leadTo };
}

const kinds = ["openai", "connect", "grpc-web"] as const;
type Kind = (typeof kinds)[number];

const provider = (name: string, kind: Kind, url: string) =>
  kind === "openai"
    ? { name, type: "openai", baseUrl: `${url}/v1` }
    : { name, type: "ai-service", baseUrl: url, protocol: kind };

async function startGateway(...providers: readonly object[]) {
  const bindings = { AI_PROVIDERS: JSON.stringify(providers) };
  const worker = await startWorker({ script, bindings, isolates: 2, readyPath: "/health/live" });
  onTestFinished(() => worker.stop());
  return worker;
}

async function ask(port: number, stream: boolean) {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ stream, messages: [{ role: "user", content: "写" }] }),
  });
  const { error }: { error: { code: string } } = JSON.parse(await answer.text());
  const { headers, status } = answer;
  return [status, error.code, headers.get("x-should-retry"), headers.get("x-qingyu-attempts")];
}

describe.each(kinds)("a gateway that is its own provider (%s)", (kind) => {
  it("says so after one turn", async () => {
    const relay = await startRelay();
    const { port, ports } = await startGateway(provider("self", kind, relay.url));
    relay.leadTo(ports);
    for (const stream of [false, true]) {
      expect(await ask(port, stream)).toEqual([508, "loop_detected", "false", "self:loop_detected"]);
      expect(relay.paths.splice(0)).toHaveLength(1);
    }
    const ready = await fetch(`http://127.0.0.1:${port}/health/ready`);
    expect(ready.status).toBe(kind === "openai" ? 200 : 503);
    expect(relay.paths).toHaveLength(kind === "openai" ? 0 : 1);
  });

  it("says so where another one lies between", async () => {
    const [toFirst, toSecond] = [await startRelay(), await startRelay()];
    const first = await startGateway(provider("second", kind, toSecond.url));
    const second = await startGateway(
      provider("first", kind, toFirst.url),
      provider("closed", "openai", "http://127.0.0.1:1"),
    );
    toFirst.leadTo(first.ports);
    toSecond.leadTo(second.ports);
    expect(await ask(first.port, false)).toEqual([508, "loop_detected", "false", "second:loop_detected"]);
    expect([toFirst.paths.length, toSecond.paths.length]).toEqual([1, 1]);
  });
});
