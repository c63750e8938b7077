/** Plans a novel with a typed Connect client: an outline, its characters, their plot. `npx node examples/creative.ts [gateway URL]` */
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8787";
const headers: Record<string, string> = process.env.GATEWAY_API_KEY
  ? { authorization: `Bearer ${process.env.GATEWAY_API_KEY}` }
  : {};
const client = createClient(AIService, createConnectTransport({ baseUrl, useBinaryFormat: true }));
const asked = { task: "写一部江湖小说：少年林青羽在长安城寻找失踪的师父", projectId: "p1" };

const { outline } = await client.generateOutline(asked, { headers });
console.log(`${outline?.title}: ${outline?.chapters.map(({ title }) => title).join(", ")}`);

const { characters } = await client.generateCharacters({ ...asked, outline }, { headers });
console.log(characters?.characters.map(({ name, roleType }) => `${name} (${roleType})`).join(", "));

const { plot } = await client.generatePlot({ ...asked, outline, characters }, { headers });
for (const { timestamp, title, eventType } of plot?.timelineEvents ?? [])
  console.log(`${timestamp} ${eventType} ${title}`);
