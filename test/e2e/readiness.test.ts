import { createServer, type ServerResponse } from "node:http";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, it, onTestFinished } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import { startWorker } from "../../bench/workerd.ts";
import { HealthCheckResponseSchema } from "../../src/gen/qingyu/ai/ai_service_pb.ts";

/** In a workerd where each request has a context of its own, and none can wait for what another one began. */
it("asks a cold gateway's provider once, however many want to know whether it is ready", async () => {
  const probes: ServerResponse[] = [];
  const arrived = Promise.withResolvers<void>();
  const service = createServer((request, response) => {
    probes.push(response);
    request.resume();
    arrived.resolve();
  });
  await new Promise<void>((resolve) => void service.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void service.close());
  const address = service.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  const worker = await startWorker({
    script: buildBundle({ minify: true }).path,
    bindings: { AI_PROVIDERS: "ai-service", PYTHON_AI_SERVICE_URL: `http://127.0.0.1:${address.port}` },
    readyPath: "/health/live",
  });
  onTestFinished(() => worker.stop());

  const ask = (path: string) => fetch(`http://127.0.0.1:${worker.port}${path}`).then(({ status }) => status);
  const answers = Array.from({ length: 50 }, () => ask("/health/ready"));
  await arrived.promise;
  // An answer to this means that the others have arrived too.
  await ask("/health/live");
  probes[0]?.writeHead(200, { "content-type": "application/proto" });
  probes[0]?.end(toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema, { status: "healthy" })));
  expect(new Set(await Promise.all(answers))).toEqual(new Set([200]));
  expect(probes).toHaveLength(1);
});
