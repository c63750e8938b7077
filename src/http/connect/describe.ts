import { type DescMethod, toJson } from "@bufbuild/protobuf";
import * as z from "zod/mini";
import { AIService, EmbedResponseSchema, GenerateContentResponseSchema } from "../../gen/qingyu/ai/ai_service_pb.ts";
import type { Rpc } from "../../rpcs/rpc.ts";
import { rpcs } from "../../rpcs/rpcs.ts";
import { exampleOf } from "../docs/contract-examples.ts";
import { checkOf, summaryOf } from "../docs/contract-words.ts";
import {
  asksForStream,
  asksProvider,
  asksWithoutCache,
  bodyErrors,
  type Description,
  json,
  type Route,
  requestBody,
  response,
} from "../docs/description.ts";
import { answer, embeddingModel, embeddings, messages, model, prompt } from "../docs/examples.ts";
import { refusalHeaderNames, requestHeaderRefs } from "../docs/headers.ts";
import { type CheckedMessage, type Comments, messageSchemas, protoJsonForm } from "../docs/message-schemas.ts";
import { type JsonSchema, jsonSchema, ref } from "../docs/schemas.ts";
import { embedContents, toEmbedResponse } from "./embed.ts";
import { contents, toGenerateContentResponse } from "./generate.ts";
import { connectSurface } from "./surface.ts";

interface Described {
  readonly method: DescMethod;
  readonly summary: string;
  /** What a request must be beyond its types. */
  readonly check?: JsonSchema;
  readonly requests?: Readonly<Record<string, unknown>>;
  readonly answer?: unknown;
  /** Where it asks no provider. */
  readonly errors?: Route["errors"];
  readonly isNeverCached?: boolean;
}

const { generateContent, streamGenerateContent, embedText, healthCheck } = AIService.method;
const project = { projectId: "qingyu", chapterId: "12" };
const options = { model, maxTokens: 200, temperature: 0.8 };

/** What has a form of its own here; one line is enough for a method. */
const described: readonly Described[] = [
  {
    method: generateContent,
    summary: "Continue a prompt or a conversation",
    check: jsonSchema(contents),
    requests: { conversation: { ...project, messages, options }, prompt: { ...project, prompt } },
    answer: toJson(GenerateContentResponseSchema, await toGenerateContentResponse(answer())),
  },
  { method: streamGenerateContent, summary: "The same, piece by piece" },
  {
    method: embedText,
    summary: "Turn texts into vectors",
    check: jsonSchema(embedContents),
    requests: { texts: { texts: [prompt, "抬头望见檐角一盏将熄的灯。"], model: embeddingModel } },
    answer: toJson(EmbedResponseSchema, toEmbedResponse(embeddings)),
  },
  {
    method: healthCheck,
    summary: "Whether the providers work",
    errors: bodyErrors,
    answer: { status: "degraded", checks: { "ai-service": "unhealthy", openai: "healthy" } },
  },
];

/** The surface for typed clients, from the contract itself. */
export function connectDescription(comments: Comments): Description {
  const methods = [...described, ...rpcs.map((rpc) => describedRpc(rpc, comments))];
  const messages = methods.flatMap(({ method, check }): CheckedMessage[] => [[method.input, check], [method.output]]);
  const connectError = z.object({ code: z.string(), message: z.optional(z.string()) });
  return {
    tag: "Connect",
    about: "For typed clients of `proto/`, over Connect and gRPC-Web.",
    errors: { surface: connectSurface, schemaName: "ConnectError" },
    schemas: { ...messageSchemas(messages, comments, protoJsonForm), ConnectError: jsonSchema(connectError) },
    routes: Object.fromEntries(methods.map((each) => [`POST /${AIService.typeName}/${each.method.name}`, route(each)])),
  };
}

function describedRpc(rpc: Rpc, comments: Comments): Described {
  const { method } = rpc;
  const { request, answer } = exampleOf(rpc);
  return {
    method,
    summary: summaryOf(method, comments),
    check: checkOf(rpc),
    requests: { request: toJson(method.input, request) },
    answer: toJson(method.output, answer),
    isNeverCached: !rpc.kept,
  };
}

function route({
  method,
  summary,
  requests = {},
  answer,
  errors = asksProvider.errors,
  isNeverCached,
}: Described): Route {
  const { name: operationId, methodKind, input, output } = method;
  const isUnary = methodKind === "unary";
  const wrongType = response("The content type is not the method's.", {});
  const compressed = response(
    "The body is compressed, and not by gzip.",
    json("ConnectError", { code: "unimplemented" }),
  );
  const { parameters = [], ...asks }: Partial<Route> =
    errors !== asksProvider.errors ? {} : isNeverCached ? asksWithoutCache : isUnary ? asksProvider : asksForStream;
  return {
    ...asks,
    parameters: [...parameters, ...requestHeaderRefs("connect-timeout-ms")],
    // An error that ends a stream before it begins has its headers there too.
    answerHeaders: isUnary ? asks.answerHeaders : [...(asks.answerHeaders ?? []), ...refusalHeaderNames],
    operationId,
    summary,
    description: isUnary
      ? "Also as binary protobuf, and over gRPC-Web."
      : "Needs a Connect or gRPC-Web client: messages are framed, and a failure is in the stream's end.",
    requestBody: isUnary ? requestBody(ref(input.name), requests) : { required: true, content: framed(input.name) },
    answer: isUnary ? json(output.name, answer) : framed(output.name),
    // A wrong type is refused by Connect itself, without a body.
    errors: isUnary ? errors.filter((error) => error !== "unsupported_media_type") : [],
    others: isUnary ? { 415: wrongType, 501: compressed } : { 415: wrongType },
  };
}

/** JSON Schema has no words for Connect's frames. */
function framed(message: string) {
  const schema = { description: `Frames, each of five bytes (flags and length) and a \`${message}\`.` };
  return { "application/connect+json": { schema }, "application/connect+proto": { schema } };
}
