import { type DescMessage, fromJson, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import type { GenerationRequest, JsonObject } from "../generation.ts";
import { inParallel } from "../in-parallel.ts";
import { isJsonObject } from "../json.ts";
import { askForStructure, structuredRequest } from "../structured/ask.ts";
import type { TaskAnswer, TaskRequest, Worker, WrittenPart } from "../task.ts";
import { sumOf } from "../usage.ts";
import { aboutMaterial, allTagged } from "./material.ts";
import { partsOf } from "./parts.ts";

/** A task whose outcome is a structure, as data. */
export interface StructuredTask<Wish extends JsonObject, Desc extends DescMessage, Result> {
  /** Part of cache keys. */
  readonly name: string;
  /** What is to be written of each part of the text. */
  readonly type: Desc;
  readonly temperature: number;
  /** Upper bound in tokens of what is written of a part, where the wish says how long that may be. */
  readonly maxTokens?: (wish: Wish) => number;
  /** How much text is asked about at once, in UTF-16 units, where a model's context holds it. */
  readonly partUnits: number;
  readonly text: (wish: Wish) => string;
  readonly instructions: (wish: Wish) => string;
  /** What is known beside a part of the text, by the names under which a model is shown it; what is blank is not. */
  readonly material?: (wish: Wish, part: string) => Readonly<Record<string, string>>;
  /** Mends what was written of a part, and says what is wrong with it then. */
  readonly settle: (written: MessageShape<Desc>, part: string) => readonly string[];
  /** What was written of a part, as a text. Where that can be said, the texts of several parts are worked on in their place, until there is one part. */
  readonly digest?: (written: MessageShape<Desc>) => string;
  /** Whether its result is put together of what was written of the parts of the text too where those are digested. */
  readonly keepsParts?: true;
  /** Puts together what was written, and computes what can be computed. */
  readonly result: (parts: readonly ReadPart<Desc>[], wish: Wish) => Result;
}

interface ReadPart<Desc extends DescMessage> extends Omit<WrittenPart, "written"> {
  readonly written: MessageShape<Desc>;
}

/** So many parts of a text are worked on at a time. */
const atOnce = 4;
/** What of a context the text may fill, in UTF-16 units for each token: the rest is for instructions and answer. */
const unitsPerToken = 0.4;
/** No part is longer, whatever is shown beside it. In UTF-16 units. */
const longestPartUnits = 24_000;
/** Of a text that gets no shorter by being digested no more is made. */
const maxRounds = 3;
/** So much of what was written of a part goes on into the next round, so that a model which writes on and on makes no more work of it. */
const maxDigestUnits = 6_000;

/** A request of a task, for whoever asks `Gateway.task`. */
export function taskRequest<Wish extends JsonObject, Desc extends DescMessage, Result>(
  task: StructuredTask<Wish, Desc, Result>,
  wish: Wish,
  asked: Pick<TaskRequest, "projectId" | "chapterId" | "model">,
): TaskRequest {
  const questionAbout = (text: string): GenerationRequest => ({
    ...asked,
    ...structuredRequest(task.type, `${task.instructions(wish)}\n${aboutMaterial}`, materialOf(task, wish, text)),
    suggested: { temperature: task.temperature, maxTokens: task.maxTokens?.(wish) },
  });
  const text = task.text(wish);
  const usualUnits = partUnitsBeside(materialUnits(task.material?.(wish, "") ?? {}), task.partUnits);
  const partUnits = ({ contextTokens = Number.POSITIVE_INFINITY }: Pick<Worker, "contextTokens">) =>
    Math.max(2, Math.floor(Math.min(usualUnits, contextTokens * unitsPerToken)));
  return {
    ...asked,
    task: task.name,
    wish,
    example: questionAbout(text.slice(0, usualUnits).toWellFormed()),
    questions: Math.max(1, Math.ceil(text.length / usualUnits)),
    work: (worker) => workedOn(task, text, { questionAbout, worker, partUnits: partUnits(worker) }),
  };
}

/** Parts are longer where much is shown beside each of them, so that it is not shown dozens of times. */
function partUnitsBeside(units: number, usualUnits: number): number {
  return Math.max(usualUnits, Math.floor(Math.min(longestPartUnits, units / 2)));
}

function materialUnits(material: Readonly<Record<string, string>>): number {
  return Object.values(material).reduce((sum, { length }) => sum + length, 0);
}

/** What a task's answer says. */
export function taskResult<Wish extends JsonObject, Desc extends DescMessage, Result>(
  task: StructuredTask<Wish, Desc, Result>,
  { parts }: TaskAnswer,
  wish: Wish,
): Result {
  const read = parts.map(({ written, ...part }) => ({
    ...part,
    written: fromJson(task.type, written as JsonValue, { ignoreUnknownFields: true }),
  }));
  return task.result(read, wish);
}

function materialOf<Wish extends JsonObject, Desc extends DescMessage, Result>(
  { material }: StructuredTask<Wish, Desc, Result>,
  wish: Wish,
  text: string,
): string {
  return allTagged({ ...material?.(wish, text), 原文: text }).parts.join("\n\n");
}

interface Work {
  readonly questionAbout: (text: string) => GenerationRequest;
  readonly worker: Worker;
  readonly partUnits: number;
}

async function workedOn<Wish extends JsonObject, Desc extends DescMessage, Result>(
  task: StructuredTask<Wish, Desc, Result>,
  text: string,
  work: Work,
  round = 1,
): Promise<Omit<TaskAnswer, "createdAtMs">> {
  const { type, settle, digest } = task;
  const answers = await inParallel(partsOf(text, work.partUnits), atOnce, async (part) => {
    const question = work.questionAbout(part.text);
    return {
      part,
      ...(await askForStructure(work.worker.ask, question, type, (written) => settle(written, part.text))),
    };
  });
  const [first] = answers;
  if (!first) throw new Error(`${task.name} has no text to work on`);
  const usage = answers.slice(1).reduce((sum, answer) => sumOf(sum, answer.usage), first.usage);
  const parts = answers.map(({ part: { start, end }, written }) => ({ start, end, written: jsonOf(type, written) }));
  if (digest && answers.length > 1 && round < maxRounds) {
    const shorter = answers.map(({ written }) => digest(written).slice(0, maxDigestUnits).toWellFormed()).join("\n\n");
    const whole = await workedOn(task, shorter, work, round + 1);
    const digests = whole.parts.map((part) => ({ ...part, isOfDigest: true as const }));
    const isKept = task.keepsParts === true && round === 1;
    return { ...whole, usage: sumOf(usage, whole.usage), parts: isKept ? [...parts, ...digests] : digests };
  }
  const { provider, model } = first.generation;
  const hasGap = answers.some(({ generation }) => generation.hasGap) || undefined;
  return { provider, model, usage, hasGap, parts };
}

function jsonOf<Desc extends DescMessage>(type: Desc, message: MessageShape<Desc>): JsonObject {
  const json: JsonValue = toJson(type, message);
  if (!isJsonObject(json)) throw new Error(`${type.typeName} is no object in JSON`);
  return json;
}
