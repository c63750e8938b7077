import type { Usage } from "../generation.ts";
import type { Spent } from "../metered.ts";
import type { Taken } from "./account.ts";

/** What a usage costs; undefined where the model has no price. */
export type CostOf = (model: string, usage: Usage) => number | undefined;

/** What questions have taken together. Where the model that answered has no price it costs what was held for it. */
export function takenOf(spending: readonly Spent[], heldCost: number, costOf: CostOf): Taken {
  let [tokens, cost] = [0, 0];
  for (const { usage, model = "" } of spending) {
    if (!usage) continue;
    tokens += usage.totalTokens;
    cost += costOf(model, usage) ?? heldCost;
  }
  return { tokens, cost };
}
