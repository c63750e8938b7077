import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { testApp } from "./support/app-on-fake-network.ts";

const { method } = AIService;
const onlyService = { PYTHON_AI_SERVICE_URL: "http://ai.test", AI_PROVIDERS: "ai-service" };

describe("an RPC of the contract", () => {
  const outline = { title: "青羽", chapters: [{ chapterId: 1, title: "夜雨" }] };
  const network = (seen: unknown[]) =>
    new Hono().post("/qingyu.ai.AIService/GenerateOutline", async (c) => {
      seen.push(
        toJson(
          method.generateOutline.input,
          fromBinary(method.generateOutline.input, new Uint8Array(await c.req.arrayBuffer())),
        ),
      );
      const answer = create(method.generateOutline.output, { outline, executionTime: 8.5 });
      return c.body(toBinary(method.generateOutline.output, answer).slice(), 200, {
        "content-type": "application/proto",
      });
    });

  it.each([
    ["Connect", createConnectTransport],
    ["gRPC-Web", createGrpcWebTransport],
  ])("passes through %s in both encodings as it is", async (_, transportOf) => {
    for (const useBinaryFormat of [true, false]) {
      const seen: unknown[] = [];
      const { fetch } = testApp({ settings: onlyService, network: network(seen) });
      const client = createClient(
        AIService,
        transportOf({ baseUrl: "http://localhost", useBinaryFormat, fetch: (url, init) => fetch(String(url), init) }),
      );
      const answer = await client.generateOutline({ task: "写一部小说", projectId: "p" });
      expect(toJson(method.generateOutline.output, answer)).toEqual({ outline, executionTime: 8.5 });
      expect(seen).toEqual([{ task: "写一部小说", projectId: "p" }]);
    }
  });
});
