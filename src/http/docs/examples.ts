import type { Embeddings } from "../../embedding.ts";
import type { GenerationChunk, GenerationStream, JsonObject } from "../../generation.ts";
import type { TaskAnswer } from "../../task.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import type { Encoder } from "../event-stream.ts";

/** What every example shows: one piece of writing, asked for and answered on each surface. */

export const requestId = "chapter-12-draft-3";
export const createdAtMs = Date.UTC(2026, 10, 20, 12);
export const model = "gpt-4o";
export const prompt = "夜雨落在青石巷，少年收起纸伞，";
export const messages = [
  { role: "system", content: "你是网络小说《青羽》的作者，文风清冷。" },
  { role: "user", content: prompt },
];

const usage = { totalTokens: 60, split: { promptTokens: 42, completionTokens: 18 } };

/** The answer, to be read once. */
export function answer(): GenerationStream {
  const chunks: readonly GenerationChunk[] = [
    { choice: 0, delta: "抬头望见" },
    { choice: 0, delta: "檐角一盏将熄的灯。" },
    { choice: 0, delta: "", finishReason: "stop", usage },
  ];
  const batches = [chunks];
  return { provider: "openai", model, createdAtMs, read: async () => batches.pop() };
}

/** What was written of a text that is one part. */
export function written(text: string, structure: JsonObject): TaskAnswer {
  return {
    ...{ provider: "openai", model, createdAtMs, usage },
    parts: [{ start: 0, end: text.length, written: structure }],
  };
}

export const embeddingModel = "text-embedding-3-small";
export const embeddings: Embeddings = {
  provider: "openai",
  model: embeddingModel,
  createdAtMs,
  vectors: [Float32Array.of(0.25, -0.5, 0.125), Float32Array.of(0.375, 0.0625, -0.75)],
  usage: { totalTokens: 34, split: { promptTokens: 34, completionTokens: 0 } },
};

/** The answer as a surface's events. */
export async function eventsWritten(encoder: Encoder<GenerationAnswer>): Promise<string> {
  const chunks = (await encoder.begin(answer()).read()) ?? [];
  return chunks.map(encoder.chunk).join("") + encoder.end();
}
