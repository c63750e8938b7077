import * as z from "zod/mini";
import { type GenerationRequest, maxMessages } from "../../generation.ts";
import { invalidValue, missingField } from "../invalid.ts";

const id = z.string().check(z.minLength(1), z.maxLength(128));
const text = z.string().check(z.minLength(1));
const stopText = z.string().check(z.minLength(1), z.maxLength(1024));

/** The body of `POST /api/v1/ai/generate`: either `prompt` or `messages`. */
export const generateRequest = z.strictObject({
  projectId: id,
  chapterId: z.optional(id).check(z.describe("Belongs to the cache's key, as the project does.")),
  prompt: z.optional(text).check(z.describe("The whole request as one text; either this or `messages`.")),
  messages: z.optional(
    z
      .array(
        z.strictObject({
          role: z.enum(["system", "user", "assistant"]),
          content: text,
          name: z.optional(z.string().check(z.minLength(1), z.maxLength(64))),
        }),
      )
      .check(
        z.minLength(1),
        z.maxLength(maxMessages),
        z.describe("The conversation, oldest message first; either this or `prompt`."),
      ),
  ),
  options: z.optional(
    z.strictObject({
      model: z.optional(z.string().check(z.minLength(1), z.maxLength(256))),
      maxTokens: z.optional(z.int().check(z.gte(1), z.describe("The most tokens that the answer may have."))),
      temperature: z.optional(z.number().check(z.gte(0), z.lte(2))),
      topP: z.optional(z.number().check(z.gte(0), z.lte(1))),
      stop: z.optional(z.array(stopText).check(z.maxLength(16))),
      seed: z.optional(z.int().check(z.describe("The same seed and request should give the same answer."))),
      stream: z.optional(
        z.boolean().check(z.describe("Whether the answer comes piece by piece, as server-sent events.")),
      ),
    }),
  ),
});

/** The parsed body as the domain has it. Throws `invalid_request` unless there is exactly one of `prompt` and `messages`. */
export function fromGenerateRequest(body: z.infer<typeof generateRequest>): GenerationRequest {
  const { projectId, chapterId, prompt, messages, options: { stream: _, ...options } = {} } = body;
  if (prompt !== undefined && messages !== undefined) {
    throw invalidValue("prompt", "Send 'prompt' or 'messages', not both.");
  }
  const conversation = messages ?? (prompt === undefined ? undefined : [{ role: "user" as const, content: prompt }]);
  if (!conversation) throw missingField("prompt");
  return { projectId, chapterId, messages: conversation, ...options };
}
