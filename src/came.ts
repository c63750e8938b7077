import { hasToken } from "./collect.ts";
import type { GenerationChunk, GenerationStream, Usage } from "./generation.ts";
import { textsIn, tokensAbout } from "./token-count.ts";

/** What has come of a streamed answer: enough to know what it costs, and nothing of what it says. */
export interface Came {
  /** The model that answers, as the provider named it. */
  model: string;
  /** As the provider has reported it until now. */
  usage?: Usage;
  /** Chunks that say something of the answer. */
  chunks: number;
  /** What their texts come to, about. */
  tokens: number;
}

/** Nothing has come yet. */
export function nothingCame({ model }: Pick<GenerationStream, "model">): Came {
  return { model, chunks: 0, tokens: 0 };
}

export function noteCame(came: Came, batch: readonly GenerationChunk[]): void {
  for (const chunk of batch) {
    if (chunk.model) came.model = chunk.model;
    if (chunk.usage) came.usage = chunk.usage;
    if (!hasToken(chunk)) continue;
    came.chunks++;
    came.tokens += tokensAbout(chunk.delta);
    if (chunk.extra) came.tokens += tokensAbout(...textsIn(chunk.extra));
  }
}

/** The same stream, of which is written down what comes. */
export function noting(stream: GenerationStream, came: Came): GenerationStream {
  return {
    ...stream,
    async read() {
      const batch = await stream.read();
      if (batch) noteCame(came, batch);
      return batch;
    },
  };
}

/** How many tokens have come, about: a provider sends one with each chunk, or more. */
export function tokensThatCame({ chunks, tokens }: Came): number {
  return Math.max(chunks, Math.ceil(tokens));
}
