import type { Call } from "../../upstream.ts";
import { pause, settlesWithin } from "../../waiting.ts";
import type { Claim, Coordinator } from "./coordinator.ts";

/** Lets one of all isolates ask, where they want the same at the same time. */
export interface Coordination {
  /** Asks for the right to ask for what `name` stands for. What others ask counts where that began within the last `maxAgeMs`. */
  claim(name: string, maxAgeMs: number, call: Call): Promise<Claimed>;
  /** What was asked for until now is handed to nobody any more. Throws where that is not certain. */
  forget(name: string): Promise<void>;
}

/** Where there is no answer of another isolate's, sealed as it was given, the caller asks, and tells how it ended if it can. */
interface Claimed {
  readonly answer?: Uint8Array;
  /** Tells what the caller got, or that it is of no use to others. Whether it may be kept. Never throws. */
  readonly settle?: (answer: Uint8Array | undefined) => Promise<boolean>;
}

export interface CoordinationOptions {
  readonly objects: DurableObjectNamespace<Coordinator>;
  /** How long an object may take to say who leads. */
  readonly claimTimeoutMs: number;
  /** How long an answer is fresh. */
  readonly freshForMs: number;
}

/** How long an object may take to hear of an answer, and to forget one. */
const toldWithinMs = 1_000;
const forgottenWithinMs = 5_000;

/** Without a Durable Object every isolate asks for itself. */
export const uncoordinated: Coordination = { claim: async () => ({}), forget: async () => {} };

/**
 * By a Durable Object for each name. Isolates that wait get the whole answer when it is complete. An object that throws or
 * is late is as good as none, and so is a leader who fails: then each isolate asks for itself.
 */
export function coordinatedBy({ objects, claimTimeoutMs, freshForMs }: CoordinationOptions): Coordination {
  const objectFor = (name: string) => objects.get(objects.idFromName(name));
  return {
    async claim(name, maxAgeMs, call) {
      const object = objectFor(name);
      const claiming: Promise<Claim> = Promise.resolve(object.claim(call.deadlineMs, maxAgeMs));
      const claim = await inTime(claiming, claimTimeoutMs);
      if (claim && !claim.leads) {
        return { answer: await untilLeaving(Promise.resolve(object.outcome(claim.lease)), call) };
      }
      // Who leads without knowing it in time has others waiting for him all the same.
      const settled = async (answer: Uint8Array | undefined) => {
        const { leads, lease } = await claiming;
        return leads ? await object.settle(lease, answer, freshForMs) : true;
      };
      return { settle: async (answer) => (await inTime(settled(answer), toldWithinMs)) ?? true };
    },
    async forget(name) {
      const forgetting = Promise.resolve(objectFor(name).forget());
      if (!(await settlesWithin(forgetting, forgottenWithinMs))) throw new Error("the object is late");
      await forgetting;
    },
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
