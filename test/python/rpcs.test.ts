import { createHash } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import { startWorker, type Worker } from "../../bench/workerd.ts";
import { AIService } from "../../src/gen/qingyu/ai/ai_service_pb.ts";
import { keyOf, tenants } from "../load/tenants.ts";
import { testAgents } from "../support/ai-service-contract/agents.ts";
import { headers as asToken, token } from "../support/ai-service-contract/asking.ts";
import { testCreativeWork } from "../support/ai-service-contract/creative.ts";
import { testStories } from "../support/ai-service-contract/stories.ts";
import { type PythonService, startService } from "./service.ts";

/** What the service does by its contract, it does through the gateway too; and what it knows stays with its tenant. */

const [own = "", other = ""] = tenants;
const serviceToken = "a-token-of-the-service";
const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");
const keys = [`contract:${sha256(token)}`, ...[own, other].map((tenant) => `${tenant}:${sha256(keyOf(tenant))}`)];

let service: PythonService;
const gateways = new Map<string, Worker>();
beforeAll(async () => {
  const script = buildBundle({ minify: true }).path;
  service = await startService({ PYTHON_AI_TOKEN: serviceToken });
  for (const protocol of ["connect", "grpc-web"]) {
    const bindings = {
      ENVIRONMENT: "development",
      AI_PROVIDERS: "ai-service",
      PYTHON_AI_SERVICE_URL: service.url,
      PYTHON_AI_PROTOCOL: protocol,
      PYTHON_AI_TOKEN: serviceToken,
      GATEWAY_API_KEYS: keys.join(","),
      QINGYU_CACHE_KNOWLEDGE_SECONDS: "600",
    };
    gateways.set(protocol, await startWorker({ script, readyPath: "/health/live", bindings }));
  }
}, 60_000);
afterAll(async () => {
  await Promise.all([...[...gateways.values()].map((gateway) => gateway.stop()), service.close()]);
}, 30_000);

/** Each way to ask the gateway, and each way in which it asks the service. */
const ways = [
  ["connect", "Connect", "binary", createConnectTransport, true],
  ["grpc-web", "Connect", "JSON", createConnectTransport, false],
  ["connect", "gRPC-Web", "JSON", createGrpcWebTransport, false],
  ["grpc-web", "gRPC-Web", "binary", createGrpcWebTransport, true],
] as const;

describe.each(ways)("asked over %s, by a caller over %s in %s,", (protocol, _, __, transportOf, useBinaryFormat) => {
  const baseUrl = () => `http://127.0.0.1:${gateways.get(protocol)?.port}`;
  const client = () => createClient(AIService, transportOf({ baseUrl: baseUrl(), useBinaryFormat }));

  describe.concurrent("the service", () => {
    testCreativeWork(client);
    testAgents(client);
    testStories(client);
  });

  describe("the knowledge of a project", () => {
    const as = (tenant: string, more: Record<string, string> = {}) => ({
      headers: { authorization: `Bearer ${keyOf(tenant)}`, ...more },
    });
    const projectId = `story-${crypto.randomUUID()}`;
    const secrets: Readonly<Record<string, string>> = {
      [own]: "林青羽在长安遇见老剑客，他的剑名叫听雨。",
      [other]: "林青羽在洛阳遇见老画师，他的笔名叫惊鸿。",
    };

    beforeAll(async () => {
      for (const [tenant, text] of Object.entries(secrets)) {
        const documents = [{ id: "1", doc_type: "chapter", title: "相遇", text, summary: text, order: 1 }];
        const answer = await fetch(`http://127.0.0.1:${service.settings.SERVICE_PORT}/api/v1/knowledge/documents`, {
          method: "POST",
          headers: { authorization: `Bearer ${serviceToken}`, "content-type": "application/json" },
          body: JSON.stringify({ tenant, project: projectId, documents }),
        });
        expect(await answer.json()).toEqual({ indexed: 1, passages: 1 });
      }
    });

    const forged = (tenant: string) => ({ "x-qingyu-tenant": tenant, "x-qingyu-user-id": tenant });

    it.each([
      [own, other],
      [other, own],
    ])("is found by its tenant and by nobody else, whatever his headers say: %s", async (tenant, victim) => {
      // The second time out of the cache.
      for (const headers of [{}, forged(victim), {}, forged(victim)]) {
        const { results, total } = await client().queryKnowledge(
          { query: "林青羽遇见谁？", projectId, topK: 5 },
          as(tenant, headers),
        );
        expect([results.map(({ content }) => content), total]).toEqual([[secrets[tenant]], 1]);
        const { context } = await client().getContext(
          { projectId, chapterId: "2", taskType: "continue_writing" },
          as(tenant, headers),
        );
        const summaries = context?.previousChapters.map(({ summary }) => summary);
        expect(summaries).toEqual([expect.stringContaining(String(secrets[tenant]))]);
        expect(summaries?.join()).not.toContain(secrets[victim]);
      }
    });

    it("is nobody's who has another key", async () => {
      const asked = { query: "林青羽遇见谁？", projectId };
      const { results } = await client().queryKnowledge(asked, {
        headers: { ...asToken, ...forged(own) },
      });
      expect(results).toEqual([]);
      const stranger = client().queryKnowledge(asked, { headers: { authorization: `Bearer ${serviceToken}` } });
      await expect(stranger).rejects.toMatchObject({ rawMessage: expect.stringMatching(/key|token/i), code: 16 });
    });
  });
});
