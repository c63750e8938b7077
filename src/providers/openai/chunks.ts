import type { GenerationChunk, GenerationStream, JsonValue } from "../../generation.ts";
import { isJsonObject, parseJson } from "../../json.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { batches } from "../wire/batches.ts";
import type { EventReader } from "../wire/events.ts";
import { chunksFrom } from "./answer.ts";
import { streamedOpenAiFailure } from "./failure.ts";

/** How long usage is waited for after a completion's last finish reason. */
const usageLimitMs = 1_000;

export interface ChunkReaderOptions {
  /** How many choices were asked for. */
  readonly choices: number;
  /** The names of the parameters that were sent. */
  readonly sent: ReadonlySet<string>;
}

/**
 * A streamed completion as it comes. It is complete when every choice has its finish reason, whatever comes after that;
 * until then an end, also a `[DONE]`, is a truncation. An event that cannot be understood is a gap, in the hope that the
 * rest proves complete: unlike Anthropic's API, this one is spoken by many servers and proxies, some of which put notes of
 * their own between its events (docs/reliability.md).
 */
export function chunkReader(events: EventReader, { choices, sent }: ChunkReaderOptions): GenerationStream["read"] {
  const finished = new Set<number>();
  const isFinished = () => finished.size === choices;
  let hasUsage = false;
  let isOver = false;

  function take(data: string, batch: GenerationChunk[]): void {
    for (const chunk of chunksIn(data, choices, sent) ?? [{ choice: 0, delta: "", hasGap: true }]) {
      if (chunk.finishReason) finished.add(chunk.choice);
      hasUsage ||= chunk.usage !== undefined;
      batch.push(chunk);
    }
  }

  return batches(async (batch) => {
    if (isOver) return false;
    try {
      const found = await events.read(isFinished() ? usageLimitMs : undefined);
      isOver = found === undefined;
      for (const data of found ?? []) {
        isOver = data === "[DONE]";
        if (isOver) break;
        take(data, batch);
        // Usage comes last, so nothing is worth waiting for after it.
        isOver = isFinished() && hasUsage;
        if (isOver) break;
      }
    } catch (error) {
      if (!isFinished()) throw error;
      isOver = true;
    }
    if (isOver) events.leave();
    if (isOver && !isFinished()) throw UpstreamFailure.wire("truncated");
    return true;
  });
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
