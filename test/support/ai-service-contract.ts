import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, describe } from "vitest";
import { AIService } from "../../src/gen/qingyu/ai/ai_service_pb.ts";
import { testAgents } from "./ai-service-contract/agents.ts";
import { token } from "./ai-service-contract/asking.ts";
import { testCreativeWork } from "./ai-service-contract/creative.ts";
import { testEmbedding } from "./ai-service-contract/embedding.ts";
import { testGeneration } from "./ai-service-contract/generation.ts";
import { testKnowledge } from "./ai-service-contract/knowledge.ts";
import { testRefusals } from "./ai-service-contract/refusals.ts";
import { testStories } from "./ai-service-contract/stories.ts";
import { testTasks } from "./ai-service-contract/tasks.ts";
import { testWire } from "./ai-service-contract/wire.ts";

export interface Service {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/**
 * What every AI service that the project ships must do, whatever it is written in: texts by the embedded writer, structures
 * by the embedded author, and a knowledge base that is empty.
 */
export function describeContract(name: string, start: (token: string) => Promise<Service>): void {
  describe.concurrent(`the AI service contract, by ${name}`, () => {
    let service: Service;
    beforeAll(async () => {
      service = await start(token);
    }, 60_000);
    afterAll(async () => await service.close(), 30_000);

    describe.each([
      ["Connect", "binary", createConnectTransport, true],
      ["Connect", "JSON", createConnectTransport, false],
      ["gRPC-Web", "binary", createGrpcWebTransport, true],
      ["gRPC-Web", "JSON", createGrpcWebTransport, false],
    ])("over %s, in %s", (_protocol, _encoding, transportOf, useBinaryFormat) => {
      const client = () => createClient(AIService, transportOf({ baseUrl: service.url, useBinaryFormat }));
      testGeneration(client);
      testEmbedding(client);
      testKnowledge(client);
      testCreativeWork(client);
      testAgents(client);
      testStories(client);
      testRefusals(client);
    });

    testTasks(() => createClient(AIService, createConnectTransport({ baseUrl: service.url, useBinaryFormat: true })));
    testWire(() => service.url);
  });
}
