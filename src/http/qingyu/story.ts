import { create } from "@bufbuild/protobuf";
import { AIService, StoryContextRequestSchema, StoryContextResponseSchema } from "../../gen/qingyu/ai/ai_service_pb.ts";
import type { Language } from "../../language.ts";
import type { RpcAnswer, RpcRequest } from "../../rpc.ts";
import { messageAs } from "../../rpcs/rpc.ts";
import { rpcOf } from "../../rpcs/rpcs.ts";
import type { Asked } from "../call.ts";
import { acceptsEvents } from "../event-stream.ts";
import { missingField } from "../invalid.ts";
import { languageOf } from "../language.ts";
import { requireRpcLimits } from "../rpc-limits.ts";
import type { Codec } from "../serve.ts";
import type { StoryAnswer } from "./answers.ts";
import { inEnvelope } from "./form.ts";
import { type StoryMode, storyRequest } from "./requests.ts";
import { resultEncoder } from "./rpc.ts";

const rpc = rpcOf(AIService.method.storyWrite);

/** What is asked for where the author has only chosen the mode; there is nothing to be rewritten then. */
const usualInstructions: Readonly<Partial<Record<StoryMode, string>>> = {
  continue: "请接着写下去。",
  suggest: "请就后续的写作提出建议。",
};

/** What the platform calls the contract's fields. */
const names = { project_id: "projectId", document_id: "documentId" };

interface StoryCall extends Asked<RpcRequest> {
  readonly language: Language;
}

/** `POST /api/v1/ai/story/generate`. */
export const story: Codec<typeof storyRequest, RpcRequest, RpcAnswer, StoryCall> = {
  body: storyRequest,
  decode({ projectId, documentId, mode, instruction, selectedText }, headers) {
    const isSilent = [instruction, selectedText].every((text) => !text?.trim());
    const usual = isSilent ? usualInstructions[mode] : "";
    if (usual === undefined) throw missingField("selectedText");
    const fields = { projectId, documentId, mode, selectedText: selectedText ?? "" };
    const message = create(StoryContextRequestSchema, { ...fields, instruction: usual || (instruction ?? "") });
    const language = languageOf(headers);
    return { request: rpc.requestOf(message), stream: false, asEvents: acceptsEvents(headers), names, language };
  },
  check: requireRpcLimits(rpc),
  mostMs: rpc.mostMs,
  isImpatient: true,
  whole: (answer, requestId, { language }) => inEnvelope(storyAnswer(answer), language, requestId, "done"),
  wholeEncoder: (requestId, { language }) => resultEncoder(rpc, storyAnswer, language, requestId),
};

const noParts = { stageTokens: null, outlineTokens: null, ragTokens: null };

/** A story as data of the platform. Counts that nobody knows are null, never 0. */
export function storyAnswer({ message, model, provider, usage }: RpcAnswer): StoryAnswer {
  const { content, contextStats } = messageAs(StoryContextResponseSchema, message);
  // Who has counted one part has counted all of them; who writes in the service's place counts the whole only.
  const { stageTokens = 0, outlineTokens = 0, ragTokens = 0, totalTokens = 0 } = contextStats ?? {};
  const parts = stageTokens + outlineTokens + ragTokens > 0 ? { stageTokens, outlineTokens, ragTokens } : noParts;
  return {
    content,
    contextStats: { ...parts, totalTokens: totalTokens || null },
    tokensUsed: usage?.totalTokens ?? null,
    model,
    provider,
  };
}
