import { create } from "@bufbuild/protobuf";
import { decimalOf } from "../decimal.ts";
import {
  type GenerateOptions,
  type StoryContextRequest,
  type StoryContextResponse,
  StoryContextResponseSchema,
} from "../gen/qingyu/ai/ai_service_pb.ts";
import type { GenerationRequest } from "../generation.ts";
import { answerText } from "../structured/writer.ts";
import type { Author } from "./author.ts";

/** What each mode asks for; modes are an open set. */
const modes: ReadonlyMap<string, string> = new Map([
  ["continue", "Continue the author's text in its language and voice. Answer with the continuation only."],
  ["rewrite", "Rewrite the author's text as asked, in its language. Answer with the new text only."],
  ["suggest", "Suggest how the author's text can go on or become better, in its language, as a short list."],
]);
const anyMode = "Write what the author asks for, in the language of the author's text. Answer with the text only.";

/** A passage of a document: continued, rewritten, or with suggestions. */
export const storyAuthor: Author<StoryContextRequest, StoryContextResponse> = {
  unsupported({ options }) {
    if (!formats.has(options?.responseFormat)) return "response_format";
    return Number.isSafeInteger(Number(options?.seed ?? 0)) ? undefined : "seed";
  },
  requestFor: ({ projectId, documentId, mode, options, ...texts }) => {
    const { assembledPrompt, selectedText, instruction } = texts;
    const wish = modes.has(mode) || mode.trim() === "" ? "" : `The author's wish: ${mode}`;
    const parts = [assembledPrompt, selectedText, instruction, wish].filter((part) => part.trim() !== "");
    return {
      ...(options && samplingOf(options)),
      projectId: projectId || undefined,
      chapterId: documentId || undefined,
      messages: [
        { role: "system", content: modes.get(mode) ?? anyMode },
        { role: "user", content: parts.join("\n\n") },
      ],
    };
  },
  async write(_, request, writer) {
    const generation = await writer(request);
    const content = answerText(generation, request);
    const { provider, model, usage, createdAtMs, hasGap } = generation;
    const message = create(StoryContextResponseSchema, {
      content,
      tokensUsed: usage?.totalTokens,
      model,
      generatedAt: BigInt(Math.floor(createdAtMs / 1000)),
      contextStats: usage?.split && { totalTokens: usage.split.promptTokens },
    });
    return { message, provider, model, usage, hasGap };
  },
};

const formats: ReadonlySet<string | undefined> = new Set([undefined, "", "text", "json_object"]);

/** What a caller said. Of what has no presence in the contract, 0 and nothing are the same. */
function samplingOf(options: GenerateOptions): Partial<GenerationRequest> {
  const stop = options.stop.filter((words) => words !== "");
  return {
    maxTokens: options.maxTokens || undefined,
    temperature: decimalOf(options.temperature) || undefined,
    stop: stop.length > 0 ? stop : undefined,
    topP: options.topP && decimalOf(options.topP),
    seed: options.seed === undefined ? undefined : Number(options.seed),
    presencePenalty: options.presencePenalty && decimalOf(options.presencePenalty),
    frequencyPenalty: options.frequencyPenalty && decimalOf(options.frequencyPenalty),
    responseFormat: options.responseFormat === "json_object" ? "json_object" : undefined,
  };
}
