import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Context, Hono } from "hono";
import {
  type RAGQueryRequest,
  RAGQueryRequestSchema,
  RAGQueryResponseSchema,
} from "../../src/gen/qingyu/ai/ai_service_pb.ts";
import { testApp } from "./app-on-fake-network.ts";
import { protoResponse, type Reply, unimplemented, writerSettings, writers } from "./writers.ts";

type Answering = (c: Context) => Response | Promise<Response>;

export interface PlatformOptions {
  /** What the platform's internal API answers of a document; 404 unless told. */
  readonly content?: Answering;
  readonly outline?: Answering;
  /** What QueryKnowledge finds; none where there is no knowledge base. */
  readonly knowledge?: (asked: RAGQueryRequest, tenant: string) => readonly object[] | Response;
  readonly replies?: readonly Reply[];
  readonly settings?: Record<string, unknown>;
}

/** The platform, an AI service with a knowledge base and a language model on one network, and the gateway before them. */
export function platformApp({ content, outline, knowledge, replies = [], settings }: PlatformOptions = {}) {
  const { network: models, visits } = writers(replies);
  const seen: Request[] = [];
  const searches: { asked: RAGQueryRequest; tenant: string; user: string | null }[] = [];
  const notFound = (c: Context) => c.json({ error: "document not found" }, 404);
  const network = new Hono();
  // As a network does, and without a word in the log.
  network.onError((error) => {
    throw error;
  });
  network.use("*", async (c, next) => {
    if (!c.req.url.startsWith("https://platform.test/")) return await next();
    seen.push(c.req.raw);
    if (/\/documents\/[^/]+\/content$/.test(c.req.path)) return await (content ?? notFound)(c);
    return await (outline ?? notFound)(c);
  });
  network.post("/qingyu.ai.AIService/QueryKnowledge", async (c) => {
    if (!knowledge) return unimplemented();
    const asked = fromBinary(RAGQueryRequestSchema, new Uint8Array(await c.req.arrayBuffer()));
    const tenant = c.req.header("x-qingyu-tenant") ?? "";
    searches.push({ asked, tenant, user: c.req.header("x-qingyu-user-id") ?? null });
    const found = knowledge(asked, tenant);
    if (found instanceof Response) return found;
    return protoResponse(toBinary(RAGQueryResponseSchema, create(RAGQueryResponseSchema, { results: [...found] })));
  });
  network.all("*", (c) => models.fetch(c.req.raw));
  const app = testApp({
    network,
    settings: {
      ...writerSettings("ai-service,openai"),
      QINGYU_PLATFORM_URL: "https://platform.test",
      QINGYU_PLATFORM_SERVICE_KEY: "service-key-of-the-platform",
      ...settings,
    },
  });
  return { app, visits, seen, searches };
}
