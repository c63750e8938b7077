import { writerFor } from "../structured/writer.ts";
import type { TaskAnswer, TaskRequest } from "../task.ts";
import type { Offer, Provider } from "../upstream.ts";

/** Tasks as an offer of every provider that can generate. One question that fails ends the others of its task, since it ends the attempt. */
export function taskOffer({
  offers: { generate },
  contextTokens,
}: Provider): Offer<TaskRequest, TaskAnswer> | undefined {
  if (!generate) return undefined;
  return {
    unsupported: ({ example }) => generate.unsupported(example),
    omitted: ({ example }) => generate.omitted?.(example) ?? [],
    async ask({ work, user }, call) {
      const ask = writerFor((request, each) => generate.ask({ ...request, user }, each), call);
      return { ...(await work({ ask, contextTokens })), createdAtMs: Date.now() };
    },
  };
}
