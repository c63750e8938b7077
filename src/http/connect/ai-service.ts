import { create } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import { universalServerRequestFromFetch, universalServerResponseToFetch } from "@connectrpc/connect/protocol";
import { type Context, Hono } from "hono";
import { collect, streamOf } from "../../collect.ts";
import type { Config } from "../../config/config.ts";
import {
  AIService,
  type GenerateContentRequest,
  HealthCheckResponseSchema,
} from "../../gen/qingyu/ai/ai_service_pb.ts";
import type { Answer } from "../../generation.ts";
import type { Generate } from "../../upstream.ts";
import { answerHeaders } from "../answer-headers.ts";
import { startCall, type Walk } from "../call.ts";
import { tellable } from "../error-response.ts";
import type { Health } from "../health.ts";
import { requireWithinLimits } from "../limits.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { recordAnswer, recordChunk } from "../surface.ts";
import { connectErrorResponse, toConnectError } from "./error.ts";
import { fromGenerateContentRequest, toGenerateContentChunk, toGenerateContentResponse } from "./messages.ts";

const fieldNames = { prompt: "prompt", maxTokens: "options.max_tokens", model: "options.model" };

/** How a handler of Connect's gets at the request that Hono is walking. */
const walkKey = createContextKey<Context<Walk> | undefined>(undefined);

/** The surface for typed clients: the contract itself over Connect and gRPC-Web. Methods that it does not have are `unimplemented`. */
export function connectRoutes(config: Config, generate: Generate, health: () => Promise<Health>): Hono<Walk> {
  const { handlers } = createConnectRouter({
    grpc: false,
    acceptCompression: [],
    readMaxBytes: config.limits.bodyBytes,
  }).service(AIService, {
    async generateContent(message, context) {
      return await rpc(context, async (c) => {
        const generation = await collect(await ask(c, message, context, false).answer);
        recordAnswer(c.get("record"), generation);
        tell(c, context);
        return toGenerateContentResponse(generation);
      });
    },
    async *streamGenerateContent(message, context) {
      const c = walkOf(context);
      const record = c.get("record");
      const ended = Promise.withResolvers<void>();
      record.streamed = ended.promise;
      let leave: (() => void) | undefined;
      try {
        const asked = ask(c, message, context, true);
        leave = asked.leave;
        const answer = await asked.answer;
        recordAnswer(record, answer);
        tell(c, context);
        let model: string | undefined = answer.model;
        const { read } = streamOf(answer);
        for (let batch = await read(); batch; batch = await read()) {
          for (const chunk of batch) {
            recordChunk(record, chunk);
            if (chunk.delta === "" && !chunk.finishReason && !chunk.usage) continue;
            yield toGenerateContentChunk(chunk, model);
            model = undefined;
          }
        }
      } catch (error) {
        tell(c, context);
        throw toConnectError(tellable(error, record));
      } finally {
        // Also where the caller has stopped reading.
        leave?.();
        ended.resolve();
      }
    },
    async healthCheck() {
      const { status, dependencies } = await health();
      const checks = Object.fromEntries(Object.entries(dependencies).map(([name, { status }]) => [name, status]));
      return create(HealthCheckResponseSchema, { status, checks });
    },
  });
  const handlersByPath = new Map(handlers.map((handler) => [handler.requestPath, handler]));

  /** Runs a generation under the limits and the deadline of this gateway and of the caller's protocol. */
  function ask(
    c: Context<Walk>,
    message: GenerateContentRequest,
    context: HandlerContext,
    stream: boolean,
  ): { readonly answer: Promise<Answer>; readonly leave: () => void } {
    const record = c.get("record");
    record.operation = "generate";
    const request = fromGenerateContentRequest(message);
    record.model = request.model;
    requireWithinLimits(request, config, fieldNames);
    const { call, leave } = startCall(c, stream, config);
    const timeoutMs = context.timeoutMs();
    const deadlineMs = Math.min(call.deadlineMs, timeoutMs === undefined ? call.deadlineMs : Date.now() + timeoutMs);
    return { answer: generate(request, { ...call, deadlineMs }), leave };
  }

  const routes = new Hono<Walk>();
  routes.post("/:method", async (c) => {
    const handler = handlersByPath.get(c.req.path);
    if (!handler) {
      return connectErrorResponse(c.req.raw, new ConnectError("The method does not exist.", Code.Unimplemented));
    }
    const request = universalServerRequestFromFetch(c.req.raw, {});
    const contextValues = createContextValues().set(walkKey, c);
    return universalServerResponseToFetch(await handler({ ...request, contextValues }));
  });
  routes.all("/:method", allowOnly("POST"));
  return routes;
}

function walkOf(context: HandlerContext): Context<Walk> {
  const c = context.values.get(walkKey);
  if (!c) throw new Error("a Connect handler ran outside of a walk");
  return c;
}

/** Runs a unary method; what it throws is told as Connect tells errors. */
async function rpc<T>(context: HandlerContext, run: (c: Context<Walk>) => Promise<T>): Promise<T> {
  const c = walkOf(context);
  try {
    return await run(c);
  } catch (error) {
    tell(c, context);
    throw toConnectError(tellable(error, c.get("record")));
  }
}

/** Puts the headers that tell how an answer came about on its way; of a stream, before its first message. */
function tell(c: Context<Walk>, context: HandlerContext): void {
  const headers = answerHeaders(c.get("record"), Date.now());
  for (const [name, value] of Object.entries(headers)) context.responseHeader.set(name, value);
}
