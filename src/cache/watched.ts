import { startCollecting } from "../collect.ts";
import type { Generation, GenerationStream } from "../generation.ts";

/** A stream as it comes; tells `onEnd` the whole answer when it has ended well, and nothing where it has not. */
export function watched(stream: GenerationStream, onEnd: (generation?: Generation) => void): GenerationStream {
  const collector = startCollecting(stream);
  return {
    ...stream,
    async read() {
      try {
        const batch = await stream.read();
        for (const chunk of batch ?? []) collector.add(chunk);
        if (!batch) onEnd(collector.finish());
        return batch;
      } catch (error) {
        onEnd();
        throw error;
      }
    },
  };
}
