import { fromBinary } from "@bufbuild/protobuf";
import { encodeEntry, entryText } from "../cache/storage/codec.ts";
import type { Encryption } from "../cache/storage/encryption.ts";
import type { Caller } from "../caller.ts";
import { callerError, GatewayError } from "../errors.ts";
import type { InFlight, Share } from "../in-flight.ts";
import type { Spent } from "../metered.ts";
import { rpcStorage } from "../operations/rpc.ts";
import { noteError, type RequestRecord } from "../record.ts";
import { rpcs } from "../rpcs/rpcs.ts";
import type { Call, Gateway } from "../upstream.ts";
import { maxAnswerBytes, sealedFor, type Work } from "./work.ts";

/** Does the work of runs in an isolate of their objects. */
export interface Carrier {
  /** Takes the memory for some work. Throws a `GatewayError` `overloaded` where there is none. */
  hold(work: Work): Share;
  /** Asks for it as for a caller's request, without a caller. Never throws. */
  carry(work: Work, memory: Share): Promise<Carried>;
}

/** What came of it: an answer, sealed, or why there is none. */
interface Carried {
  readonly record: RequestRecord;
  /** What goes on behind it, such as writing down what it has cost. */
  readonly behind: readonly Promise<unknown>[];
  readonly result: { readonly sealed: Uint8Array } | { readonly error: GatewayError };
}

export interface CarrierOptions {
  /** How an RPC is asked. What is asked here has no idempotency key. */
  readonly upstreamOf: Gateway["rpc"];
  /** How long a run may take, in milliseconds. */
  readonly maxMs: number;
  readonly encryption: Encryption;
  readonly inFlight: InFlight;
  /** Has a caller pay for what was spent on his behalf, who may have left. */
  readonly charge: (caller: Caller, spent: Promise<Spent>, startedAtMs: number) => Promise<void>;
}

/** What a request takes that is small in all else, and what a message takes for each of its bytes, as those that callers send. */
const leastBytes = 16 * 1024;
const bytesPerMessageByte = 4;
/** How much longer a run's memory is held that the runtime ends without a word. */
const graceMs = 60_000;

/** Work is asked for from a gateway of the object's isolate, so that fallback, breakers and limits are the usual ones. */
export function createCarrier({ upstreamOf, maxMs, encryption, inFlight, charge }: CarrierOptions): Carrier {
  async function answerTo(work: Work, call: Call): Promise<Uint8Array> {
    const { name, operation, request, caller } = work;
    const { tenant } = caller;
    const rpc = rpcs.find((each) => each.name === operation);
    if (!rpc) throw new Error(`there is no RPC ${operation}`);
    const message = fromBinary(rpc.method.input, request.message);
    const answer = await upstreamOf(operation)({ ...request, message }, call);
    const text = entryText(rpcStorage(rpc), { tenant, operation, digest: name }, answer, maxAnswerBytes);
    if (text === undefined) throw new GatewayError("upstream_bad_response", "The AI provider's answer is too large.");
    return await encryption.seal(await encodeEntry(text), tenant, sealedFor(name));
  }

  return {
    hold({ caller, request }) {
      const memory = inFlight.open(caller.tenant, Date.now() + maxMs + graceMs);
      try {
        memory.take(leastBytes + bytesPerMessageByte * request.message.byteLength);
      } catch (error) {
        memory.release();
        throw error;
      }
      return memory;
    },
    async carry(work, memory) {
      const { requestId, trace, hops, caller, request } = work;
      const startedAtMs = Date.now();
      const { traceId } = trace;
      const record: RequestRecord = { requestId, traceId, startedAtMs, attempts: [], caller, model: request.model };
      const behind: Promise<unknown>[] = [];
      const call: Call = {
        ...{ requestId, trace, hops, caller, record, memory },
        stream: false,
        delivery: "live",
        deadlineMs: startedAtMs + maxMs,
        // Nobody leaves.
        signal: new AbortController().signal,
        waitUntil: (work) => void behind.push(work),
        onAsked: (spent) => void behind.push(charge(caller, spent, startedAtMs)),
      };
      try {
        return { record, behind, result: { sealed: await answerTo(work, call) } };
      } catch (thrown) {
        const error = callerError(thrown);
        noteError(record, error);
        return { record, behind, result: { error } };
      }
    },
  };
}
