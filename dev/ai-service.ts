import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AIService, type GenerateContentRequest } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { embed, type Writing, write } from "./embedded-writer.ts";

export interface AiServiceOptions {
  /** 0 for any free port. */
  readonly port: number;
  /** The bearer token to ask for; none where absent. */
  readonly token?: string;
}

export interface RunningAiService {
  readonly url: string;
  /** Stops listening and ends what is still open. */
  readonly close: () => Promise<void>;
}

const model = "embedded";
const embeddingDimension = 1024;
const millisecondsPerPiece = 15;
const maxMessageBytes = 8 * 1024 * 1024;

/**
 * A stand-in for the Python AI service on 127.0.0.1: Connect and gRPC-Web, what the gateway asks of the contract, text and
 * vectors by the embedded writer. Rejects where the port is taken.
 */
export async function startAiService({ port, token }: AiServiceOptions): Promise<RunningAiService> {
  const server = createServer(
    connectNodeAdapter({ routes: (router) => routes(router, token), grpc: false, readMaxBytes: maxMessageBytes }),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${portOf(server.address())}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (typeof address === "object" && address) return address.port;
  throw new Error("the server has no port");
}

function routes(router: ConnectRouter, token: string | undefined): void {
  router.service(AIService, {
    async generateContent(request, context) {
      admit(context, token);
      const { pieces, ...rest } = write(taskOf(request));
      for (const _ of pieces) await breathe(context);
      return {
        content: pieces.join(""),
        tokensUsed: usageOf({ pieces, ...rest }).totalTokens,
        ...endOf({ pieces, ...rest }),
      };
    },
    async *streamGenerateContent(request, context) {
      admit(context, token);
      const writing = write(taskOf(request));
      for (const delta of writing.pieces) {
        yield { delta, model };
        await breathe(context);
      }
      const { finishReason, usage } = endOf(writing);
      yield { finishReason, usage };
    },
    embedText(request, context) {
      admit(context, token);
      if (request.texts.length === 0) throw new ConnectError("texts: must not be empty", Code.InvalidArgument);
      return {
        embeddings: request.texts.map((text) => ({
          vector: embed(text, embeddingDimension),
          dimension: embeddingDimension,
        })),
      };
    },
    healthCheck: () => ({ status: "healthy", checks: { embedded_writer: "ok" } }),
  });
}

/** Checks the token, and echoes the request id, by which the gateway knows its answers. */
function admit(context: HandlerContext, token: string | undefined): void {
  const requestId = context.requestHeader.get("x-request-id");
  if (requestId !== null) context.responseHeader.set("x-request-id", requestId);
  if (token !== undefined && context.requestHeader.get("authorization") !== `Bearer ${token}`) {
    throw new ConnectError("the bearer token is wrong", Code.Unauthenticated);
  }
}

function taskOf(request: GenerateContentRequest) {
  const prompt = request.messages.map(({ content }) => content).join("\n") || request.prompt;
  if (prompt === "") throw new ConnectError("prompt is empty", Code.InvalidArgument);
  const { maxTokens = 0, stop = [], responseFormat } = request.options ?? {};
  return { prompt, maxTokens, stop, json: responseFormat === "json_object" };
}

function endOf(writing: Writing) {
  return {
    model,
    finishReason: writing.finishReason,
    generatedAt: BigInt(Math.floor(Date.now() / 1000)),
    usage: usageOf(writing),
  };
}

function usageOf({ promptTokens, pieces }: Writing) {
  return { promptTokens, completionTokens: pieces.length, totalTokens: promptTokens + pieces.length };
}

/** A natural pace. Ends with the caller: throws when it has left or its deadline has passed. */
async function breathe({ signal }: HandlerContext): Promise<void> {
  await pause(millisecondsPerPiece, undefined, { signal }).catch(() => undefined);
  // Connect's own reason says which of the two it was; Node's AbortError would be answered as `internal`.
  signal.throwIfAborted();
}
