import { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { GatewayError } from "../src/errors.ts";
import { finishReasons } from "../src/generation.ts";
import { envelopes } from "../src/http/envelopes.ts";
import { reasonsByConnectCode } from "../src/providers/ai-service/failure.ts";
import { wordsByFinishReason } from "../src/providers/finish-reason.ts";
import { reasonOfStatus } from "../src/providers/wire/failure.ts";
import { reasonsByWord } from "../src/providers/wire/reasons.ts";
import { type Verdict, verdicts } from "../src/resilience/failures.ts";
import { type PeerReason, peerReasons, type WireReason, wireReasons } from "../src/upstream-failure.ts";
import { table } from "./markdown.ts";

const statusesWithMeaning = [401, 402, 403, 404, 405, 408, 409, 410, 413, 429, 501, 502, 503, 504, 508, 529];
/** For those that stand for a whole class, or for something else where more is known. */
const otherStatuses: ReadonlyMap<string, PeerReason> = new Map([
  ["3xx", "redirected"],
  ["`not_found` where the RPC's request names no model", "resource_not_found"],
  ["other 4xx", reasonOfStatus(499)],
  ["other 5xx", reasonOfStatus(599)],
]);

const wireMeanings: Readonly<Record<WireReason, string>> = {
  unavailable: "refused, lost or reset before an answer; TLS or DNS failure",
  timeout: "no header, first token or next token in time",
  malformed:
    "not what was asked for: its type, its JSON, its frames, its text; a compressed stream, one that goes on for 10,000 events and says nothing, or in pieces of single bytes",
  truncated: "ended or reset before its end",
  oversized: "more than 8 MiB, of a stream 32 MiB",
  empty: "complete, and says nothing",
  mismatched: "another request's `x-request-id`",
};

const connectCodes = Object.values(Code).filter((code) => typeof code === "number");

/** How a provider says it: HTTP statuses, Connect codes, words of other APIs. */
function wordsFor(reason: PeerReason): string {
  const statuses = statusesWithMeaning.filter((status) => reasonOfStatus(status) === reason).map(String);
  const others = [...otherStatuses].filter(([, other]) => other === reason).map(([words]) => words);
  const codes = connectCodes.filter((code) => reasonsByConnectCode[code] === reason).map(codeToString);
  const told = [...reasonsByWord].filter(([, other]) => other === reason).map(([code]) => code);
  const quoted = [...new Set([...codes, ...told])].map((code) => `\`${code}\``);
  return [...statuses, ...others, ...quoted].join(", ");
}

const blames: Readonly<Record<Verdict["blame"], string>> = {
  connection: "the provider",
  model: "the model",
  nobody: "nobody",
};

function row(reason: string, words: string, verdict: Verdict): string[] {
  const { code } = new GatewayError(verdict.kind, verdict.sentence, { code: verdict.code });
  const effects = [
    verdict.leadsTo === "next" ? "next provider" : "the caller, at once",
    verdict.retry ? "once" : "no",
    blames[verdict.blame],
    verdict.alarm ? "yes" : "no",
  ];
  return [`\`${reason}\``, words, ...effects, `${envelopes[verdict.kind].status} \`${code}\``];
}

/** docs/reliability.md's table of what leads where, as it stands in the code. */
export function failuresTable(): string {
  const head = [
    "reason",
    "what it is",
    "leads to",
    "retried",
    "counts against",
    "alarm",
    "if all fail, the caller gets",
  ];
  const wire = wireReasons.map((reason) => row(reason, wireMeanings[reason], verdicts.wire[reason]));
  const peer = peerReasons.map((reason) => row(reason, wordsFor(reason), verdicts.peer[reason]));
  return table(head, [...wire, ...peer]);
}

/** docs/answers.md's table of how providers say that an answer has ended, as it stands in the code. */
export function finishReasonsTable(): string {
  const rows = finishReasons.map((reason) => [
    `\`${reason}\``,
    wordsByFinishReason[reason].map((word) => `\`${word}\``).join(", "),
  ]);
  return table(["reason", "words"], rows);
}
