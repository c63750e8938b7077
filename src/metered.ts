import { type Came, noteCame, nothingCame, tokensThatCame } from "./came.ts";
import { isStream } from "./collect.ts";
import type { Usage } from "./generation.ts";
import type { Answer, Operation, WholeAnswer } from "./operation.ts";
import type { Call, Upstream } from "./upstream.ts";
import { type AnswerEnd, watched } from "./watched.ts";

/** What a question to the providers has taken. */
export interface Spent {
  /** Who answered; absent where nobody has. */
  readonly provider?: string;
  /** The model that answered as the provider named it, else the one that was asked for. */
  readonly model?: string;
  /**
   * Of the one attempt that answered: what failed before it, and the slower of two hedged ones, is charged to nobody. Absent
   * where nothing was taken: nobody has answered, or nothing had come.
   */
  readonly usage?: Usage;
  /** The provider did not say it; it is a guess at what had come. */
  readonly isEstimated?: true;
  /** How the answer ended, of which something was taken. */
  readonly end?: AnswerEnd;
  /** The `x-request-id` that the provider was sent. */
  readonly upstreamRequestId?: string;
}

/** Told once of each question to the providers what it has taken, on whose call it was asked, while `waitUntil` may be used. */
export type Settle = (call: Call, operation: string, spent: Spent) => void;

/**
 * Tells of each question to the providers what it has taken (`settle`, and `Call.onAsked`), of an answer whose caller has
 * left or that broke off live what had come until then. It stands right before them, behind all that answers without them,
 * and so it is told once, by whom it was asked, whoever else gets the answer.
 *
 * A caller who leaves has taken what had come, be it handed out or held back until it is complete; of an attempt that fails
 * only what was handed out has been taken, so only that of a live stream.
 */
export function metered<Request, Whole extends WholeAnswer>(
  operation: Operation<Request, Whole>,
  providers: Upstream<Request, Answer<Whole>>,
  settle: Settle,
): Upstream<Request, Answer<Whole>> {
  return async (request, call) => {
    const { promise, resolve } = Promise.withResolvers<Spent>();
    call.onAsked?.(promise);
    const tell = (spent: Spent) => {
      if (spent.isEstimated) call.record.estimatedTokens = spent.usage?.totalTokens;
      settle(call, operation.name, spent);
      resolve(spent);
    };
    const promptTokens = () => operation.estimate(request).promptTokens;
    let answer: Answer<Whole>;
    try {
      answer = await providers(request, call);
    } catch (error) {
      tell(call.signal.aborted ? heldBack(call, promptTokens) : {});
      throw error;
    }
    const { provider, model } = answer;
    const { upstreamRequestId } = attemptOf(call, provider) ?? {};
    if (isStream(answer)) {
      const came = nothingCame(answer);
      return watched(answer, call.signal, {
        onBatch: (batch) => noteCame(came, batch),
        onEnd: (end) => tell({ provider, upstreamRequestId, end, ...takenOf(came, promptTokens) }),
      });
    }
    const { usage } = answer;
    const taken = usage ? { usage } : estimated(promptTokens(), operation.tokensIn(answer));
    tell({ provider, model, upstreamRequestId, end: "complete", ...taken });
    return answer;
  };
}

/** The attempt that gave the answer. */
function attemptOf({ record }: Call, provider: string) {
  return record.attempts.findLast(
    (attempt) => attempt.provider === provider && (attempt.outcome === "ok" || attempt.outcome === "malformed"),
  );
}

/** What had come of an answer whose caller left before he was told anything of it. */
function heldBack({ record }: Call, promptTokens: () => number): Spent {
  const attempt = record.attempts.findLast(({ outcome, came }) => outcome === "canceled" && came !== undefined);
  if (!attempt?.came) return {};
  const { provider, came, upstreamRequestId } = attempt;
  return { provider, upstreamRequestId, end: "left", ...takenOf(came, promptTokens) };
}

function takenOf(came: Came, promptTokens: () => number): Pick<Spent, "model" | "usage" | "isEstimated"> {
  const { model, usage, chunks } = came;
  if (usage) return { model, usage };
  return { model, ...(chunks > 0 && estimated(promptTokens(), tokensThatCame(came))) };
}

function estimated(promptTokens: number, completionTokens: number): Pick<Spent, "usage" | "isEstimated"> {
  const split = { promptTokens, completionTokens };
  return { usage: { totalTokens: promptTokens + completionTokens, split }, isEstimated: true };
}
