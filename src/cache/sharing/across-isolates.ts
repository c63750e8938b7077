import { isStream } from "../../collect.ts";
import type { Operation, WholeAnswer } from "../../operation.ts";
import type { Call } from "../../upstream.ts";
import { pause, settlesWithin } from "../../waiting.ts";
import { decodeAnswer, encodeEntry, entryText, type Owner } from "../storage/codec.ts";
import type { Encryption } from "../storage/encryption.ts";
import type { Claim, Coordinator } from "./coordinator.ts";
import type { Flight, FlightUpstream } from "./flight.ts";
import type { Shared } from "./single-flight.ts";

/** Lets one of all isolates ask, where they want the same at the same time. */
export type Coordinate = <Request, Whole extends WholeAnswer>(
  wanted: Wanted<Request, Whole>,
  upstream: FlightUpstream<Whole>,
) => Promise<Shared<Whole>>;

interface Wanted<Request, Whole extends WholeAnswer> {
  readonly operation: Operation<Request, Whole>;
  readonly digest: string;
  readonly call: Call;
  readonly flight: Flight<Whole>;
}

export interface CoordinateOptions {
  readonly objects: DurableObjectNamespace<Coordinator>;
  readonly encryption: Encryption;
  /** How long an object may take to say who leads. */
  readonly claimTimeoutMs: number;
}

/** Without a Durable Object every isolate asks for itself. */
export const uncoordinated: Coordinate = async ({ call, flight }, upstream) => ({
  answer: await upstream(call, flight),
  isJoined: false,
});

/**
 * By a Durable Object for each digest. Isolates that wait get the whole answer when it is complete. An object that throws
 * or is late is as good as none, and so is a leader who fails: then each isolate asks for itself.
 */
export function coordinatedBy({ objects, encryption, claimTimeoutMs }: CoordinateOptions): Coordinate {
  return async <Request, Whole extends WholeAnswer>(
    { operation, digest, call, flight }: Wanted<Request, Whole>,
    upstream: FlightUpstream<Whole>,
  ) => {
    const object = objects.get(objects.idFromName(digest));
    const { storage } = operation;
    const owner: Owner = { tenant: call.tenant, operation: operation.name, digest };
    const opened = async (sealed: Uint8Array | undefined) => {
      const bytes = sealed && (await encryption.open(sealed, call.tenant, digest));
      return bytes && (await decodeAnswer(storage, owner, bytes))?.answer;
    };

    const claim = await inTime<Claim>(Promise.resolve(object.claim(call.deadlineMs)), claimTimeoutMs);
    if (claim?.role === "done" || claim?.role === "wait") {
      const sealed = claim.role === "done" ? claim.answer : await untilLeaving(Promise.resolve(object.outcome()), call);
      const answer = await opened(sealed);
      if (answer) return { answer, isJoined: true };
    }
    if (claim?.role !== "lead") return { answer: await upstream(call, flight), isJoined: false };

    const settle = (answer?: Whole) => {
      const settled = async () => {
        const text = answer && storage.isStorable(answer) ? entryText(storage, owner, answer) : undefined;
        const bytes = text === undefined ? undefined : await encodeEntry(text);
        await object.settle(bytes && (await encryption.seal(bytes, call.tenant, digest)));
      };
      // Where this is lost the others wait no longer than the leader's own time.
      call.waitUntil(settled().catch(() => {}));
    };
    try {
      const answer = await upstream(call, flight);
      if (isStream(answer)) flight.onWhole(settle);
      else settle(answer);
      return { answer, isJoined: false };
    } catch (error) {
      settle();
      throw error;
    }
  };
}

/** Undefined where it fails or is late. */
async function inTime<T>(work: Promise<T>, limitMs: number): Promise<T | undefined> {
  return (await settlesWithin(work, limitMs)) ? await work.catch(() => undefined) : undefined;
}

/** Undefined where it fails, the caller leaves, or his time is up. */
async function untilLeaving<T>(work: Promise<T>, { deadlineMs, signal }: Call): Promise<T | undefined> {
  const settled = work.catch(() => undefined);
  return await Promise.race([settled, pause(deadlineMs - Date.now(), signal).then(() => undefined)]);
}
