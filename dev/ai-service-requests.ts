import { type DescMessage, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { GenerateContentRequest, GenerateOptions, RAGFilters } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import type { WritingTask } from "./embedded-writer.ts";

/** Reads and checks what the stand-in is asked, in the Python service's words (its `rpc/requests.py` and `rpc/sizes.py`). */

const maxPromptCharacters = 1_000_000;
const maxStops = 16;
const maxStopCharacters = 1024;
const maxModelCharacters = 256;
const maxTexts = 2048;
const maxEmbeddedCharacters = 32_768;
const maxFilterValues = 1000;
const maxTopK = 100;
const maxReflections = 10;
/** Around each entry of a map that is rendered into a prompt. */
const charactersAroundEntry = 4;
const roles = ["system", "user", "assistant", "tool"];

/** A request that can never be served; `message` names the field. */
export function invalid(message: string): ConnectError {
  return new ConnectError(`invalid_request: ${message}`, Code.InvalidArgument);
}

/** A field that must hold something. */
export function required(name: string, value: string): string {
  if (value.trim() === "") throw invalid(`${name}: is empty`);
  if (countOf(value) > maxPromptCharacters) throw invalid(`${name}: has more than ${maxPromptCharacters} characters`);
  return value;
}

/** The text of a request's conversation; a prompt is one message. */
export function conversationOf({ messages, prompt }: GenerateContentRequest): string {
  if (messages.length === 0) return required("prompt", prompt);
  for (const [index, { role }] of messages.entries()) {
    if (!roles.includes(role)) throw invalid(`messages[${index}].role: is none of ${roles.join(", ")}`);
  }
  if (messages.every(({ content }) => content.trim() === "")) throw invalid("messages: hold no text");
  const characters = messages.reduce((sum, { content, name }) => sum + countOf(content) + countOf(name), 0);
  if (characters > maxPromptCharacters) throw invalid(`messages: hold more than ${maxPromptCharacters} characters`);
  return messages.map(({ content }) => content).join("\n");
}

/** What the options mean to the embedded writer; those that mean nothing to it are checked all the same. */
export function writingOptionsOf(options: GenerateOptions | undefined): Omit<WritingTask, "prompt"> {
  const { model = "", maxTokens = 0, stop = [], temperature = 0, responseFormat = "" } = options ?? {};
  if (countOf(model) > maxModelCharacters) {
    throw invalid(`options.model: has more than ${maxModelCharacters} characters`);
  }
  if (stop.length > maxStops) throw invalid(`options.stop: must be at most ${maxStops}`);
  for (const [index, word] of stop.entries()) {
    if (countOf(word) > maxStopCharacters) {
      throw invalid(`options.stop[${index}]: has more than ${maxStopCharacters} characters`);
    }
  }
  if (maxTokens < 0) throw invalid("options.max_tokens: must not be negative");
  within("options.temperature", temperature, 0, 2);
  within("options.top_p", options?.topP ?? 0, 0, 1);
  within("options.presence_penalty", options?.presencePenalty ?? 0, -2, 2);
  within("options.frequency_penalty", options?.frequencyPenalty ?? 0, -2, 2);
  if (!["", "text", "json_object"].includes(responseFormat)) {
    throw invalid("options.response_format: is none of text, json_object");
  }
  return { maxTokens, stop, json: responseFormat === "json_object" };
}

/** Texts to embed. */
export function checkTexts(texts: readonly string[]): void {
  if (texts.length === 0 || texts.length > maxTexts) throw invalid(`texts: must be 1 to ${maxTexts}`);
  for (const [index, text] of texts.entries()) {
    if (text.trim() === "") throw invalid(`texts[${index}]: is empty`);
    if (countOf(text) > maxEmbeddedCharacters) {
      throw invalid(`texts[${index}]: has more than ${maxEmbeddedCharacters} characters`);
    }
  }
}

export function checkTopK(topK: number): void {
  within("top_k", topK, 0, maxTopK);
}

export function checkReflections(rounds: number): void {
  within("max_reflections", rounds, 0, maxReflections);
}

export function checkFilters(filters: RAGFilters | undefined): void {
  const { docTypes = [], characterIds = [], timelineIds = [], chapterIds = [] } = filters ?? {};
  const lists = {
    doc_types: docTypes,
    character_ids: characterIds,
    timeline_ids: timelineIds,
    chapter_ids: chapterIds,
  };
  for (const [name, values] of Object.entries(lists)) {
    if (values.length > maxFilterValues) throw invalid(`filters.${name}: must be at most ${maxFilterValues}`);
  }
}

/** Characters of each part of a prompt, by its field: all in all they must fit, else the largest is named. */
export function checkPrompt(sizes: Readonly<Record<string, number>>): void {
  const parts = Object.entries(sizes).map(([name, size]) => ({ name, size }));
  const largest = parts.reduce((most, part) => (part.size > most.size ? part : most), { name: "", size: 0 });
  const limit = `more than ${maxPromptCharacters} characters`;
  if (largest.size > maxPromptCharacters) throw invalid(`${largest.name}: has ${limit}`);
  if (parts.reduce((sum, { size }) => sum + size, 0) > maxPromptCharacters) {
    const others = parts.filter((part) => part.size > 0 && part.name !== largest.name).map(({ name }) => name);
    throw invalid(`${largest.name}: has, with ${others.join(", ")}, ${limit}`);
  }
}

/** In characters, not in UTF-16 code units. */
export function countOf(text: string): number {
  return [...text].length;
}

export function countOfMap(map: Readonly<Record<string, string>>): number {
  return Object.entries(map).reduce(
    (sum, [key, text]) => sum + countOf(key) + countOf(text) + charactersAroundEntry,
    0,
  );
}

export function countOfMessage<Schema extends DescMessage>(schema: Schema, message?: MessageShape<Schema>): number {
  return message ? countOf(toJsonString(schema, message)) : 0;
}

function within(name: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most)) throw invalid(`${name}: must be from ${least} to ${most}`);
}
