import type {
  Choice,
  FinishReason,
  Generation,
  GenerationChunk,
  GenerationStream,
  JsonObject,
  JsonValue,
  KnowledgeState,
  Usage,
} from "./generation.ts";
import { isJsonList, isJsonObject } from "./json.ts";
import type { Answer, Collector, StreamHead, WholeAnswer } from "./operation.ts";

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

/** A stream's whole answer, when it has come. Throws what the stream throws, and what the collector does. */
export async function collect<Whole>(stream: GenerationStream, collector: Collector<Whole>): Promise<Whole> {
  for (let batch = await stream.read(); batch; batch = await stream.read()) {
    for (const chunk of batch) collector.add(chunk);
  }
  return collector.finish();
}

/** A generation as a whole, whichever way it came. Throws what the stream throws. */
export async function wholeOf(answer: Answer<Generation>): Promise<Generation> {
  return isStream(answer) ? await collect(answer, startCollecting(answer)) : answer;
}

interface ChoiceDraft {
  content: string;
  finishReason?: FinishReason;
  extra?: JsonObject;
  logprobs?: JsonValue;
}

/** Puts a stream's chunks together to a generation, which is complete when each choice has its finish reason. */
export function startCollecting(stream: StreamHead): Collector<Generation> {
  const drafts: ChoiceDraft[] = [];
  let model = stream.model;
  let usage: Usage | undefined;
  let knowledge: KnowledgeState | undefined;
  let hasGap: true | undefined;
  return {
    add(chunk) {
      hasGap = chunk.hasGap ?? hasGap;
      let draft = drafts[chunk.choice];
      if (!draft) {
        draft = { content: "" };
        drafts[chunk.choice] = draft;
      }
      draft.content += chunk.delta;
      if (chunk.extra) draft.extra = mergeObjects(draft.extra ?? {}, chunk.extra);
      if (chunk.logprobs !== undefined) draft.logprobs = merge(draft.logprobs ?? null, chunk.logprobs);
      draft.finishReason = chunk.finishReason ?? draft.finishReason;
      model = chunk.model ?? model;
      usage = chunk.usage ?? usage;
      knowledge = chunk.knowledge ?? knowledge;
    },
    finish() {
      const choices: Choice[] = [];
      for (const draft of drafts) {
        if (!draft?.finishReason) throw new Error("a stream ended normally without a finish reason");
        const { content, finishReason, extra, logprobs } = draft;
        choices.push({ content, finishReason, extra: extra && asMessage(extra), logprobs });
      }
      const [first, ...rest] = choices;
      if (!first) throw new Error("a stream ended normally without a choice");
      const { provider, createdAtMs } = stream;
      return { provider, model, createdAtMs, choices: [first, ...rest], usage, knowledge, hasGap };
    },
  };
}

/** Members that name a thing arrive whole and may be repeated; every other string of a delta continues the one before. */
const wholeStrings = new Set(["id", "type", "name", "role"]);

/** Appends one delta to what came before: OpenAI's streaming rule for everything that is not plain content. */
function merge(before: JsonValue, delta: JsonValue, key = ""): JsonValue {
  if (typeof before === "string" && typeof delta === "string") return wholeStrings.has(key) ? delta : before + delta;
  if (isJsonList(before) && isJsonList(delta)) return mergeLists(before, delta);
  if (isJsonObject(before) && isJsonObject(delta)) return mergeObjects(before, delta);
  return delta === null ? before : delta;
}

function mergeObjects(before: JsonObject, delta: JsonObject): JsonObject {
  const entries = Object.entries(delta).map(
    ([name, value]) => [name, merge(before[name] ?? null, value, name)] as const,
  );
  return { ...before, ...Object.fromEntries(entries) };
}

/** List members with an `index` continue the member of that index; others are appended. */
function mergeLists(before: readonly JsonValue[], delta: readonly JsonValue[]): JsonValue[] {
  const merged = [...before];
  for (const item of delta) {
    const at = isJsonObject(item) ? merged.findIndex((old) => isJsonObject(old) && old.index === item.index) : -1;
    const old = merged[at];
    if (isJsonObject(item) && item.index !== undefined && old !== undefined) merged[at] = merge(old, item);
    else merged.push(item);
  }
  return merged;
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
