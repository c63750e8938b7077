import type { Caller } from "./caller.ts";
import type { JsonObject } from "./generation.ts";
import type { Share } from "./in-flight.ts";

/** Whose a result is: a token's user, else the tenant of a key. */
type ResultOwner = Pick<Caller, "tenant" | "user">;

/** A result that can be asked for again by its id and by those of its parts. */
export interface KeptResult {
  readonly id: string;
  /** By which of its parts it is found too. */
  readonly partIds: readonly string[];
  readonly value: JsonObject;
}

/** A result that was kept; times in Unix milliseconds. */
export interface FoundResult {
  readonly value: JsonObject;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** Results of work, for 30 days and for their owner only. */
export interface Results {
  /** So many ids that nobody can guess: random UUIDs, or for the same `under` of the same owner the same ones. */
  ids(owner: ResultOwner, count: number, under: readonly (string | number)[] | undefined): Promise<readonly string[]>;
  /** Until when a result is kept, in Unix milliseconds; undefined where it could not be. Never throws, and takes 2 s at most. */
  keep(owner: ResultOwner, result: KeptResult): Promise<number | undefined>;
  /**
   * The result that has an id, or a part that has it. Throws 503 `results_unavailable` where nobody can say whether there is one,
   * and `overloaded` where there is no memory for it.
   */
  find(owner: ResultOwner, id: string, memory: Share): Promise<FoundResult | undefined>;
}
