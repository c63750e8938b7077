import { isEmpty } from "../answer.ts";
import type { FinishReason, Generation } from "../generation.ts";

/** What a caller's `Cache-Control` allows (RFC 9111, section 5.2.1). */
export interface CachePermission {
  /** Whether a stored answer may be used. */
  readonly read: boolean;
  /** Whether the answer may be stored. */
  readonly write: boolean;
}

export function permissionFrom(cacheControl: string | undefined): CachePermission {
  const directives = new Set(cacheControl?.split(",").map((directive) => directive.trim().toLowerCase()));
  const write = !directives.has("no-store");
  return { write, read: write && !directives.has("no-cache") };
}

const storable: ReadonlySet<FinishReason> = new Set(["stop", "length", "tool_calls", "function_call"]);

/** Whether an answer may be stored: complete, not filtered, not empty. */
export function isStorable(generation: Generation): boolean {
  return generation.choices.every(({ finishReason }) => storable.has(finishReason)) && !isEmpty(generation);
}
