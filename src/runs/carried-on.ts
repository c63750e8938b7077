import { toBinary } from "@bufbuild/protobuf";
import { claimOf, type KeyClaim, keyReused } from "../cache/idempotency-key.ts";
import { decodeAnswer } from "../cache/storage/codec.ts";
import type { Encryption } from "../cache/storage/encryption.ts";
import { type Digest, schemaVersion } from "../cache/storage/key.ts";
import { directivesFrom } from "../cache-directives.ts";
import { GatewayError } from "../errors.ts";
import type { Answer, Operation } from "../operation.ts";
import type { RpcAnswer, RpcRequest } from "../rpc.ts";
import type { Rpc } from "../rpcs/rpc.ts";
import { logWarning } from "../telemetry/log.ts";
import type { Call, Upstream } from "../upstream.ts";
import { pause } from "../waiting.ts";
import type { RunObject } from "./run-object.ts";
import { type Begun, type Found, maxAnswerBytes, type Outcome, sealedFor, toldError, type Work } from "./work.ts";

type Asked = Upstream<RpcRequest, Answer<RpcAnswer>>;

/** Puts runs before a long RPC's chain. */
export type CarriedOn = (rpc: Rpc, operation: Operation<RpcRequest, RpcAnswer>, chain: Asked) => Asked;

export interface RunsOptions {
  readonly objects: DurableObjectNamespace<RunObject>;
  readonly digest: Digest;
  readonly encryption: Encryption;
}

/** How long an object may take to say what it knows, twice; it may have to be started first. */
const foundWithinMs = 2_000;
const begunWithinMs = 10_000;
/** One question to an object waits no longer, so that nothing waits there for who has left. */
const waitMs = 10_000;
const waitedWithinMs = waitMs + 5_000;
/** So often in a row an object may not answer who waits. */
const maxUnanswered = 3;
const betweenQuestionsMs = 500;
/** How long after his deadline a caller's limits may be held by a run that goes on (`policy/limited`). */
const followedForMs = 60_000;

/** One caller's run. */
interface Joined {
  readonly run: string;
  /** Whether it was begun for this caller. */
  readonly isOwn: boolean;
}

/**
 * Has what is asked under an idempotency key done in a Durable Object, one run for each key, and waits for it: where the caller
 * leaves or his time is up, it goes on, and who comes back with the key joins it or gets its answer. What has no key, and what
 * may be stored nowhere (`no-store`), ends with its caller as ever.
 *
 * An object that cannot be asked whether there is a run is as good as none. Throws a `GatewayError`: `upstream_unavailable` with
 * code `run_unknown` where a run may have begun of which nothing can be learnt, and with `run_lost` where it has ended without a
 * word; `conflict` where the key stands for another request; `cancelled`, `deadline_exceeded`; and what the run has failed with.
 */
export function createRuns({ objects, digest, encryption }: RunsOptions): CarriedOn {
  return (rpc, operation, chain) => {
    async function opened({ name, tenant }: KeyClaim, sealed: Uint8Array, { memory }: Call) {
      const bytes = await encryption.open(sealed, tenant, sealedFor(name));
      const owner = { tenant, operation: operation.name, digest: name };
      return bytes && (await decodeAnswer(operation.storage, owner, bytes, memory, maxAnswerBytes))?.answer;
    }

    return async (request, call) => {
      const { idempotencyKey, caller, record, requestId } = call;
      if (idempotencyKey === undefined || directivesFrom(call.cacheControl).noStore) return await chain(request, call);
      const claim = await claimOf({ digest, operation, caller, idempotencyKey }, request);
      // A new stub for each question: one that has failed fails for good.
      const object = () => objects.get(objects.idFromName(`v${schemaVersion}:${claim.name}`));

      async function begin(unreadable?: string): Promise<Joined> {
        const work = workOf(rpc, claim, request, call);
        const begun = await said<Begun>(() => object().begin(work, unreadable), begunWithinMs, call);
        if (!begun) throw runUnknown();
        if (begun.state === "taken") throw keyReused();
        if (begun.state === "refused") throw toldError(begun.error);
        return { run: begun.run, isOwn: begun.state === "begun" };
      }

      async function outcomeOf({ run, isOwn }: Joined): Promise<RpcAnswer | undefined> {
        record.run = run;
        // Who has begun it is held to his limits as long as it goes on.
        const { onAsked } = isOwn ? call : {};
        const following = onAsked
          ? { signal: new AbortController().signal, deadlineMs: call.deadlineMs + followedForMs }
          : call;
        const ending = ended(() => object().wait(run, waitMs), following);
        // What it has taken is said where that is known (`carrier`).
        onAsked?.(ending.then(takenElsewhere, takenElsewhere));
        const outcome = await within(ending, Number.POSITIVE_INFINITY, call);
        if (!outcome) throw runUnknown();
        if (outcome.state === "lost") throw runLost();
        if (isOwn) record.attempts.push(...outcome.attempts);
        if (outcome.state === "failed") throw toldError(outcome.error);
        const answer = await opened(claim, outcome.sealed, call);
        if (answer && !isOwn) record.replayed = true;
        return answer;
      }

      const find = () => said<Found>(() => object().find(claim.fingerprint), foundWithinMs, call);
      const found = (await find()) ?? (await find());
      if (!found) {
        logWarning("run_unreachable", { requestId });
        return await chain(request, call);
      }
      if (found.state === "taken") throw keyReused();
      if (found.state === "free") return (await outcomeOf(await begin())) ?? unreadable();
      // An answer that was sealed under another secret is none.
      return (
        (await outcomeOf({ run: found.run, isOwn: false })) ?? (await outcomeOf(await begin(found.run))) ?? unreadable()
      );
    };
  };
}

function workOf(rpc: Rpc, { name, fingerprint }: KeyClaim, { message, ...rest }: RpcRequest, call: Call): Work {
  const { caller, requestId, trace, hops } = call;
  const request = { ...rest, message: toBinary(rpc.method.input, message) };
  return { name, fingerprint, operation: rpc.name, request, caller, requestId, trace, hops };
}

/** Whose patience is waited on. */
type Waiting = Pick<Call, "signal" | "deadlineMs">;

/** Waits for a run to end, over as many questions as that takes. */
async function ended(ask: () => Promise<Outcome>, waiting: Waiting): Promise<Exclude<Outcome, { state: "running" }>> {
  for (let unanswered = 0; unanswered < maxUnanswered; ) {
    const outcome = await said(ask, waitedWithinMs, waiting);
    if (outcome && outcome.state !== "running") return outcome;
    unanswered = outcome ? 0 : unanswered + 1;
    if (!outcome) await pause(betweenQuestionsMs, waiting.signal);
  }
  throw runUnknown();
}

/** What an object says; undefined where it throws or takes longer than `limitMs`. Throws what `within` throws. */
async function said<T>(ask: () => Promise<T>, limitMs: number, waiting: Waiting): Promise<T | undefined> {
  return await within(
    ask().catch(() => undefined),
    limitMs,
    waiting,
  );
}

/**
 * What work comes to; undefined where that takes longer than `limitMs`. Throws what it throws, and a `GatewayError` where the
 * caller leaves or his time is up.
 */
async function within<T>(
  work: Promise<T | undefined>,
  limitMs: number,
  { signal, deadlineMs }: Waiting,
): Promise<T | undefined> {
  const over = new AbortController();
  const late = pause(Math.min(limitMs, deadlineMs - Date.now()), AbortSignal.any([signal, over.signal]));
  try {
    const result = await Promise.race([work, late.then(() => undefined)]);
    if (result !== undefined) return result;
  } finally {
    over.abort();
  }
  if (signal.aborted) throw new GatewayError("cancelled", "The caller left.");
  if (Date.now() < deadlineMs) return undefined;
  throw new GatewayError(
    "deadline_exceeded",
    "The answer was not there in time; it will be under the same 'idempotency-key'.",
    { code: "upstream_timeout" },
  );
}

const takenElsewhere = () => ({});

const runUnknown = () =>
  new GatewayError("upstream_unavailable", "Nobody knows how the work goes on; ask again under the same key.", {
    code: "run_unknown",
  });

const runLost = () =>
  new GatewayError("upstream_unavailable", "The work was lost; ask again to have it begin anew.", { code: "run_lost" });

function unreadable(): never {
  throw new Error("an answer that was just sealed cannot be opened");
}
