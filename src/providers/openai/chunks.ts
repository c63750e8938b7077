import type { GenerationChunk, JsonValue } from "../../generation.ts";
import { isJsonObject, parseJson } from "../../json.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import type { EventDecoder } from "../wire/chunks.ts";
import { chunksFrom } from "./answer.ts";
import { streamedOpenAiFailure } from "./failure.ts";

export interface ChunkOptions {
  /** How many choices were asked for. */
  readonly choices: number;
  /** The names of the parameters that were sent. */
  readonly sent: ReadonlySet<string>;
}

/**
 * A streamed completion's events. It is complete when every choice has its finish reason, whatever comes after that; until
 * then an end, also a `[DONE]`, is a truncation. An event that cannot be understood is a gap, in the hope that the rest
 * proves complete: unlike Anthropic's API, this one is spoken by many servers and proxies, some of which put notes of their
 * own between its events (docs/reliability.md).
 */
export function completionEvents({ choices, sent }: ChunkOptions): EventDecoder<string> {
  const finished = new Set<number>();
  const isComplete = () => finished.size === choices;
  let hasUsage = false;

  function end(): void {
    if (!isComplete()) throw UpstreamFailure.wire("truncated");
  }

  return {
    isComplete,
    end,
    take(data, batch) {
      if (data === "[DONE]") {
        end();
        return true;
      }
      for (const chunk of chunksIn(data, choices, sent) ?? [{ choice: 0, delta: "", hasGap: true }]) {
        if (chunk.finishReason) finished.add(chunk.choice);
        hasUsage ||= chunk.usage !== undefined;
        batch.push(chunk);
      }
      // Usage comes last, so nothing is worth waiting for after it.
      return hasUsage && isComplete();
    },
  };
}

/** Undefined where the event cannot be understood. Throws where it says that the answer has failed. */
function chunksIn(data: string, choices: number, sent: ReadonlySet<string>): GenerationChunk[] | undefined {
  let value: JsonValue;
  try {
    value = parseJson(data);
  } catch {
    return undefined;
  }
  if (isJsonObject(value) && value.error) throw streamedOpenAiFailure(value, sent);
  return chunksFrom(value, choices);
}
