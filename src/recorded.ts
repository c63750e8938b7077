import { isStream } from "./collect.ts";
import { callerError } from "./errors.ts";
import type { GenerationChunk } from "./generation.ts";
import { bytesOf } from "./memory-units.ts";
import type { Answer, Operation, WholeAnswer } from "./operation.ts";
import { noteError, type RequestRecord } from "./record.ts";
import type { Call, Upstream } from "./upstream.ts";
import { type AnswerEnd, watched } from "./watched.ts";

/** A whole answer of no more is given out however little memory there is. */
const uncountedBytes = 16 * 1024;

/** Told once of each request that was answered, wherever the answer came from. */
export type Answered = (call: Call, operation: string, end: AnswerEnd) => void;

interface RecordedOptions<Request> {
  /** Says what of the request a provider leaves out. */
  readonly omittedBy: (provider: string, request: Request) => readonly string[] | undefined;
  readonly onAnswered: Answered;
}

/**
 * Writes down of every answer who gave it, what it cost and how it ended, whole or streamed, also of one that failed or
 * whose caller left; `record.ended` settles then, once. The outermost wrapper, so that no surface can forget it.
 */
export function recorded<Request, Whole extends WholeAnswer>(
  operation: Operation<Request, Whole>,
  upstream: Upstream<Request, Answer<Whole>>,
  { omittedBy, onAnswered }: RecordedOptions<Request>,
): Upstream<Request, Answer<Whole>> {
  return async (request, call) => {
    const { record } = call;
    const ended = Promise.withResolvers<void>();
    record.ended = ended.promise;
    record.operation = operation.name;
    try {
      const answer = await upstream(request, call);
      record.provider = answer.provider;
      const omitted = omittedBy(answer.provider, request);
      if (omitted?.length) record.omitted = omitted;
      record.model = answer.model;
      if (isStream(answer)) {
        record.firstTokenMs = Date.now() - record.startedAtMs;
        return watched(answer, call.signal, {
          onBatch: (batch) => noteBatch(record, batch),
          onFailure: (error) => noteError(record, callerError(error)),
          onEnd(how) {
            if (how === "left") record.error = "cancelled";
            onAnswered(call, operation.name, how);
            ended.resolve();
          },
        });
      }
      const bytes = bytesOf(answer);
      if (bytes > uncountedBytes) call.memory.takeShared(answer, bytes);
      record.finishReason = operation.finishReason?.(answer);
      record.usage = answer.usage;
      onAnswered(call, operation.name, "complete");
      ended.resolve();
      return answer;
    } catch (error) {
      noteError(record, callerError(error));
      ended.resolve();
      throw error;
    }
  };
}

function noteBatch(record: RequestRecord, batch: readonly GenerationChunk[]): void {
  for (const { finishReason, usage, model } of batch) {
    if (finishReason) record.finishReason = finishReason;
    if (usage) record.usage = usage;
    if (model) record.model = model;
  }
}
