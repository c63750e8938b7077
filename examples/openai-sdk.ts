/** The official OpenAI SDK against the gateway: only `baseURL` is changed. `npx node examples/openai-sdk.ts [gateway URL]` */
import OpenAI from "openai";

const gateway = process.argv[2] ?? "http://127.0.0.1:8787";
const client = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: process.env.GATEWAY_API_KEY ?? "none" });

const stream = await client.chat.completions.create({
  model: "gpt-4o",
  messages: [
    { role: "system", content: "你是小说家。" },
    { role: "user", content: "夜雨落在青石巷，" },
  ],
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
  if (chunk.usage) console.log(`\n(${chunk.usage.total_tokens} tokens)`);
}
