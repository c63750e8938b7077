import { answerText, requestBody, type StreamKind, streams } from "./payload.ts";
import type { WorkerName } from "./workers.ts";

/** Cases that are measured in turn, round by round, so that a noisy moment meets all of them. */
export interface Group {
  readonly name: string;
  readonly connections: number;
  /** Requests of one case in one round. */
  readonly requests: number;
  readonly stream?: StreamKind;
  /** The first one is the bare worker that the others are a multiple of. */
  readonly cases: readonly Case[];
}

export interface Case {
  readonly name: string;
  readonly worker: WorkerName;
  /** Every request differs from all before. */
  readonly isUnique?: boolean;
}

const bare: Case = { name: "bare forwarder", worker: "forward" };
const openai: Case = { name: "OpenAI", worker: "openai" };
const aiService: Case = { name: "AI service", worker: "aiService" };
const streamed: readonly Case[] = [bare, { name: "floor", worker: "floor" }, openai, aiService];
const portkey: Case = { name: "Portkey on Node", worker: "portkey" };

/** With `peers`, other gateways beside ours. */
export function groupsOf({ peers }: { readonly peers: boolean }): readonly Group[] {
  const others = peers ? [portkey] : [];
  return [
    {
      name: "requests",
      connections: 16,
      requests: 1000,
      cases: [
        ...streamed,
        { name: "OpenAI, with a policy", worker: "openaiLimited" },
        ...others,
        { name: "bare JSON forwarder", worker: "jsonForward" },
        { name: "bare JSON forwarder with KV", worker: "kvForward", isUnique: true },
        { name: "OpenAI, cache miss", worker: "cached", isUnique: true },
      ],
    },
    {
      name: "hits",
      connections: 16,
      requests: 1000,
      cases: [
        { name: "bare KV reader", worker: "kvReader" },
        { name: "from memory", worker: "cached" },
        { name: "from KV", worker: "kvCached" },
      ],
    },
    { name: "burst streams", connections: 16, requests: 96, stream: "burst", cases: [...streamed, ...others] },
    {
      name: "paced streams",
      connections: 50,
      requests: 100,
      stream: "paced",
      cases: [
        ...streamed,
        { name: "OpenAI, batch_ms 20", worker: "openaiBatched" },
        { name: "AI service, batch_ms 20", worker: "aiServiceBatched" },
        ...others,
      ],
    },
    { name: "first tokens", connections: 1, requests: 30, stream: "brief", cases: [...streamed, ...others] },
  ];
}

/** The cases that have the text in their name or their group's, and what they are measured against. */
export function only(groups: readonly Group[], text: string): readonly Group[] {
  return groups.flatMap((group) => {
    const asked = group.cases.filter(({ name }) => `${group.name}: ${name}`.includes(text));
    const [first] = group.cases;
    const cases = group.cases.filter((each) => each === first || each.worker === "floor" || asked.includes(each));
    return asked.length > 0 ? [{ ...group, cases }] : [];
  });
}

let unique = 1;

/** The body of a case's next request. */
export function bodyOf({ stream }: Group, { isUnique }: Case): string {
  return requestBody(stream, isUnique ? unique++ : 0);
}

/** Whether an answer's body is the mock's whole answer: what is wrong may not be measured. */
export function isRight({ stream }: Group, body: string): boolean {
  if (!stream) return body.includes(answerText);
  const events = body.split("\n").filter((line) => line.startsWith("data: {"));
  const deltas = events.map((line) => JSON.parse(line.slice("data: ".length)).choices[0]?.delta?.content ?? "");
  return deltas.join("") === streams[stream].pieces.join("");
}
