import { setTimeout as pause } from "node:timers/promises";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { AIService, GenerateContentRequest } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { checkPrompt, conversationOf, countOf, required, writingOptionsOf } from "./ai-service-requests.ts";
import { askedIn } from "./embedded-material.ts";
import { assembleStory } from "./embedded-story.ts";
import { type Writing, type WritingTask, write } from "./embedded-writer.ts";

/** The model that the stand-in says it is. */
export const model = "embedded";
const millisecondsPerBreath = 15;
/** What is long is written faster, so that it is there before a client has left. */
const maxBreaths = 130;

/** Lets a call in: throws where the caller's headers are wrong. */
export type Admit = (context: HandlerContext) => void;

type WritingMethods = Pick<ServiceImpl<typeof AIService>, "generateContent" | "streamGenerateContent" | "storyWrite">;

/** The methods that answer with text, at a natural pace. */
export function writingMethods(admit: Admit): WritingMethods {
  return {
    async generateContent(request, context) {
      admit(context);
      const writing = await writeAtPace(taskOf(request), context);
      return {
        content: writing.pieces.join(""),
        tokensUsed: usageOf(writing).totalTokens,
        generatedAt: now(),
        model,
        ...endOf(writing),
      };
    },
    async *streamGenerateContent(request, context) {
      admit(context);
      const writing = write(taskOf(request));
      for (const [index, delta] of writing.pieces.entries()) {
        yield { delta, model };
        await breatheAfter(index, writing, context);
      }
      yield endOf(writing);
    },
    async storyWrite(request, context) {
      admit(context);
      const { mode, instruction, selectedText, assembledPrompt } = request;
      const given = { assembled_prompt: assembledPrompt, selected_text: selectedText, instruction };
      checkPrompt({
        mode: countOf(mode),
        assembled_prompt: countOf(assembledPrompt),
        selected_text: countOf(selectedText),
        instruction: countOf(instruction),
      });
      required(Object.keys(given).join(", "), Object.values(given).join(""));
      const options = writingOptionsOf(request.options);
      const { prompt, stageTokens } = assembleStory({ mode, instruction, selectedText, assembledPrompt });
      const writing = await writeAtPace({ prompt, ...options }, context);
      return {
        content: writing.pieces.join(""),
        tokensUsed: usageOf(writing).totalTokens,
        model,
        generatedAt: now(),
        contextStats: { stageTokens, totalTokens: stageTokens },
      };
    },
  };
}

/** Writes as fast as a quick model. Ends with the caller: throws when it has left or its deadline has passed. */
export async function writeAtPace(task: WritingTask, context: HandlerContext): Promise<Writing> {
  const writing = write(task);
  for (const index of writing.pieces.keys()) await breatheAfter(index, writing, context);
  return writing;
}

export function usageOf({ promptTokens, pieces }: Writing) {
  return { promptTokens, completionTokens: pieces.length, totalTokens: promptTokens + pieces.length };
}

function taskOf(request: GenerateContentRequest): WritingTask {
  return { prompt: conversationOf(request), ...writingOptionsOf(request.options), asked: askedIn(request.messages) };
}

/** The end of an answer; the stand-in writes without what it knows. */
function endOf(writing: Writing) {
  return { finishReason: writing.finishReason, usage: usageOf(writing), knowledge: "none" };
}

function now(): bigint {
  return BigInt(Math.floor(Date.now() / 1000));
}

async function breatheAfter(index: number, { pieces }: Writing, { signal }: HandlerContext): Promise<void> {
  if (index % Math.ceil(pieces.length / maxBreaths) > 0) return;
  await pause(millisecondsPerBreath, undefined, { signal }).catch(() => undefined);
  // Connect's own reason says which of the two it was; Node's AbortError would be answered as `internal`.
  signal.throwIfAborted();
}
