import type { GenerationRequest } from "../../generation.ts";
import { acceptsEvents } from "../event-stream.ts";
import type { Options } from "./fields.ts";

/** What OpenAI's parameters are called here. */
export const optionNames = {
  model: "options.model",
  max_tokens: "options.maxTokens",
  temperature: "options.temperature",
  top_p: "options.topP",
};

/** What a caller has said of how his text is to be made; what he has not said is the task's. 0 says nothing. */
export function samplingIn(options: Options): Pick<GenerationRequest, "temperature" | "maxTokens" | "topP"> {
  const { temperature, maxTokens, topP } = options ?? {};
  return { temperature: temperature ?? undefined, maxTokens: maxTokens || undefined, topP: topP ?? undefined };
}

/** Whether an answer is wanted piece by piece: by its path, its options or its `Accept`. */
export function wantsStream(options: Options, headers: Headers, isStream?: boolean): boolean {
  return isStream === true || options?.stream === true || acceptsEvents(headers);
}

/** Members by the names of the platform's clients and of the AI service's. */
interface Origin {
  readonly projectId?: string | null;
  readonly project_id?: string | null;
  readonly chapterId?: string | null;
  readonly chapter_id?: string | null;
  readonly model?: string | null;
  readonly options?: { readonly model?: string | null } | null;
}

/** What a request belongs to, and the model that it names. What is empty says nothing. */
export function originOf(body: Origin): Pick<GenerationRequest, "projectId" | "chapterId" | "model"> {
  return {
    projectId: body.projectId || body.project_id || undefined,
    chapterId: body.chapterId || body.chapter_id || undefined,
    model: body.options?.model || body.model || undefined,
  };
}
