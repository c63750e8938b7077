import { Hono } from "hono";
import { collect } from "../../collect.ts";
import type { Config } from "../../config/config.ts";
import type { Generation, GenerationStream, Usage } from "../../generation.ts";
import type { RequestRecord } from "../../record.ts";
import type { Generate } from "../../upstream.ts";
import { startCall, type Walk } from "../call.ts";
import { envelopes, qingyuSuccess } from "../envelopes.ts";
import { type Encoder, sseEvent } from "../event-stream.ts";
import { readJson } from "../json-body.ts";
import { requireWithinLimits } from "../limits.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { answerEvents, answerJson } from "../surface.ts";
import { fromGenerateRequest, generateRequest } from "./request.ts";

const fieldNames = { prompt: "prompt", maxTokens: "options.maxTokens", model: "options.model" };

/** The Qingyu platform's surface: camelCase JSON in the platform's envelope. */
export function qingyuRoutes(config: Config, generate: Generate): Hono<Walk> {
  const routes = new Hono<Walk>();

  routes.post("/generate", async (c) => {
    const record = c.get("record");
    record.operation = "generate";
    const body = await readJson(c.req.raw, generateRequest, config.limits.bodyBytes);
    const request = fromGenerateRequest(body);
    const stream = body.options?.stream ?? acceptsEvents(c.req.header("accept"));
    record.model = request.model;
    requireWithinLimits(request, config, fieldNames);
    const started = startCall(c, stream, config);
    const answer = generate(request, started.call);
    if (!stream) {
      const generation = await collect(await answer);
      return answerJson(c, generation, qingyuSuccess(dataOf(generation), record.requestId));
    }
    return await answerEvents(c, answer, started, {
      encoder: (stream) => eventEncoder(stream, record),
      heartbeatMs: config.stream.heartbeatMs,
      errorEvent: ({ kind, message }) =>
        sseEvent(JSON.stringify({ code: envelopes[kind].qingyuCode, message, requestId: record.requestId }), "error"),
    });
  });
  routes.all("/generate", allowOnly("POST"));
  return routes;
}

function acceptsEvents(accept = ""): boolean {
  return accept.split(",").some((range) => range.split(";", 1)[0]?.trim().toLowerCase() === "text/event-stream");
}

function dataOf(generation: Generation) {
  const [{ content, finishReason }] = generation.choices;
  return {
    content,
    model: generation.model,
    tokensUsed: generation.usage?.totalTokens ?? null,
    finishReason,
    generatedAt: new Date(generation.createdAtMs).toISOString(),
    usage: usageOf(generation.usage),
    provider: generation.provider,
  };
}

/** Null where the provider did not report it, never zeros. */
function usageOf(usage: Usage | undefined) {
  return usage?.split ? { ...usage.split, totalTokens: usage.totalTokens } : null;
}

function eventEncoder({ provider }: GenerationStream, record: RequestRecord): Encoder {
  return {
    chunk: ({ delta }) => (delta === "" ? "" : sseEvent(JSON.stringify({ delta }), "message")),
    end() {
      const done = {
        model: record.model,
        finishReason: record.finishReason,
        tokensUsed: record.usage?.totalTokens ?? null,
        usage: usageOf(record.usage),
        provider,
        requestId: record.requestId,
      };
      return sseEvent(JSON.stringify(done), "done");
    },
  };
}
