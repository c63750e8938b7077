import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { creativeMethods } from "./ai-service-creative.ts";
import { checkFilters, checkTexts, checkTopK, invalid, required } from "./ai-service-requests.ts";
import { writingMethods } from "./ai-service-writing.ts";
import { contextOf, knownOf } from "./demo-project.ts";
import { embed } from "./embedded-writer.ts";

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

const embeddingDimension = 1024;
const maxMessageBytes = 8 * 1024 * 1024;

/**
 * A stand-in for the Python AI service on 127.0.0.1: the whole contract over Connect and gRPC-Web, text and vectors by the
 * embedded writer, structures by the embedded author, and nothing known of any project but the demo. Rejects where the port
 * is taken.
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
  const admit = (context: HandlerContext) => admitCall(context, token);
  router.service(AIService, {
    ...writingMethods(admit),
    ...creativeMethods(admit),
    embedText({ texts }, context) {
      admit(context);
      checkTexts(texts);
      const embeddings = texts.map((text) => ({
        vector: embed(text, embeddingDimension),
        dimension: embeddingDimension,
      }));
      return { embeddings };
    },
    queryKnowledge({ projectId, query, topK, filters }, context) {
      admit(context);
      required("project_id", projectId);
      checkTopK(topK);
      required("query", query);
      checkFilters(filters);
      return knownOf({ projectId, query, topK, filters });
    },
    getContext({ projectId, chapterId, taskType }, context) {
      admit(context);
      required("project_id", projectId);
      return contextOf(projectId, chapterId, taskType);
    },
    healthCheck: () => ({ status: "healthy", checks: { embedded_writer: "ok" } }),
  });
}

/** Checks token and tenant, and echoes the request id, by which the gateway knows its answers. */
function admitCall({ requestHeader, responseHeader }: HandlerContext, token: string | undefined): void {
  const requestId = requestHeader.get("x-request-id");
  if (requestId !== null) responseHeader.set("x-request-id", requestId);
  if (token !== undefined && requestHeader.get("authorization") !== `Bearer ${token}`) {
    throw new ConnectError("unauthenticated: The bearer token is wrong.", Code.Unauthenticated);
  }
  if (!/^[A-Za-z0-9._-]{0,64}$/.test(requestHeader.get("x-qingyu-tenant") ?? "")) {
    throw invalid("x-qingyu-tenant: must be at most 64 letters, digits, dots, underscores or hyphens");
  }
}
