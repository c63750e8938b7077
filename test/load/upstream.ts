/**
 * Two AI back ends for a load run, as child of the run: `/primary` and `/secondary`. Each visit is answered as the run's
 * seeded dice say: well, with the right answer to its question, or by one of the fault server's scenarios.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { scenarioIn } from "../attacks/scenario.ts";
import type { Dialect } from "../upstreams/dialect.ts";
import { dialectOf } from "../upstreams/dialects.ts";
import { play } from "../upstreams/scenarios.ts";
import { badPieces, goodPieces, shortText } from "../upstreams/texts.ts";
import { wireOn } from "../upstreams/wire.ts";
import { answerTo, begunKey, type Question } from "./answers.ts";
import { dice } from "./dice.ts";
import { faultsFor, refusesBeforehand } from "./faults.ts";
import { promptIn } from "./prompts.ts";
import { isRpcName, type RpcName, rpcKinds } from "./rpc-kinds.ts";
import { tenants } from "./tenants.ts";

/** What the run may tell a back end to do. */
export interface Order {
  readonly provider: string;
  /**
   * `up`: good answers only; `mixed`: a fifth of them faults; `down`: every connection is reset; `endless`: tokens without
   * end; `mute`: some tokens, then silence; `slow`: good answers that take their time; `long`: good answers as long as can
   * be stored.
   */
  readonly mode: keyof typeof scenarios | "mixed" | "down";
}

/** What the back ends tell the run when it asks. */
export interface Report {
  /** Answers that are not over. */
  readonly open: number;
  readonly visits: Readonly<Record<string, number>>;
  /** How often each RPC that takes long was begun, by `begunKey`. */
  readonly begun: Readonly<Record<string, number>>;
  /** What each answer says that it takes, where it says it, by the `x-request-id` that the gateway sent. */
  readonly said: Readonly<Record<string, Said>>;
}

export interface Said {
  readonly provider: string;
  /** In mode `mixed` no two visits take the same. */
  readonly tokens: number;
}

/** The fault server's scenarios. Good answers come over connections that stay open, or with headers that nobody may see. */
const scenarios = {
  up: ["kept", "ok"],
  endless: ["endless-tokens"],
  mute: ["silent-mid"],
  slow: ["slow:100"],
  long: ["long:1390000"],
} as const;

const faultShare = 0.2;
const modes = new Map<string, Order["mode"]>();
const visits: Record<string, number> = {};
const begun: Record<string, number> = {};
const said: Record<string, Said> = {};
/** What each answer takes in all modes but `mixed`. */
const usualTokens = 18;
let lastTokens = usualTokens;
let open = 0;
const roll = dice(20_261_123);

const server = createServer((request, response) => void handle(request, response));
// A connection serves many requests, and each of them watches it.
server.on("connection", (socket) => socket.setMaxListeners(0).on("error", () => {}));

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, provider = "", ...rest] = (request.url ?? "").split("/");
  visits[provider] = (visits[provider] ?? 0) + 1;
  const mode = modes.get(provider) ?? "up";
  const { socket } = request;
  if (mode === "down") return void socket.resetAndDestroy();
  open++;
  onceOver(response, socket, () => open--);

  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces);
  const path = `/${rest.join("/")}`;
  const question = questionIn(provider, request.headers, body);
  const requestId = String(request.headers["x-request-id"]);
  const tokens = mode === "mixed" ? ++lastTokens : usualTokens;
  said[requestId] = { provider, tokens };
  const dialect = answering(dialectOf(path, request.headers["content-type"] ?? "", body), question, tokens);
  const wire = wireOn(socket, { onEnd: () => {}, onStall: () => {} });
  const isFault = mode === "mixed" && roll() < faultShare;
  const choices: readonly string[] = isFault ? faultsFor(dialect) : scenarios[mode === "mixed" ? "up" : mode];
  const scenario = scenarioIn(body) ?? roll.pick(choices);
  if (question.rpc && rpcKinds[question.rpc].isLong && !refusesBeforehand(scenario)) {
    const key = begunKey(question);
    begun[key] = (begun[key] ?? 0) + 1;
  }
  await play(scenario, {
    wire,
    dialect,
    path,
    visits: 1,
    body,
    requestId,
    response,
    thiefUrl: "http://127.0.0.1:1",
  });
}

/** An answer is over with its response, or with its connection where the response was not used. */
function onceOver(response: ServerResponse, socket: Socket, tell: () => void): void {
  let isOver = false;
  const over = () => {
    if (!isOver) tell();
    isOver = true;
  };
  response.once("close", over);
  socket.once("close", over);
}

interface Visited extends Question {
  /** Absent where it is chat. */
  readonly rpc?: RpcName;
}

/** The dialect, with the right answer or the beginning of it in the place of what the scenarios say. */
function answering(dialect: Dialect, question: Visited, tokensUsed: number): Dialect {
  const right = answerTo(question);
  const kind = question.rpc && rpcKinds[question.rpc];
  const pieces = kind ? [kind.written(right)] : (right.match(/.{16}/g) ?? []);
  const instead = (said: readonly string[]) => {
    if (said === goodPieces || said[0] === shortText) return pieces;
    return said === badPieces ? pieces.slice(0, 2) : said;
  };
  const say: Dialect["say"] = (said, quirks) => dialect.say(instead(said), { ...quirks, tokensUsed });
  if (!kind || dialect.contentType !== "application/proto") return { ...dialect, say };
  const message = { opening: [], tokens: [kind.answer(right)], ending: [] };
  const isEmpty = (said: readonly string[]) => said.join("") === "" && !kind.mayBeEmpty;
  return { ...dialect, say: (said, quirks) => (isEmpty(said) ? say(said, quirks) : message) };
}

/** The AI service is told the tenant by the gateway; to an OpenAI-type provider only what the caller says comes through. */
function questionIn(provider: string, headers: IncomingHttpHeaders, body: Buffer): Visited {
  const text = body.toString();
  const { prompt, what } = promptIn(text);
  const told = headers["x-qingyu-tenant"] ?? tenants.find((tenant) => text.includes(tenant));
  return { provider, tenant: String(told), prompt, rpc: isRpcName(what) ? what : undefined };
}

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  process.send?.({ url: `http://127.0.0.1:${address.port}` });
});
process.on("disconnect", () => process.exit());
process.on("message", (order: Order | "report") => {
  if (order === "report") process.send?.({ open, visits, begun, said } satisfies Report);
  else modes.set(order.provider, order.mode);
});
