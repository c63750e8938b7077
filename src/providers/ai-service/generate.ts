import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  AIService,
  type GenerateContentChunk,
  GenerateContentRequestSchema,
  type TokenUsage,
} from "../../gen/qingyu/ai/ai_service_pb.ts";
import {
  defaultsFor,
  type FinishReason,
  type Generation,
  type GenerationDefaults,
  type GenerationRequest,
  type GenerationStream,
  type KnowledgeState,
  knowledgeStates,
  type Usage,
} from "../../generation.ts";
import type { Answer } from "../../operation.ts";
import { neededInMessage, neededInRequest, optionalParameters } from "../../parameters.ts";
import type { Call, GenerationAnswer, Offer } from "../../upstream.ts";
import { usageOf } from "../../usage.ts";
import { finishReasonOf } from "../finish-reason.ts";
import { type ModelRules, modelFor, modelNameIn } from "../model.ts";
import { renderPrompt, textOf } from "../prompt.ts";
import { chunkReader, type EventDecoder } from "../wire/chunks.ts";
import type { Service } from "./client.ts";

export interface GenerateOptions extends ModelRules {
  readonly name: string;
  readonly defaults: GenerationDefaults;
}

/** The service's offer to generate: text only, and no parameter that the contract lacks. */
export function generateOffer(
  { unary, stream, ask, callOptions }: Service,
  options: GenerateOptions,
): Offer<GenerationRequest, GenerationAnswer> {
  async function whole(request: GenerationRequest, call: Call): Promise<Answer<Generation>> {
    const asked = wireRequest(request, call, options);
    const method = AIService.method.generateContent;
    const response = await ask(method, () => unary(method, asked, callOptions(call, request.user)));
    return {
      ...answerHead(options, asked, response.model),
      choices: [{ content: response.content, finishReason: finishReasonFrom(response.finishReason, call) }],
      usage: usageFrom(response.usage, response.tokensUsed),
      knowledge: knowledgeFrom(response.knowledge),
    };
  }

  /** The answer as it comes. The first messages are awaited, since only they tell whether the service has the method. */
  async function streamed(request: GenerationRequest, call: Call): Promise<Answer<Generation>> {
    const asked = wireRequest(request, call, options);
    const method = AIService.method.streamGenerateContent;
    const [first, read] = await ask(method, async () => {
      const messages = await stream(method, asked, callOptions(call, request.user));
      const reader = chunkReader(messages, chunkDecoder(call));
      return [await reader(), reader] as const;
    });
    return { ...answerHead(options, asked, first?.[0]?.model), read: startingWith(first, read) };
  }

  return {
    unsupported,
    omitted: optionalParameters,
    ask: (request, call) => (call.stream ? streamed(request, call) : whole(request, call)),
    mayLackStreams: true,
  };
}

/** Room for an outline of some thirty chapters; the service's own default may be that of a page. */
const structureTokens = 8192;

function unsupported(request: GenerationRequest): string | undefined {
  for (const message of request.messages) {
    const member = neededInMessage(message);
    if (member !== undefined) return `messages.${member}`;
    if (textOf(message) === undefined) return "messages.content";
  }
  return neededInRequest(request);
}

function wireRequest(request: GenerationRequest, { caller }: Call, options: GenerateOptions) {
  const { defaults } = options;
  // The service has defaults of its own, which nobody has chosen here.
  const { maxTokens, temperature } = defaultsFor({ ...request, isAsWritten: undefined }, defaults);
  const wire: MessageInitShape<typeof GenerateContentRequestSchema> = {
    projectId: request.projectId,
    chapterId: request.chapterId,
    prompt: renderPrompt(request.messages),
    messages: request.messages.map((message) => ({
      role: message.role === "developer" ? "system" : message.role,
      content: textOf(message),
      name: message.name,
    })),
    userId: caller.user ?? request.user,
    options: {
      // Without a name the service takes its own model.
      model: request.model === undefined ? (options.model ?? "") : modelFor(request.model, options),
      maxTokens: request.maxTokens ?? maxTokens ?? structureTokens,
      temperature: request.temperature ?? temperature,
      stop: [...(request.stop ?? [])],
      topP: request.topP,
      seed: request.seed === undefined ? undefined : BigInt(request.seed),
      presencePenalty: request.presencePenalty,
      frequencyPenalty: request.frequencyPenalty,
      // The contract has no schema.
      responseFormat: request.responseFormat ?? (request.structure && "json_object"),
    },
  };
  return create(GenerateContentRequestSchema, wire);
}

function answerHead(options: GenerateOptions, asked: { options?: { model: string } }, model: string | undefined) {
  return {
    provider: options.name,
    // Where nobody named a model, all that is known is who answered.
    model: modelNameIn(model) ?? (asked.options?.model || options.name),
    createdAtMs: Date.now(),
  };
}

/** A stream's messages. The answer is complete only at the protocol's own end of stream. */
function chunkDecoder(call: Call): EventDecoder<GenerateContentChunk> {
  let finishReason: FinishReason | undefined;
  let knowledge: KnowledgeState | undefined;
  return {
    isComplete: () => false,
    take(message, batch) {
      // Held back until the end of the stream has proved that it is true.
      if (message.finishReason !== "") finishReason = finishReasonFrom(message.finishReason, call);
      knowledge ??= knowledgeFrom(message.knowledge);
      batch.push({
        choice: 0,
        delta: message.delta,
        model: modelNameIn(message.model),
        usage: usageFrom(message.usage, 0),
        isSignOfLife: isSignOfLife(message),
      });
      return false;
    },
    end(batch) {
      batch.push({ choice: 0, delta: "", finishReason: finishReason ?? "stop", knowledge });
    },
  };
}

/** A stream's `read` whose first batch has come already. */
function startingWith(
  first: Awaited<ReturnType<GenerationStream["read"]>>,
  read: GenerationStream["read"],
): GenerationStream["read"] {
  let next: Promise<typeof first> | undefined = Promise.resolve(first);
  return () => {
    const taken = next ?? read();
    next = undefined;
    return taken;
  };
}

/** The contract's way to say that the model is thinking. */
function isSignOfLife({ delta, finishReason, usage }: GenerateContentChunk): true | undefined {
  return delta === "" && finishReason === "" && usage === undefined ? true : undefined;
}

/**
 * Services that do not say how an answer ended mean that it ended. Their words are an open set: one that is not known ends
 * an answer like `stop`, and is written down.
 */
function finishReasonFrom(word: string, { record }: Call): FinishReason {
  if (word === "") return "stop";
  const reason = finishReasonOf(word);
  if (!reason) record.unknownFinishReason = wordForm.test(word) ? word : "unreadable";
  return reason ?? "stop";
}

/** What is written into the log of what a service says. */
const wordForm = /^[\w.-]{1,64}$/;

function knowledgeFrom(word: string): KnowledgeState | undefined {
  return knowledgeStates.find((known) => known === word);
}

/** 0 is what the service says when it does not know. */
function usageFrom(usage: TokenUsage | undefined, tokensUsed: number): Usage | undefined {
  const full = usage && usage.totalTokens > 0 ? usageOf(usage) : undefined;
  return full ?? (tokensUsed > 0 ? { totalTokens: tokensUsed } : undefined);
}
