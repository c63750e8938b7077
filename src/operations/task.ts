import * as z from "zod/mini";
import type { Lifetimes, Limits, Operation } from "../operation.ts";
import type { TaskAnswer, TaskRequest } from "../task.ts";
import { promptEstimate, textsIn, tokensAbout } from "../token-count.ts";
import { storedUsage } from "./stored-usage.ts";

export interface TaskOptions {
  /** Stands for the model of a caller who names none. */
  readonly defaultModel: string;
  readonly limits: Limits;
  readonly lifetimes: Lifetimes;
  /** `user`: callers of one tenant share answers only where they name the same end user. */
  readonly scope: "tenant" | "user";
}

/** What the answer to a question takes, about. */
const usualAnswerTokens = 2_000;

/** Work on a text whose outcome is a structure, whole or not at all. */
export function taskOperation({
  defaultModel,
  limits,
  lifetimes,
  scope,
}: TaskOptions): Operation<TaskRequest, TaskAnswer> {
  return {
    name: "task",
    modelOf: ({ model = "" }) => model,
    /** A field that is added to `TaskRequest` does not compile until it is classified here. */
    meaning: (request, caller): Record<keyof TaskRequest, unknown> => ({
      task: request.task,
      projectId: request.projectId,
      chapterId: request.chapterId,
      user: scope === "user" ? (caller.user ?? request.user) : undefined,
      // As of a generation.
      model: request.model ?? [defaultModel],
      wish: request.wish,
      // They follow from the task and the wish.
      example: undefined,
      questions: undefined,
      work: undefined,
    }),
    fingerprint: ({ task, projectId, chapterId, user, model, wish }) => ({
      ...{ task, projectId, chapterId, user, model, wish },
    }),
    // What says nothing is refused where it is read.
    isEmpty: () => false,
    storage: {
      isStorable: ({ hasGap }) => !hasGap,
      toJson: (answer) => answer,
      fromJson: (value) => storedSchema.safeParse(value).data,
    },
    lifetimes,
    mayRetry: true,
    limits,
    estimate: ({ example, questions }) => ({
      promptTokens: questions * promptEstimate(example),
      completionTokens: questions * usualAnswerTokens,
      isGuess: true,
    }),
    tokensIn: ({ parts }) => Math.ceil(tokensAbout(...textsIn(parts.map(({ written }) => written)))),
  };
}

const count = z.int().check(z.nonnegative());
const storedSchema = z.object({
  provider: z.string(),
  model: z.string(),
  createdAtMs: count,
  usage: z.optional(storedUsage),
  parts: z.array(
    z.object({
      ...{ start: count, end: count, isOfDigest: z.optional(z.literal(true)) },
      written: z.record(z.string(), z.json()),
    }),
  ),
});
