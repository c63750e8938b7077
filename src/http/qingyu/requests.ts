import * as z from "zod/mini";
import { whole } from "./page.ts";

/** What this surface is asked, where that is not the contract's own. Keys that are not known are left alone. */

const text = z.string().check(z.minLength(1));
/** Without the white space around it. */
const name = z.string().check(z.trim(), z.minLength(1));
/** Null is the same as absent. */
const optionalText = z.nullish(z.string());

const storyModes = ["continue", "rewrite", "suggest"] as const;
export type StoryMode = (typeof storyModes)[number];

/** The body of `POST /api/v1/ai/story/generate`. */
export const storyRequest = z.object({
  projectId: name,
  documentId: name,
  mode: z.enum(storyModes),
  instruction: optionalText.check(
    z.describe("What the author wants; where this and `selectedText` are absent, what the mode says."),
  ),
  selectedText: optionalText.check(z.describe("The passage.")),
});

/** The body of `POST /api/v1/ai/rag/retrieve`. */
export const retrieveRequest = z.object({
  query: text,
  topK: z.nullish(z.int().check(z.gte(0), z.lte(100), z.describe("The most passages; 0 is the service's own number."))),
  projectId: optionalText,
  includeOutline: z.nullish(z.boolean()).check(z.describe("Whether outlines are among the passages.")),
});

/** The query of `GET /api/v1/ai/rag/search`. */
export const searchQuery = z.object({
  query: text,
  topK: z.optional(z.coerce.number().check(z.gte(1), z.lte(100), z.multipleOf(1))),
  projectId: z.optional(z.string()),
});

/** The query of `GET /api/v1/ai/quota/transactions`. */
export const transactionsQuery = z.object({
  limit: whole(1).check(z.describe("20 unless told otherwise; more than 100 is 100.")),
  offset: whole(0),
  page: whole(1).check(z.describe("In the place of `offset`: which page of so many.")),
  pageSize: whole(1).check(z.describe("In the place of `limit`.")),
});

/** The body of `PUT /api/v1/admin/quota/{userId}`. */
export const quotaRequest = z.object({
  totalQuota: z.int().check(z.gte(0), z.lte(Number.MAX_SAFE_INTEGER)),
  quotaType: z.enum(["daily", "monthly", "total"]),
});
