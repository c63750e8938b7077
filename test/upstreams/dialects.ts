import { connect, connectStream, grpcWeb } from "./ai-service-dialects.ts";
import type { Dialect } from "./dialect.ts";
import { openAi, openAiStream } from "./openai-dialects.ts";

/** The protocol that a request speaks. */
export function dialectOf(path: string, contentType: string, body: Buffer): Dialect {
  const method = path.split("/").at(-1) ?? "";
  if (contentType === "application/json") return body.includes('"stream":true') ? openAiStream : openAi;
  if (contentType.startsWith("application/grpc-web")) return grpcWeb(method);
  if (contentType === "application/connect+proto") return connectStream;
  return connect(method);
}
