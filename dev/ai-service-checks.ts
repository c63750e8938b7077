import type { CallOptions, Client } from "@connectrpc/connect";
import { AIService, type CharactersData, type OutlineData } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import type { ContractMessage } from "../src/rpc.ts";
import { rpcs } from "../src/rpcs/rpcs.ts";

/** What `npm run check:ai` asks of an AI service, a row for each RPC of the contract, in the order in which they are asked. */

const { method } = AIService;
const projectId = "check";
const task = "写一个剑客的故事，五章。";
const options = { maxTokens: 32 };
const prompt = { projectId, prompt: "写一句话。", options };
const maxSaidCharacters = 200;

/** A failure that says itself what is wrong. */
export class Failure extends Error {}

export interface Asking {
  readonly client: Client<typeof AIService>;
  /** Credentials and time. */
  readonly call: CallOptions;
  readonly embeddingModel: string;
  /** What the service has written so far: the next RPC is asked with it. */
  readonly written: { outline?: OutlineData; characters?: CharactersData };
}

export interface Check {
  readonly rpc: string;
  /** What the gateway does where a service does not offer it; absent where no service can be without it. */
  readonly without?: string;
  /** Asks, and says what came, in a few words. Throws a `Failure` where the gateway would not take the answer. */
  readonly ask: (asking: Asking) => Promise<string>;
}

const aModelWrites = "a language model writes it, if one is configured";
const nobodyElse = "callers get 503";

export const checks: readonly Check[] = [
  {
    rpc: "HealthCheck",
    async ask({ client, call }) {
      const { status } = await client.healthCheck({}, call);
      return status;
    },
  },
  {
    rpc: "GenerateContent",
    async ask({ client, call }) {
      const { content, model } = await client.generateContent(prompt, call);
      if (content === "") throw new Failure("answered OK with empty content");
      return named(model);
    },
  },
  {
    rpc: "StreamGenerateContent",
    without: "the gateway uses GenerateContent",
    async ask({ client, call }) {
      let model = "";
      let text = "";
      for await (const chunk of client.streamGenerateContent(prompt, call)) {
        model ||= chunk.model;
        text += chunk.delta;
      }
      if (text === "") throw new Failure("answered OK with an empty stream");
      return named(model);
    },
  },
  {
    rpc: "EmbedText",
    without: "other providers embed",
    async ask({ client, call, embeddingModel }) {
      const texts = ["写一句话。", "A sentence."];
      const { embeddings } = await client.embedText({ texts, model: embeddingModel }, call);
      const [dimension = 0, ...others] = new Set(embeddings.map(({ vector }) => vector.length));
      if (embeddings.length !== texts.length) throw new Failure("answered OK with another number of vectors");
      if (dimension === 0) throw new Failure("answered OK with empty vectors");
      const isTrue = embeddings.every((each) => each.dimension === 0 || each.dimension === dimension);
      if (others.length > 0 || !isTrue)
        throw new Failure("answered OK with vectors that are not of the dimension it says");
      return `${embeddingModel}, ${dimension} numbers`;
    },
  },
  {
    rpc: "QueryKnowledge",
    without: nobodyElse,
    async ask({ client, call }) {
      const { results } = await client.queryKnowledge({ projectId, query: "剑客是谁？" }, call);
      return `${results.length} found`;
    },
  },
  {
    rpc: "GetContext",
    without: nobodyElse,
    async ask({ client, call }) {
      const { context, tokenCount } = await client.getContext({ projectId, taskType: "continue_writing" }, call);
      const chapters = counted(context?.previousChapters, "chapter");
      return `${chapters}, ${counted(context?.activeCharacters, "character")}, ${tokenCount} tokens`;
    },
  },
  {
    rpc: "GenerateOutline",
    without: aModelWrites,
    async ask({ client, call, written }) {
      const answer = await client.generateOutline({ projectId, task }, call);
      refuseEmpty(method.generateOutline, answer, "an empty outline");
      written.outline = answer.outline;
      return counted(answer.outline?.chapters, "chapter");
    },
  },
  {
    rpc: "GenerateCharacters",
    without: aModelWrites,
    async ask({ client, call, written }) {
      const { outline } = written;
      const answer = await client.generateCharacters({ projectId, task, outline }, call);
      refuseEmpty(method.generateCharacters, answer, "no characters");
      written.characters = answer.characters;
      return counted(answer.characters?.characters, "character");
    },
  },
  {
    rpc: "GeneratePlot",
    without: aModelWrites,
    async ask({ client, call, written }) {
      const { outline, characters } = written;
      const answer = await client.generatePlot({ projectId, task, outline, characters }, call);
      refuseEmpty(method.generatePlot, answer, "an empty plot");
      return counted(answer.plot?.timelineEvents, "event");
    },
  },
  {
    rpc: "ExecuteCreativeWorkflow",
    without: nobodyElse,
    async ask({ client, call }) {
      const answer = await client.executeCreativeWorkflow({ projectId, task, maxReflections: 1 }, call);
      refuseEmpty(method.executeCreativeWorkflow, answer, "empty structures");
      const { outline, characters, plot, reviewPassed } = answer;
      const review = reviewPassed ? "review passed" : "review not passed";
      return [
        counted(outline?.chapters, "chapter"),
        counted(characters?.characters, "character"),
        counted(plot?.timelineEvents, "event"),
        review,
      ].join(", ");
    },
  },
  {
    rpc: "ExecuteAgent",
    without: nobodyElse,
    async ask({ client, call }) {
      // The one workflow that deployed services have.
      const asked = { workflowType: "creative", projectId, parameters: { task, user_id: projectId } };
      const answer = await client.executeAgent(asked, call);
      const { status, errors, tokensUsed } = answer;
      if (status !== "completed") {
        const why = errors.join("; ").slice(0, maxSaidCharacters);
        throw new Failure(`answered OK with the status ${JSON.stringify(status)}${why && `: ${why}`}`);
      }
      refuseEmpty(method.executeAgent, answer, "an empty result");
      return `${status}, ${tokensUsed} tokens`;
    },
  },
  {
    rpc: "StoryWrite",
    without: aModelWrites,
    async ask({ client, call }) {
      const asked = { projectId, documentId: projectId, mode: "continue", selectedText: "夜雨落在青石巷，", options };
      const answer = await client.storyWrite(asked, call);
      refuseEmpty(method.storyWrite, answer, "empty content");
      return named(answer.model);
    },
  },
];

/** Whether an RPC may take up to minutes, by the gateway's own table. */
export function isLong(name: string): boolean {
  return rpcs.some((rpc) => rpc.method.name === name && rpc.isLong);
}

/** Throws where the gateway takes an answer for none, by its own table. */
function refuseEmpty({ name }: { readonly name: string }, answer: ContractMessage, said: string): void {
  if (rpcs.some((rpc) => rpc.method.name === name && rpc.isEmpty(answer))) {
    throw new Failure(`answered OK with ${said}`);
  }
}

function named(model: string): string {
  return model || "(names no model)";
}

function counted(list: { readonly length: number } | undefined, noun: string): string {
  const count = list?.length ?? 0;
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
