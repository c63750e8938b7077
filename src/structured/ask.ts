import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Generation, GenerationRequest, Message, Usage } from "../generation.ts";
import type { Writer } from "../task.ts";
import { UpstreamFailure } from "../upstream-failure.ts";
import { sumOf } from "../usage.ts";
import { fitTo } from "./fit.ts";
import { objectsIn } from "./objects.ts";
import { structureOf } from "./schema.ts";
import { answerText } from "./writer.ts";

/** Longer than any structure that a model writes at once, in UTF-16 units. */
const maxAnswerUnits = 400_000;
/** How much of an answer that cannot be used is shown to its model, and how much of what is wrong with it. */
const maxShownUnits = 60_000;
const maxShownProblems = 20;
const maxProblemUnits = 300;

/** What was written, and what it took. */
export interface Structured<Written> {
  readonly written: Written;
  /** The answer in which it stood. */
  readonly generation: Generation;
  /** Of all answers together; absent where one of them is not known. */
  readonly usage?: Usage;
}

/** A request whose answer is to be a message of the type, as JSON. The model is told the schema whether or not it is held to it. */
export function structuredRequest(type: DescMessage, instructions: string, material: string): GenerationRequest {
  const structure = structureOf(type);
  const form = `Answer with one JSON object of this JSON Schema, all fields filled in, and nothing else:\n${JSON.stringify(structure.schema)}`;
  return {
    messages: [
      { role: "system", content: `${instructions}\n\n${form}` },
      { role: "user", content: material },
    ],
    structure,
  };
}

/**
 * Asks for a structure, twice at most. An answer that cannot be used is sent back once with the reasons; one that was cut is
 * not, since it would be cut again: a shorter one is asked for. `settle` mends in an answer that has the shape what can be
 * mended, and says what is wrong with it then.
 *
 * Throws what the writer throws; `UpstreamFailure` wire `empty` where the first answer says nothing, and `malformed` where
 * the second one cannot be used either, or cannot be had: then somebody has been paid, and is not to be asked anew.
 */
export async function askForStructure<Desc extends DescMessage>(
  writer: Writer,
  request: GenerationRequest,
  type: Desc,
  settle: (written: MessageShape<Desc>) => readonly string[],
): Promise<Structured<MessageShape<Desc>>> {
  const first = await writer(request);
  if (!isCut(first)) answerText(first, request);
  const read = readStructure(first, type, settle);
  if ("written" in read) return { written: read.written, generation: first, usage: first.usage };
  const more = isCut(first) ? [shorter] : repairOf(first, read.problems);
  const again = { ...request, messages: [...request.messages, ...more] };
  const second = await writer(again).catch((error: unknown) => {
    const isFailure = error instanceof UpstreamFailure && error.failure.reason !== "content_filter";
    throw isFailure ? UpstreamFailure.wire("malformed", { cause: error }) : error;
  });
  const repaired = readStructure(second, type, settle);
  if (!("written" in repaired)) throw UpstreamFailure.wire("malformed");
  return { written: repaired.written, generation: second, usage: sumOf(first.usage, second.usage) };
}

function isCut({ choices }: Generation): boolean {
  return choices[0].finishReason === "length";
}

const shorter: Message = {
  role: "user",
  content:
    "An earlier answer was cut off because it was too long. Write fewer elements and one short sentence for each text, so that the JSON object is complete.",
};

function repairOf({ choices }: Generation, problems: readonly string[]): Message[] {
  const told = problems.slice(0, maxShownProblems).map((problem) => problem.slice(0, maxProblemUnits));
  const complaint = `Your answer cannot be used:\n${told.join("\n")}\nAnswer with the whole, corrected JSON object.`;
  return [
    { role: "assistant", content: choices[0].content.slice(0, maxShownUnits).toWellFormed() },
    { role: "user", content: complaint.toWellFormed() },
  ];
}

/** The first object of an answer that fits; else what is wrong with the one that has the least. */
function readStructure<Desc extends DescMessage>(
  { choices: [{ content }] }: Generation,
  type: Desc,
  settle: (written: MessageShape<Desc>) => readonly string[],
): { readonly written: MessageShape<Desc> } | { readonly problems: readonly string[] } {
  if (content.length > maxAnswerUnits) return { problems: ["It is too long."] };
  let least: readonly string[] | undefined;
  let broken: string | undefined;
  for (const found of objectsIn(content)) {
    if (!("object" in found)) {
      broken ??= found.reason;
      continue;
    }
    const fitted = fitTo(type, found.object);
    const problems = "message" in fitted ? settle(fitted.message) : fitted.problems;
    if ("message" in fitted && problems.length === 0) return { written: fitted.message };
    if (!least || problems.length < least.length) least = problems;
  }
  return {
    problems: least ?? [broken === undefined ? "It holds no JSON object." : `The JSON object in it ${broken}.`],
  };
}
