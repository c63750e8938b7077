import * as z from "zod/mini";
import type { Page } from "../../page.ts";

const mostAtOnce = 100;

/** A whole number in a URL's query. */
export const whole = (least: number) => z.optional(z.coerce.number().check(z.gte(least), z.lte(1e9), z.multipleOf(1)));

/** The page that a query asks for; more than is given at once is that. */
export function pageOf({ limit, offset = 0 }: Partial<Page>, usual: number): Page {
  return { limit: Math.min(limit ?? usual, mostAtOnce), offset };
}
