import { appended, type Draft, jsonOf } from "./draft.ts";
import type {
  Choice,
  FinishReason,
  Generation,
  GenerationChunk,
  GenerationStream,
  JsonObject,
  KnowledgeState,
  Usage,
} from "./generation.ts";
import type { Share } from "./in-flight.ts";
import { isJsonList, isJsonObject } from "./json.ts";
import { bytesPerUnit, chunkUnits } from "./memory-units.ts";
import type { Answer, Collector, StreamHead, WholeAnswer } from "./operation.ts";
import { UpstreamFailure } from "./upstream-failure.ts";

/** Whether an answer comes piece by piece. */
export function isStream<Whole extends WholeAnswer>(answer: Answer<Whole>): answer is GenerationStream {
  return "read" in answer;
}

/** Whether a chunk carries something of the answer itself, and so counts as a token for the time limits. */
export function hasToken(chunk: GenerationChunk): boolean {
  return chunk.delta !== "" || chunk.extra !== undefined;
}

/** Whether a chunk says nothing but that the model is at work. */
export function isSignOfLife(chunk: GenerationChunk): boolean {
  return chunk.isSignOfLife === true;
}

/** An answer as a stream, whichever way it came. */
export function streamOf(answer: Answer<Generation>): GenerationStream {
  if (isStream(answer)) return answer;
  const { provider, model, createdAtMs } = answer;
  let batch: readonly GenerationChunk[] | undefined = chunksOf(answer);
  return {
    provider,
    model,
    createdAtMs,
    async read() {
      const next = batch;
      batch = undefined;
      return next;
    },
  };
}

/** One chunk of content per choice and one that ends it. */
function chunksOf({ choices, model, usage, knowledge }: Generation): GenerationChunk[] {
  const last = choices.length - 1;
  return choices.flatMap(({ content, extra, logprobs, finishReason }, choice) => [
    { choice, delta: content, extra: extra && asDelta(extra), logprobs, model },
    { choice, delta: "", finishReason, ...(choice === last && { usage, knowledge }) },
  ]);
}

/** No answer of a model comes near this, in UTF-16 units of memory. */
const maxWholeUnits = 8 * 1024 * 1024;

/**
 * A stream's whole answer, when it has come, counted into the memory for its request. Throws what the stream, the collector
 * and the memory throw, and `UpstreamFailure` wire `oversized` where it is too much to be anyone's answer.
 */
export async function collect<Whole>(
  stream: GenerationStream,
  collector: Collector<Whole>,
  memory?: Share,
): Promise<Whole> {
  let units = 0;
  for (let batch = await stream.read(); batch; batch = await stream.read()) {
    const before = units;
    for (const chunk of batch) {
      units += chunkUnits(chunk);
      collector.add(chunk);
    }
    memory?.take(bytesPerUnit * (units - before));
    if (units > maxWholeUnits) throw UpstreamFailure.wire("oversized");
  }
  return collector.finish();
}

/** A generation as a whole, whichever way it came. Throws what `collect` throws. */
export async function wholeOf(answer: Answer<Generation>): Promise<Generation> {
  return isStream(answer) ? await collect(answer, startCollecting(answer)) : answer;
}

/** A choice as far as it has come. Nothing of the chunks is changed, since others read them too. */
interface ChoiceDraft {
  content: string;
  /** What follows the content. */
  pieces: string[];
  finishReason?: FinishReason;
  extra?: Draft;
  logprobs?: Draft;
}

/** Joined so many at a time: a text that grows piece by piece takes many times the memory of its characters. */
const piecesAtOnce = 256;

/** Puts a stream's chunks together to a generation, which is complete when each choice has its finish reason. */
export function startCollecting(stream: StreamHead): Collector<Generation> {
  const drafts: ChoiceDraft[] = [];
  let model = stream.model;
  let usage: Usage | undefined;
  let knowledge: KnowledgeState | undefined;
  let hasGap: true | undefined;

  function draftOf(choice: number): ChoiceDraft {
    const known = drafts[choice];
    if (known) return known;
    const draft: ChoiceDraft = { content: "", pieces: [] };
    drafts[choice] = draft;
    return draft;
  }

  return {
    add(chunk) {
      hasGap = chunk.hasGap ?? hasGap;
      model = chunk.model ?? model;
      usage = chunk.usage ?? usage;
      knowledge = chunk.knowledge ?? knowledge;
      // Usage and gaps begin no choice.
      if (!saysMore(chunk)) return;
      const draft = draftOf(chunk.choice);
      if (draft.pieces.push(chunk.delta) === piecesAtOnce) joinPieces(draft);
      if (chunk.extra) draft.extra = appended(draft.extra, chunk.extra);
      if (chunk.logprobs !== undefined) draft.logprobs = appended(draft.logprobs, chunk.logprobs);
      draft.finishReason = chunk.finishReason ?? draft.finishReason;
    },
    finish() {
      const choices: Choice[] = [];
      for (const draft of drafts) {
        // A server that answers with fewer choices than were asked for leaves out any of them.
        if (!draft) continue;
        if (!draft.finishReason) throw new Error("a stream ended normally without a finish reason");
        joinPieces(draft);
        const extra = draft.extra && jsonOf(draft.extra);
        choices.push({
          content: draft.content,
          finishReason: draft.finishReason,
          extra: isJsonObject(extra) ? asMessage(extra) : undefined,
          logprobs: draft.logprobs === undefined ? undefined : jsonOf(draft.logprobs),
        });
      }
      const [first, ...rest] = choices;
      if (!first) throw new Error("a stream ended normally without a choice");
      const { provider, createdAtMs } = stream;
      return { provider, model, createdAtMs, choices: [first, ...rest], usage, knowledge, hasGap };
    },
  };
}

/** Whether a chunk says something of its choice. */
function saysMore(chunk: GenerationChunk): boolean {
  return hasToken(chunk) || chunk.logprobs !== undefined || chunk.finishReason !== undefined;
}

function joinPieces(draft: ChoiceDraft): void {
  draft.content += draft.pieces.join("");
  draft.pieces = [];
}

/** Tool calls are numbered in deltas and bare in messages. */
function asDelta(extra: JsonObject): JsonObject {
  if (!isJsonList(extra.tool_calls)) return extra;
  return {
    ...extra,
    tool_calls: extra.tool_calls.map((toolCall, index) => (isJsonObject(toolCall) ? { index, ...toolCall } : toolCall)),
  };
}

function asMessage(extra: JsonObject): JsonObject {
  if (!isJsonList(extra.tool_calls)) return extra;
  return {
    ...extra,
    tool_calls: extra.tool_calls.map((toolCall) => {
      if (!isJsonObject(toolCall)) return toolCall;
      const { index: _, ...bare } = toolCall;
      return bare;
    }),
  };
}
