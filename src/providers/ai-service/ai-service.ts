import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, createClient } from "@connectrpc/connect";
import {
  AIService,
  type GenerateContentChunk,
  GenerateContentRequestSchema,
  type TokenUsage,
} from "../../gen/qingyu/ai/ai_service_pb.ts";
import {
  type FinishReason,
  finishReasons,
  type Generation,
  type GenerationDefaults,
  type GenerationRequest,
  type GenerationStream,
  type KnowledgeState,
  knowledgeStates,
  type Usage,
} from "../../generation.ts";
import type { Answer } from "../../operation.ts";
import type { Call, Provider } from "../../upstream.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { type ModelRules, modelFor } from "../model.ts";
import { renderPrompt, textOf } from "../prompt.ts";
import { callHeaders, type Fetch } from "../wire/send.ts";
import { connectFailure } from "./failure.ts";
import { connectTransport } from "./transport.ts";

export interface AiServiceOptions extends ModelRules {
  readonly name: string;
  readonly baseUrl: string;
  readonly protocol: "connect" | "grpc-web";
  /** The service's bearer token. */
  readonly token?: string;
  readonly contextTokens?: number;
  readonly defaults: GenerationDefaults;
  readonly fetch: Fetch;
}

/** How long a method that the service said it lacks is not asked for again. */
const unimplementedForMs = 60_000;

/** The Qingyu platform's Python AI service (proto/qingyu/ai/ai_service.proto) over Connect or gRPC-Web. It carries text, and no parameter that the contract lacks. */
export function aiService(options: AiServiceOptions): Provider {
  const client = createClient(AIService, connectTransport(options.protocol, options.baseUrl, options.fetch));
  const unimplementedUntilMs = { generateContent: 0, streamGenerateContent: 0 };

  /** Runs a call, translates its failure, and remembers where the service lacks the method. */
  async function ask<T>(method: keyof typeof unimplementedUntilMs, run: () => Promise<T>): Promise<T> {
    if (Date.now() < unimplementedUntilMs[method]) throw UpstreamFailure.peer("unimplemented");
    try {
      return await run();
    } catch (error) {
      const failure = connectFailure(error);
      if (failure.failure.reason === "unimplemented") unimplementedUntilMs[method] = Date.now() + unimplementedForMs;
      throw failure;
    }
  }

  async function whole(request: GenerationRequest, call: Call): Promise<Answer<Generation>> {
    const asked = wireRequest(request, options);
    const response = await ask("generateContent", () =>
      client.generateContent(asked, callOptions(call, request, options)),
    );
    return {
      ...answerHead(options, asked, response.model),
      choices: [{ content: response.content, finishReason: finishReasonFrom(response.finishReason) }],
      usage: usageFrom(response.usage, response.tokensUsed),
      knowledge: knowledgeFrom(response.knowledge),
    };
  }

  /** The answer as it comes. The first message is awaited, since only it tells whether the service has the method. */
  async function streamed(request: GenerationRequest, call: Call): Promise<Answer<Generation>> {
    const asked = wireRequest(request, options);
    const [messages, first] = await ask("streamGenerateContent", async () => {
      const iterator = client.streamGenerateContent(asked, callOptions(call, request, options))[Symbol.asyncIterator]();
      return [iterator, await iterator.next()] as const;
    });
    const model = first.done ? undefined : first.value.model;
    return { ...answerHead(options, asked, model), read: chunkReader(first, messages) };
  }

  return {
    name: options.name,
    contextTokens: options.contextTokens,
    offers: {
      generate: {
        unsupported,
        ask: (request, call) => (call.stream ? streamed(request, call) : whole(request, call)),
        mayLackStreams: true,
      },
    },
    async probe(signal) {
      const { status } = await client.healthCheck({}, { signal, headers: authorization(options) });
      return status === "healthy" || status === "degraded" ? status : "unhealthy";
    },
  };
}

function unsupported({ messages, extra }: GenerationRequest): string | undefined {
  for (const message of messages) {
    const [member] = Object.keys(message.extra ?? {});
    if (member !== undefined) return `messages.${member}`;
    if (textOf(message) === undefined) return "messages.content";
  }
  return Object.keys(extra ?? {})[0];
}

function wireRequest(request: GenerationRequest, options: AiServiceOptions) {
  const { defaults } = options;
  const wire: MessageInitShape<typeof GenerateContentRequestSchema> = {
    projectId: request.projectId,
    chapterId: request.chapterId,
    prompt: renderPrompt(request.messages),
    messages: request.messages.map((message) => ({
      role: message.role === "developer" ? "system" : message.role,
      content: textOf(message),
      name: message.name,
    })),
    userId: request.user,
    options: {
      // Without a name the service takes its own model.
      model: request.model === undefined ? (options.model ?? "") : modelFor(request.model, options),
      maxTokens: request.maxTokens ?? defaults.maxTokens,
      temperature: request.temperature ?? defaults.temperature,
      stop: [...(request.stop ?? [])],
      topP: request.topP,
      seed: request.seed === undefined ? undefined : BigInt(request.seed),
      presencePenalty: request.presencePenalty,
      frequencyPenalty: request.frequencyPenalty,
      responseFormat: request.responseFormat,
    },
  };
  return create(GenerateContentRequestSchema, wire);
}

function callOptions(call: Call, request: GenerationRequest, options: AiServiceOptions): CallOptions {
  return {
    signal: call.signal,
    timeoutMs: Math.max(1, Math.floor(call.deadlineMs - Date.now())),
    headers: {
      ...authorization(options),
      ...callHeaders(call),
      "x-qingyu-tenant": call.tenant,
      ...(request.user !== undefined && { "x-qingyu-user-id": headerValue(request.user) }),
    },
  };
}

function authorization({ token }: AiServiceOptions): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/** Headers carry visible ASCII; anything else is percent-encoded as in a URL. */
function headerValue(text: string): string {
  return /^[\x21-\x7e]+$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}

function answerHead(options: AiServiceOptions, asked: { options?: { model: string } }, model: string | undefined) {
  return {
    provider: options.name,
    // Where nobody named a model, all that is known is who answered.
    model: model?.slice(0, 200) || asked.options?.model || options.name,
    createdAtMs: Date.now(),
  };
}

/** A stream as it comes. It ends normally only at the protocol's own end of stream, which Connect checks. */
function chunkReader(
  first: IteratorResult<GenerateContentChunk>,
  messages: AsyncIterator<GenerateContentChunk>,
): GenerationStream["read"] {
  let known: typeof first | undefined = first;
  let finishReason: FinishReason | undefined;
  let knowledge: KnowledgeState | undefined;
  let isOver = false;
  return async () => {
    if (isOver) return undefined;
    const next = known ?? (await messages.next().catch(throwFailure));
    known = undefined;
    if (next.done) {
      isOver = true;
      return [{ choice: 0, delta: "", finishReason: finishReason ?? "stop", knowledge }];
    }
    const message = next.value;
    // Held back until the end of the stream has proved that it is true.
    if (message.finishReason !== "") finishReason = finishReasonFrom(message.finishReason);
    knowledge ??= knowledgeFrom(message.knowledge);
    return [
      {
        choice: 0,
        delta: message.delta,
        model: message.model.slice(0, 200) || undefined,
        usage: usageFrom(message.usage, 0),
        isSignOfLife: isSignOfLife(message),
      },
    ];
  };
}

function throwFailure(error: unknown): never {
  throw connectFailure(error);
}

/** The contract's way to say that the model is thinking. */
function isSignOfLife({ delta, finishReason, usage }: GenerateContentChunk): true | undefined {
  return delta === "" && finishReason === "" && usage === undefined ? true : undefined;
}

/** Services that do not say how an answer ended mean that it ended. Throws where one says something unknown. */
function finishReasonFrom(name: string): FinishReason {
  if (name === "") return "stop";
  const reason = finishReasons.find((known) => known === name);
  if (!reason) throw UpstreamFailure.wire("malformed");
  return reason;
}

function knowledgeFrom(word: string): KnowledgeState | undefined {
  return knowledgeStates.find((known) => known === word);
}

/** 0 is what the service says when it does not know. */
function usageFrom(usage: TokenUsage | undefined, tokensUsed: number): Usage | undefined {
  if (usage && usage.totalTokens > 0) {
    const { promptTokens, completionTokens, totalTokens } = usage;
    return { totalTokens, split: { promptTokens, completionTokens } };
  }
  return tokensUsed > 0 ? { totalTokens: tokensUsed } : undefined;
}
