import { wholeOf } from "../collect.ts";
import type { Generation, GenerationRequest } from "../generation.ts";
import type { Writer } from "../task.ts";
import type { Call, GenerationAnswer, Upstream } from "../upstream.ts";
import { UpstreamFailure } from "../upstream-failure.ts";

/**
 * Who generates, as a writer for one call. It throws what asking throws, and `UpstreamFailure` peer `content_filter` where the
 * answer or its end was withheld: of a text in another message's field nobody could see that.
 */
export function writerFor(generate: Upstream<GenerationRequest, GenerationAnswer>, call: Call): Writer {
  return async (request) => {
    const generation = await wholeOf(await generate(request, { ...call, stream: false }));
    if (generation.choices[0].finishReason === "content_filter") throw UpstreamFailure.peer("content_filter");
    return generation;
  };
}

/**
 * The text of an answer. Throws `UpstreamFailure` wire `empty` where it has none, with how it ended where its caller has
 * brought that about: by his limit, or by the words at which it stops.
 */
export function answerText({ choices }: Generation, { maxTokens, stop }: GenerationRequest): string {
  const [{ content, finishReason }] = choices;
  if (content.trim() !== "") return content;
  const isCallers = finishReason === "length" ? maxTokens !== undefined : finishReason === "stop" && stop !== undefined;
  throw UpstreamFailure.wire("empty", isCallers ? { finishReason } : {});
}
