import type { Generation } from "../generation.ts";
import { bytesOf } from "../memory-units.ts";
import { writerFor } from "../structured/writer.ts";
import type { TaskAnswer, TaskRequest } from "../task.ts";
import { tokensAbout } from "../token-count.ts";
import type { Call, Offer, Provider } from "../upstream.ts";
import { sumOf } from "../usage.ts";

/** What was written of a part is kept as a message and as JSON until all parts are there, for each byte of its text. */
const bytesPerTextByte = 3;

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
      const write = writerFor((request, each) => generate.ask({ ...request, user }, each), call);
      const noteWritten = noting(call);
      let heldBytes = 0;
      try {
        const answer = await work({
          contextTokens,
          async ask(request) {
            const generation = await write(request);
            noteWritten(generation);
            const bytes = bytesPerTextByte * bytesOf(generation.choices[0].content);
            call.memory.take(bytes);
            heldBytes += bytes;
            return generation;
          },
        });
        return { ...answer, createdAtMs: Date.now() };
      } finally {
        call.memory.take(-heldBytes);
      }
    },
  };
}

/** Writes down what each question has taken, since a caller who leaves before the last one has taken that. */
function noting({ record, requestId }: Call): (generation: Generation) => void {
  const attempt = record.attempts.find(({ upstreamRequestId }) => upstreamRequestId === requestId);
  return ({ model, usage, choices }) => {
    if (!attempt) return;
    const { came } = attempt;
    attempt.came = {
      model,
      usage: came ? sumOf(came.usage, usage) : usage,
      chunks: (came?.chunks ?? 0) + 1,
      tokens: (came?.tokens ?? 0) + tokensAbout(choices[0].content),
    };
  };
}
