/** A typed Connect client against the gateway. `npx node examples/connect.ts [gateway URL]` */
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8787";
const headers: Record<string, string> = process.env.GATEWAY_API_KEY
  ? { authorization: `Bearer ${process.env.GATEWAY_API_KEY}` }
  : {};
const client = createClient(AIService, createConnectTransport({ baseUrl, useBinaryFormat: true }));

for await (const chunk of client.streamGenerateContent({ projectId: "p1", prompt: "夜雨落在青石巷，" }, { headers })) {
  process.stdout.write(chunk.delta);
  if (chunk.usage) console.log(`\n(${chunk.usage.totalTokens} tokens)`);
}
