import * as z from "zod/mini";
import { startCollecting } from "../collect.ts";
import {
  type Choice,
  defaultsFor,
  type FinishReason,
  finishReasons,
  type Generation,
  type GenerationDefaults,
  type GenerationRequest,
  knowledgeStates,
} from "../generation.ts";
import type { Lifetimes, Limits, Operation } from "../operation.ts";
import { fewestTokens, promptEstimate, textsIn, tokensAbout } from "../token-count.ts";
import { storedUsage } from "./stored-usage.ts";

export interface GenerateOptions {
  readonly defaults: GenerationDefaults;
  readonly limits: Limits;
  readonly lifetimes: Lifetimes;
  /** `user`: callers of one tenant share answers only where they name the same end user. */
  readonly scope: "tenant" | "user";
}

/** Text that goes on with a conversation. */
export function generateOperation({
  defaults,
  limits,
  lifetimes,
  scope,
}: GenerateOptions): Operation<GenerationRequest, Generation> {
  return {
    name: "generate",
    modelOf: ({ model = "" }) => model,
    /** A field that is added to `GenerationRequest` does not compile until it is classified here. */
    meaning: (request, caller): Record<keyof GenerationRequest, unknown> => ({
      projectId: request.projectId,
      chapterId: request.chapterId,
      user: scope === "user" ? (caller.user ?? request.user) : undefined,
      // A caller who names no model gets the AI service's own, and the default only of other providers: that is no request
      // for the default by its name.
      model: request.model ?? [defaults.model],
      messages: request.messages,
      // What is left out to others is the platform's default for the AI service: neither that nor nothing.
      maxTokens: request.maxTokens ?? defaultsFor(request, defaults).maxTokens ?? [defaults.platform.maxTokens],
      maxTokensName: undefined,
      temperature: request.temperature ?? defaultsFor(request, defaults).temperature ?? [defaults.platform.temperature],
      isAsWritten: undefined,
      suggested: undefined,
      topP: request.topP,
      stop: request.stop,
      seed: request.seed,
      presencePenalty: request.presencePenalty,
      frequencyPenalty: request.frequencyPenalty,
      responseFormat: request.responseFormat,
      structure: request.structure,
      extra: request.extra,
    }),
    isEmpty,
    finishReason: ({ choices }) => choices[0].finishReason,
    // His own limit, or his own words at which it stops.
    mayEndEmpty: ({ stop = [] }, finishReason) =>
      finishReason === "length" || (finishReason === "stop" && stop.length > 0),
    // A model that thinks may use up all that it is given. What was only suggested another one may do with.
    isAnswerThoughEmpty: ({ maxTokens, suggested }, finishReason) =>
      finishReason === "length" && (maxTokens !== undefined || suggested?.maxTokens === undefined),
    collector: startCollecting,
    storage: {
      isStorable: (generation) =>
        !generation.hasGap &&
        generation.knowledge !== "unavailable" &&
        generation.choices.every(({ finishReason }) => storable.has(finishReason)) &&
        generation.choices.some(isText),
      toJson: (generation) => generation,
      fromJson: (value) => generationSchema.safeParse(value).data,
    },
    lifetimes,
    mayRetry: true,
    limits,
    fewestTokens,
    estimate(request) {
      const { maxTokens = defaultsFor(request, defaults).maxTokens } = request;
      const answers = typeof request.extra?.n === "number" ? request.extra.n : 1;
      const completionTokens = answers * (maxTokens ?? defaults.platform.maxTokens);
      // A bound that the caller has not named is ours, and no demand of his.
      return { promptTokens: promptEstimate(request), completionTokens, isGuess: request.maxTokens === undefined };
    },
    tokensIn: ({ choices }) =>
      Math.ceil(tokensAbout(...textsIn(choices.map(({ content, extra }) => [content, extra])))),
  };
}

/** No text, no tool call, and no content filter to blame. */
function isEmpty({ choices }: Generation): boolean {
  return choices.every(
    ({ content, extra, finishReason }) => content === "" && extra === undefined && finishReason !== "content_filter",
  );
}

/** Text, or calls of tools: thoughts and refusals alone are shown to nobody who can see a text only, with whom entries are shared. */
function isText({ content, extra }: Choice): boolean {
  return content !== "" || extra?.tool_calls !== undefined || extra?.function_call !== undefined;
}

const storable: ReadonlySet<FinishReason> = new Set(["stop", "length", "tool_calls", "function_call"]);

const count = z.int().check(z.nonnegative());
const jsonObject = z.record(z.string(), z.json());
const choiceSchema = z.object({
  content: z.string(),
  finishReason: z.enum(finishReasons),
  extra: z.optional(jsonObject),
  logprobs: z.optional(z.json()),
});
const generationSchema = z.object({
  provider: z.string(),
  model: z.string(),
  createdAtMs: count,
  choices: z.tuple([choiceSchema], choiceSchema),
  knowledge: z.optional(z.enum(knowledgeStates)),
  usage: z.optional(storedUsage),
});
