import * as z from "zod/mini";
import { maxMessages } from "../../generation.ts";
import { id, model, optionFields, options, text } from "../qingyu/fields.ts";
import { whole } from "../qingyu/page.ts";

/** What chats are asked for. Keys that are not known are left alone, and null is the same as absent. */

const said = z.nullish(
  z
    .array(z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() }))
    .check(z.maxLength(maxMessages)),
);

/** The body of `POST /api/v1/ai/chat`, in the names of the platform's clients and of the AI service's. */
export const chatRequest = z.object({
  sessionId: id.check(z.describe("The session that the message belongs to.")),
  projectId: id,
  project_id: id,
  message: text.check(z.describe("What is said. This or `messages` must be there.")),
  useContext: z.nullish(z.boolean()).check(z.describe("Whether what is known of the project is made use of.")),
  history: said.check(
    z.describe("What was said before, where the caller keeps that himself; then the answer is kept in no session."),
  ),
  options,
  messages: said.check(z.describe("The whole prompt, to which nothing is added.")),
  ...{ model, temperature: optionFields.temperature, max_tokens: optionFields.maxTokens },
});
export type ChatBody = z.infer<typeof chatRequest>;

const title = z.string().check(z.maxLength(200));

/** The body of `POST /api/v1/ai/chat/sessions`. */
export const makeSessionRequest = z.object({ title: z.nullish(title), projectId: id });

/** The body of `PUT /api/v1/ai/chat/sessions/{id}`. */
export const renameSessionRequest = z.object({ title: title.check(z.regex(/\S/, "must not be blank")) });

const page = {
  limit: whole(1),
  offset: whole(0),
};

/** The query of `GET /api/v1/ai/chat/sessions`. */
export const sessionsQuery = z.object({
  ...page,
  limit: page.limit.check(z.describe("20 unless told otherwise; more than 100 is 100.")),
  projectId: z.optional(z.string()).check(z.describe("Only the sessions of a project.")),
});

/** The query of `GET /api/v1/ai/chat/sessions/{id}`. */
export const messagesQuery = z.object({
  limit: page.limit.check(z.describe("50 unless told otherwise; more than 100 is 100.")),
  offset: page.offset.check(z.describe("Counted from the newest message.")),
});
