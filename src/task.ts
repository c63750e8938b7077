import type { Generation, GenerationRequest, JsonObject, Usage } from "./generation.ts";
import type { WholeAnswer } from "./operation.ts";

/** Asks a language model for a whole answer. Throws `UpstreamFailure`s only. */
export type Writer = (request: GenerationRequest) => Promise<Generation>;

/** A piece of work on a text whose outcome is a structure, maybe put together from several answers of a language model (`tasks/`). */
export interface TaskRequest {
  /** The task's name: part of cache keys. */
  readonly task: string;
  readonly projectId?: string;
  readonly chapterId?: string;
  readonly user?: string;
  readonly model?: string;
  /** What is wanted, the text included: two requests of one task with the same wish have the same answer. */
  readonly wish: JsonObject;
  /** One of its questions, by which it is judged who can carry it: none is longer that begins it. */
  readonly example: GenerationRequest;
  /** How many questions begin it, about. */
  readonly questions: number;
  /** Does the work with one provider's model. Throws `UpstreamFailure`s only. */
  readonly work: (worker: Worker) => Promise<Omit<TaskAnswer, "createdAtMs">>;
}

export interface Worker {
  readonly ask: Writer;
  /** How many tokens its model's context has, where that is known. */
  readonly contextTokens?: number;
}

/** What was written of one part of the text. */
export interface WrittenPart {
  /** Which part, in UTF-16 units of the text. */
  readonly start: number;
  readonly end: number;
  /** It was written of what had been written of the text's parts, and stands in no place of the text. */
  readonly isOfDigest?: true;
  /** JSON of the task's structure. */
  readonly written: JsonObject;
}

export interface TaskAnswer extends WholeAnswer {
  /** In the order of the text; none missing. */
  readonly parts: readonly WrittenPart[];
  /** Of all answers together; absent where one of them is not known. */
  readonly usage?: Usage;
}
