import * as z from "zod/mini";
import { type GenerationRequest, type Message, maxMessages } from "../../generation.ts";
import { invalidValue, missingField } from "../invalid.ts";
import { continuation, continuationFields } from "./continuation.ts";
import { optionFields } from "./fields.ts";
import { originOf, samplingIn } from "./options.ts";

const text = z.string().check(z.minLength(1));
const stopText = z.string().check(z.minLength(1), z.maxLength(1024));
const { projectId, chapterId, currentText, continueLength, prompt } = continuationFields;

/**
 * The body of `POST /api/v1/ai/generate`: a project with `prompt` or `messages`, or a text that is to go on. Keys that are not
 * known are left alone, and null is the same as absent.
 */
export const generateRequest = z.object({
  projectId,
  chapterId: chapterId.check(z.describe("Belongs to the cache's key, as the project does.")),
  prompt: prompt.check(
    z.describe(
      "The whole request as one text; either this or `messages`. Beside `currentText` what the author asks for, also where it says the text once more before.",
    ),
  ),
  messages: z.nullish(
    z
      .array(
        z.object({
          role: z.enum(["system", "user", "assistant"]),
          content: text,
          name: z.nullish(z.string().check(z.minLength(1), z.maxLength(64))),
        }),
      )
      .check(
        z.minLength(1),
        z.maxLength(maxMessages),
        z.describe("The conversation, oldest message first; either this or `prompt`."),
      ),
  ),
  currentText: currentText.check(z.describe("The text that is to go on, in the place of a conversation.")),
  continueLength: continueLength.check(z.describe("By how many characters; 500 unless told.")),
  type: z.nullish(z.string()).check(z.describe("`continue`: as where there is `currentText`.")),
  options: z.nullish(
    z.object({
      ...optionFields,
      stop: z.nullish(z.array(stopText).check(z.maxLength(16))),
      seed: z.nullish(z.int()).check(z.describe("The same seed and request should give the same answer.")),
    }),
  ),
});
type GenerateRequest = z.infer<typeof generateRequest>;

/** Whether it is a text that is to go on, and not a conversation. */
export function isContinuation({ currentText, type, messages }: GenerateRequest): boolean {
  return !messages && ((currentText ?? undefined) !== undefined || type === "continue");
}

/**
 * The parsed body as the domain has it. Throws `invalid_request` unless there is a text that is to go on, or a project and
 * exactly one of `prompt` and `messages`.
 */
export function fromGenerateRequest(body: GenerateRequest): GenerationRequest {
  const { stop, seed } = body.options ?? {};
  const more = { stop: stop ?? undefined, seed: seed ?? undefined };
  if (isContinuation(body)) return { ...continuation(body), ...more };
  if (!body.projectId) throw missingField("projectId");
  return { messages: conversationIn(body), ...originOf(body), ...samplingIn(body.options), ...more };
}

function conversationIn({ prompt, messages }: GenerateRequest): Message[] {
  if (!messages) {
    if (!prompt?.trim()) throw missingField("prompt");
    return [{ role: "user", content: prompt }];
  }
  if (prompt) throw invalidValue("prompt", "Send 'prompt' or 'messages', not both.");
  return messages.map(({ role, content, name }) => ({ role, content, name: name ?? undefined }));
}
