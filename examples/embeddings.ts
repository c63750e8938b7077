/** Vectors with the official OpenAI SDK: how alike are two texts? `npx node examples/embeddings.ts [gateway URL]` */
import OpenAI from "openai";

const gateway = process.argv[2] ?? "http://127.0.0.1:8787";
const client = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: process.env.GATEWAY_API_KEY ?? "none" });

const { data, model } = await client.embeddings.create({
  // The gateway's own (ai.embedding_model), which the AI service has; vectors of different models cannot be compared.
  model: "BAAI/bge-large-zh-v1.5",
  input: ["夜雨落在青石巷", "青石巷里落着夜雨"],
});
const [one = [], two = []] = data.map(({ embedding }) => embedding);
const dot = one.reduce((sum, number, index) => sum + number * (two[index] ?? 0), 0);
console.log(`${model}: ${one.length} numbers, cosine ${(dot / Math.hypot(...one) / Math.hypot(...two)).toFixed(2)}`);
