import { randomUUID } from "node:crypto";
import { toJsonString } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  type AgentExecutionRequest,
  type AIService,
  CharactersDataSchema,
  CreativeWorkflowResponseSchema,
  OutlineDataSchema,
  type OutlineRequest,
} from "../src/gen/qingyu/ai/ai_service_pb.ts";
import {
  checkPrompt,
  checkReflections,
  countOf,
  countOfMap,
  countOfMessage,
  invalid,
  required,
} from "./ai-service-requests.ts";
import { type Admit, model, usageOf, writeAtPace } from "./ai-service-writing.ts";
import { tokensOfWork, writeCharacters, writeOutline, writePlot } from "./embedded-author.ts";
import { runWorkflow } from "./embedded-workflow.ts";

type CreativeMethods = Pick<
  ServiceImpl<typeof AIService>,
  "generateOutline" | "generateCharacters" | "generatePlot" | "executeCreativeWorkflow" | "executeAgent"
>;

/** The methods that answer with structures, by the embedded author. */
export function creativeMethods(admit: Admit): CreativeMethods {
  return {
    generateOutline(request, context) {
      admit(context);
      const task = taskOf(request);
      return timed(() => ({ outline: writeOutline(task) }));
    },
    generateCharacters(request, context) {
      admit(context);
      const { outline } = request;
      const task = taskOf(request, { outline: countOfMessage(OutlineDataSchema, outline) });
      return timed(() => ({ characters: writeCharacters(task, outline) }));
    },
    generatePlot(request, context) {
      admit(context);
      const { outline, characters } = request;
      const task = taskOf(request, {
        outline: countOfMessage(OutlineDataSchema, outline),
        characters: countOfMessage(CharactersDataSchema, characters),
      });
      return timed(() => ({ plot: writePlot(task, outline, characters) }));
    },
    executeCreativeWorkflow(request, context) {
      admit(context);
      checkReflections(request.maxReflections);
      checkPrompt({ task: countOf(request.task), workspace_context: countOfMap(request.workspaceContext) });
      return runWorkflow(required("task", request.task));
    },
    async executeAgent(request, context) {
      admit(context);
      return { executionId: randomUUID(), status: "completed", ...(await runAgent(request, context)) };
    },
  };
}

/** What an agent gives: JSON text, and the tokens that it took. */
async function runAgent({ workflowType, parameters }: AgentExecutionRequest, context: HandlerContext) {
  const task = required("parameters.task", parameters.task || parameters.prompt || parameters.message || "");
  switch (workflowType) {
    case "creative":
    case "a2a_pipeline": {
      const workflow = runWorkflow(task);
      return { result: toJsonString(CreativeWorkflowResponseSchema, workflow), tokensUsed: workflow.tokensUsed };
    }
    case "outline_generation": {
      const outline = writeOutline(task);
      return {
        result: toJsonString(OutlineDataSchema, outline),
        tokensUsed: tokensOfWork(task, OutlineDataSchema, outline),
      };
    }
    case "chat":
    case "writing": {
      const writing = await writeAtPace({ prompt: task, maxTokens: 0, stop: [] }, context);
      const content = writing.pieces.join("");
      return { result: JSON.stringify({ content, model }), tokensUsed: usageOf(writing).totalTokens };
    }
    default:
      throw invalid("workflow_type: is none of creative, a2a_pipeline, outline_generation, chat, writing");
  }
}

type Asked = Pick<OutlineRequest, "task" | "workspaceContext" | "correctionPrompt">;

/** The task of a request that fits a prompt; `given` has the sizes of the structures that came with it. */
function taskOf({ task, workspaceContext, correctionPrompt }: Asked, given: Readonly<Record<string, number>> = {}) {
  checkPrompt({
    task: countOf(task),
    workspace_context: countOfMap(workspaceContext),
    correction_prompt: countOf(correctionPrompt),
    ...given,
  });
  return required("task", task);
}

/** What was made, with the seconds that it took. */
function timed<Made extends object>(make: () => Made): Made & { readonly executionTime: number } {
  const startedMs = performance.now();
  const made = make();
  return { ...made, executionTime: (performance.now() - startedMs) / 1000 };
}
