import { isStream } from "../../collect.ts";
import type { Answer, Generation } from "../../generation.ts";
import type { Call } from "../../upstream.ts";
import { pause, settlesWithin } from "../../waiting.ts";
import { isStorable } from "../cache-control.ts";
import { decodeEntry, encodeEntry, entryText } from "../storage/codec.ts";
import type { Seal } from "../storage/encryption.ts";
import { watched } from "../watched.ts";
import type { Claim, Coordinator } from "./coordinator.ts";
import type { Shared } from "./single-flight.ts";

/** Lets one of all isolates ask, where they want the same at the same time. */
export type Coordinate = (digest: string, call: Call, upstream: (call: Call) => Promise<Answer>) => Promise<Shared>;

export interface CoordinateOptions {
  readonly objects: DurableObjectNamespace<Coordinator>;
  readonly seal: Seal;
  /** How long an object may take to say who leads. */
  readonly claimTimeoutMs: number;
}

/** Without a Durable Object every isolate asks for itself. */
export const uncoordinated: Coordinate = async (_digest, call, upstream) => ({
  answer: await upstream(call),
  isJoined: false,
});

/**
 * By a Durable Object for each digest. Isolates that wait get the whole answer when it is complete. An object that throws
 * or is late is as good as none, and so is a leader who fails: then each isolate asks for itself.
 */
export function coordinatedBy({ objects, seal, claimTimeoutMs }: CoordinateOptions): Coordinate {
  return async (digest, call, upstream) => {
    const object = objects.get(objects.idFromName(digest));
    const opened = async (sealed: Uint8Array | undefined): Promise<Generation | undefined> => {
      const bytes = sealed && (await seal.open(sealed, call.tenant, digest));
      return bytes && (await decodeEntry(bytes, { tenant: call.tenant, digest }))?.generation;
    };

    const claim = await inTime<Claim>(Promise.resolve(object.claim(call.deadlineMs)), claimTimeoutMs);
    if (claim?.role === "done" || claim?.role === "wait") {
      const sealed = claim.role === "done" ? claim.answer : await untilLeaving(Promise.resolve(object.outcome()), call);
      const generation = await opened(sealed);
      if (generation) return { answer: generation, isJoined: true };
    }
    if (claim?.role !== "lead") return { answer: await upstream(call), isJoined: false };

    const settle = (generation?: Generation) => {
      const settled = async () => {
        const text =
          generation && isStorable(generation) ? entryText({ tenant: call.tenant, digest, generation }) : undefined;
        const bytes = text === undefined ? undefined : await encodeEntry(text);
        await object.settle(bytes && (await seal.seal(bytes, call.tenant, digest)));
      };
      // Where this is lost the others wait no longer than the leader's own time.
      call.waitUntil(settled().catch(() => {}));
    };
    try {
      const answer = await upstream(call);
      if (!isStream(answer)) {
        settle(answer);
        return { answer, isJoined: false };
      }
      return { answer: watched(answer, settle), isJoined: false };
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
