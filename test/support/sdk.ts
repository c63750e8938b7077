import OpenAI from "openai";
import type { Gateway } from "./worker-on-sockets.ts";

export type Delivery = "live" | "atomic";

/** The official SDK as a client of this gateway; streams only. Its own retries are off. */
export function clientOf({ open }: Gateway, delivery: Delivery = "live"): OpenAI {
  return new OpenAI({
    apiKey: "any",
    baseURL: "http://localhost/v1",
    maxRetries: 0,
    defaultHeaders: { "x-qingyu-delivery": delivery },
    fetch: async (_, init) =>
      await open({
        stream: true,
        body: JSON.parse(String(init?.body)),
        headers: Object.fromEntries(new Headers(init?.headers)),
      }),
  });
}

/** What a stream cost whose provider does not say. */
export const unknown = -1;

/** Reads a stream to its end: its text, why it finished, and what it cost. */
export async function read(client: OpenAI) {
  const stream = await client.chat.completions.create({
    model: "any",
    messages: [
      { role: "user", content: "写" },
      { role: "assistant", content: "从前" },
    ],
    stream: true,
    stream_options: { include_usage: true },
  });
  let [content, finishReason, tokens] = ["", "", unknown];
  for await (const { choices, usage } of stream) {
    content += choices[0]?.delta.content ?? "";
    finishReason = choices[0]?.finish_reason ?? finishReason;
    tokens = usage?.total_tokens ?? tokens;
  }
  return { content, finishReason, tokens };
}
