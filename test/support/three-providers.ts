import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { GenerateContentRequestSchema, GenerateContentResponseSchema } from "../../src/gen/qingyu/ai/ai_service_pb.ts";
import { completion } from "../upstreams/openai-answers.ts";

/** A provider of each type in one network, each of which answers whole and keeps what it was asked for, as JSON. */
export function threeProviders() {
  const seen: unknown[] = [];
  const network = new Hono();
  network.post("/v1/chat/completions", async (c) => {
    seen.push(await c.req.json());
    return c.json(completion("好"));
  });
  network.post("/v1/messages", async (c) => {
    seen.push(await c.req.json());
    return c.json({ model: "m", content: [{ type: "text", text: "好" }], stop_reason: "end_turn" });
  });
  network.post("/qingyu.ai.AIService/GenerateContent", async (c) => {
    const message = fromBinary(GenerateContentRequestSchema, new Uint8Array(await c.req.arrayBuffer()));
    seen.push(toJson(GenerateContentRequestSchema, message));
    const answer = toBinary(GenerateContentResponseSchema, create(GenerateContentResponseSchema, { content: "好" }));
    return c.body(new Uint8Array(answer), 200, { "content-type": "application/proto" });
  });
  return { network, seen };
}
