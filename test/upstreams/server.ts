import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { dialectOf } from "./dialects.ts";
import { play } from "./scenarios.ts";
import type { Visit } from "./texts.ts";
import { arrive, changed, waitFor } from "./visits.ts";
import { wireOn } from "./wire.ts";

/**
 * AI back ends that go wrong on purpose. Every address is `/<scenario>/<test id>` and the real service's path, so that
 * tests share nothing; `/seen/<test id>?until=<state>` tells what has arrived. Runs as a child of the test run, tells its
 * parent the two addresses, and ends with it.
 */
const faults = createServer((request, response) => void handle(request, response));
/** Where redirects lead. Nobody may come here. */
const thief = createServer((request, response) => {
  note(request, `thief-${request.url?.split("/")[1]}`, request.url ?? "", Buffer.of());
  response.end("stolen");
});

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "", "http://upstream.test");
  const [, scenario = "", id = "", ...rest] = url.pathname.split("/");
  if (scenario === "seen") {
    const visits = await waitFor(id, url.searchParams.get("until"));
    response.setHeader("content-type", "application/json").end(JSON.stringify(visits));
    return;
  }
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces);
  const path = `/${rest.join("/")}`;
  const { become, visits } = note(request, id, path, body);
  const wire = wireOn(request.socket, {
    onEnd: () => become("answered"),
    onStall: () => become("stalled"),
  });
  const dialect = dialectOf(path, request.headers["content-type"] ?? "", body);
  const requestId = String(request.headers["x-request-id"]);
  const thiefUrl = `${addressOf(thief)}/${id}`;
  await play(scenario, { wire, dialect, path, visits, body, requestId, response, thiefUrl });
}

function note(request: IncomingMessage, id: string, path: string, body: Buffer) {
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value ?? "")]),
  );
  const { visit, visits } = arrive(id, {
    method: request.method ?? "",
    path,
    headers,
    body: body.toString("base64"),
    connection: request.socket.remotePort ?? 0,
    state: "open",
  });
  const socket: Socket = request.socket;
  socket.on("error", () => {});
  // What has ended stays ended.
  const become = (state: Visit["state"]) => {
    if (visit.state === "open" || visit.state === "stalled") visit.state = state;
    changed();
  };
  socket.once("close", () => become("left"));
  return { become, visits };
}

async function listen(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
}

function addressOf(server: Server): string {
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  return `http://127.0.0.1:${address.port}`;
}

await Promise.all([listen(faults), listen(thief)]);
process.on("disconnect", () => process.exit());
process.send?.({ url: addressOf(faults) });
