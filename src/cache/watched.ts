import { startCollecting } from "../answer.ts";
import type { Generation, GenerationChunk, GenerationStream } from "../generation.ts";

/** A stream's chunks as they come; tells `onComplete` the whole answer when they have ended well. */
export async function* watched(
  stream: GenerationStream,
  onComplete: (generation: Generation) => void,
): AsyncGenerator<GenerationChunk> {
  const collector = startCollecting(stream);
  for await (const chunk of stream.chunks) {
    collector.add(chunk);
    yield chunk;
  }
  const generation = collector.finish();
  if (generation) onComplete(generation);
}
