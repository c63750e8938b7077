import type { JsonObject } from "../../generation.ts";
import type { KeptResult, Results } from "../../kept-results.ts";
import type { Telling } from "./task-codec.ts";

/** What is kept of checks, each with its kind, so that an id of one is none of another. */
export type Kind = "proofread" | "sensitive-words";

interface Keeping<Item> {
  readonly kind: Kind;
  readonly telling: Telling;
  /** What was found. */
  readonly items: readonly Item[];
  /** What is to be kept; undefined where that is nothing. */
  readonly keptOf: (
    id: string,
    items: readonly (Item & { readonly id: string })[],
  ) => Omit<KeptResult, "id"> | undefined;
}

/** Gives a result and all that was found ids, the same for who asks again under his idempotency key, and keeps it under them. Until when, is null where it is not kept, as for who says `no-store`. */
export async function keepResult<Item extends object>(
  results: Pick<Results, "ids" | "keep">,
  { kind, telling: { caller, idempotencyKey, noStore, createdAtMs }, items, keptOf }: Keeping<Item>,
) {
  const under = idempotencyKey === undefined ? undefined : [kind, idempotencyKey, createdAtMs];
  const [id = "", ...ids] = await results.ids(caller, items.length + 1, under);
  const named = items.map((item, at) => ({ ...item, id: ids[at] ?? "" }));
  const kept = keptOf(id, named);
  const value: JsonObject = { kind, ...kept?.value };
  const expiresMs = kept && !noStore ? await results.keep(caller, { id, ...kept, value }) : undefined;
  return { id, items: named, expiresAt: expiresMs === undefined ? null : new Date(expiresMs).toISOString() };
}
