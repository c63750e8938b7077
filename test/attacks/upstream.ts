/**
 * An AI back end, as child of a run of attacks: it answers well, unless a prompt names the scenario that it is to play
 * (`promptFor`); told `good`, it has no model for such prompts. OpenAI's API and the AI service's, as they are asked.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { dialectOf } from "../upstreams/dialects.ts";
import { play } from "../upstreams/scenarios.ts";
import { wireOn } from "../upstreams/wire.ts";
import { scenarioIn } from "./scenario.ts";

const isGood = process.argv[2] === "good";

const server = createServer((request, response) => void handle(request, response));
server.on("connection", (socket) => socket.setMaxListeners(0).on("error", () => {}));

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { url: path = "", headers, socket } = request;
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces);
  const scenario = scenarioIn(body);
  await play(scenario === undefined ? "kept" : isGood ? "error:404:model_not_found" : scenario, {
    wire: wireOn(socket, { onEnd: () => {}, onStall: () => {} }),
    dialect: dialectOf(path, headers["content-type"] ?? "", body),
    path,
    visits: 1,
    body,
    requestId: String(headers["x-request-id"]),
    response,
    thiefUrl: "http://127.0.0.1:1",
  });
}

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  process.send?.({ url: `http://127.0.0.1:${address.port}` });
});
process.on("disconnect", () => process.exit());
