import { isStream } from "./collect.ts";
import type { GenerationStream, Usage } from "./generation.ts";
import type { Answer, Operation, WholeAnswer } from "./operation.ts";
import { tokensAbout } from "./token-count.ts";
import type { Call, Upstream } from "./upstream.ts";

/** What a question to the providers has taken. */
export interface Spent {
  /** Who answered; absent where nobody has. */
  readonly provider?: string;
  readonly model?: string;
  /** Absent where nothing was taken: nobody has answered, or nothing had come. */
  readonly usage?: Usage;
  /** The provider did not say it; it is a guess at what had come. */
  readonly isEstimated?: true;
}

/**
 * Tells of each question to the providers what it has taken (`Call.onAsked`), of an answer whose caller has left or that
 * broke off live what had come until then. It stands right before them, behind all that answers without them, and so it is
 * told once, by whom it was asked, whoever else gets the answer.
 */
export function metered<Request, Whole extends WholeAnswer>(
  operation: Operation<Request, Whole>,
  providers: Upstream<Request, Answer<Whole>>,
): Upstream<Request, Answer<Whole>> {
  return async (request, call) => {
    const { onAsked } = call;
    if (!onAsked) return await providers(request, call);
    const { promise, resolve } = Promise.withResolvers<Spent>();
    onAsked(promise);
    const promptTokens = () => operation.estimate(request).promptTokens;
    try {
      const answer = await providers(request, call);
      if (isStream(answer)) return tallied(answer, call, promptTokens, resolve);
      const { provider, model, usage } = answer;
      const completionTokens = () => operation.tokensIn(answer);
      resolve({ provider, model, ...(usage ? { usage } : estimated(promptTokens(), completionTokens())) });
      return answer;
    } catch (error) {
      resolve({});
      throw error;
    }
  };
}

function estimated(promptTokens: number, completionTokens: number): Pick<Spent, "usage" | "isEstimated"> {
  const split = { promptTokens, completionTokens };
  return { usage: { totalTokens: promptTokens + completionTokens, split }, isEstimated: true };
}

/** The same stream. Who stops reading ends it by the call's signal, since nobody reads on to hear of an end. */
function tallied(
  stream: GenerationStream,
  { signal, stream: isWantedSo, delivery }: Call,
  promptTokens: () => number,
  tell: (spent: Spent) => void,
): GenerationStream {
  const { provider } = stream;
  let { model } = stream;
  let usage: Usage | undefined;
  let [chunks, tokens] = [0, 0];
  /** A provider sends a token with each chunk, or more. */
  const came = () => (chunks === 0 ? {} : estimated(promptTokens(), Math.max(chunks, Math.ceil(tokens))));
  const end = (taken: Pick<Spent, "usage" | "isEstimated">) => {
    signal.removeEventListener("abort", leave);
    tell({ provider, model, ...taken });
  };
  const leave = () => end(usage ? { usage } : came());
  signal.addEventListener("abort", leave);
  if (signal.aborted) leave();
  return {
    ...stream,
    async read() {
      try {
        const batch = await stream.read();
        if (!batch) {
          end(usage ? { usage } : came());
          return undefined;
        }
        for (const chunk of batch) {
          if (chunk.usage) usage = chunk.usage;
          if (chunk.model) model = chunk.model;
          if (chunk.isSignOfLife || (chunk.delta === "" && !chunk.extra)) continue;
          chunks++;
          tokens += tokensAbout(chunk.delta);
        }
        return batch;
      } catch (error) {
        // Who waits for the whole has got nothing of it.
        end(isWantedSo && delivery === "live" ? came() : {});
        throw error;
      }
    },
  };
}
