import type { ChatRequest, Chatting, Said } from "../chat.ts";
import { isStream, wholeOf } from "../collect.ts";
import type { Generation, GenerationRequest, GenerationStream } from "../generation.ts";
import { notBlank } from "../not-blank.ts";
import type { SearchKnowledge } from "../rpcs/search-knowledge.ts";
import { chatTask } from "../tasks/chat.ts";
import type { Call, GenerationAnswer, Upstream } from "../upstream.ts";
import { watched } from "../watched.ts";
import { keeping } from "./kept.ts";
import { knowledgeFor } from "./knowledge.ts";
import type { BeginTurn, EarlierAnswer, OpenTurn } from "./turns.ts";

export interface ChattingOptions {
  readonly generate: Upstream<GenerationRequest, GenerationAnswer>;
  readonly searchKnowledge: SearchKnowledge;
  readonly beginTurn: BeginTurn;
  /** How many tokens the smallest context has that is known. */
  readonly contextTokens?: number;
  /** How long an answer may be where its caller does not say. */
  readonly answerTokens: number;
}

/**
 * Answers messages: by what was said before, in the session or by the caller's own account, and by what is known of the
 * project. In a session a message and its answer are written once, also where the answer breaks off or its caller leaves;
 * who sends a message again that was left without an answer gets it answered, and who does so under an idempotency key gets
 * the answer that there is. Throws a `GatewayError`.
 */
export function createChatting({
  generate,
  searchKnowledge,
  beginTurn,
  contextTokens,
  answerTokens,
}: ChattingOptions): Chatting {
  async function asked(request: ChatRequest, history: readonly Said[], call: Call) {
    const { projectId, message, model, maxTokens, temperature, topP } = request;
    const known = await knowledgeFor(request, searchKnowledge, call);
    const room = { contextTokens, answerTokens: maxTokens ?? answerTokens };
    const messages = chatTask({ message, history, knowledge: known, ...room });
    const contextUsed = known.length > 0;
    return { contextUsed, generation: { projectId, messages, model, maxTokens, temperature, topP } };
  }

  async function inTurn(turn: OpenTurn, request: ChatRequest, { idempotencyKey: _, ...call }: Call) {
    const { sessionId, messageId } = turn;
    let begun: { contextUsed: boolean; answer: GenerationAnswer };
    try {
      const { contextUsed, generation } = await asked(request, turn.history, call);
      begun = { contextUsed, answer: notBlank(await generate(generation, call)) };
    } catch (error) {
      void turn.end();
      throw error;
    }
    const { contextUsed, answer } = begun;
    const chat = { sessionId, messageId, contextUsed };
    if (isStream(answer)) {
      const stream = keptStream(answer, turn, contextUsed, call);
      return { ...(call.stream ? stream : await wholeOf(stream)), chat };
    }
    const { provider, model, usage, choices } = answer;
    const [{ content: text, finishReason }] = choices;
    const about = { provider, model, usage, finishReason, contextUsed };
    await turn.end({ text, isComplete: true, saidMs: Date.now(), about });
    return { ...answer, chat };
  }

  /** What is kept nowhere. */
  async function inPassing(generation: GenerationRequest, contextUsed: boolean, call: Call) {
    const answer = notBlank(await generate(generation, call));
    return { ...answer, chat: { messageId: crypto.randomUUID(), contextUsed } };
  }

  return async (request, call) => {
    if ("messages" in request) return await inPassing(request, false, call);
    const { history, sessionId } = request;
    if (sessionId === undefined && history) {
      const { generation, contextUsed } = await asked(request, history, call);
      return await inPassing(generation, contextUsed, call);
    }
    const turn = await beginTurn(request, call);
    return "earlier" in turn ? again(turn, call) : await inTurn(turn, request, call);
  };
}

/** The same stream. Its end is told when it is written down. */
function keptStream(answer: GenerationStream, turn: OpenTurn, contextUsed: boolean, call: Call): GenerationStream {
  const kept = keeping(answer, call.memory);
  let writing: Promise<void> | undefined;
  const stream = watched(answer, call.signal, {
    onBatch: kept.note,
    onEnd(how) {
      writing = turn.end(kept.answer(how === "complete", contextUsed));
    },
  });
  return {
    ...stream,
    async read() {
      const batch = await stream.read();
      if (!batch) await writing;
      return batch;
    },
  };
}

/** An answer that was given before. */
function again({ sessionId, messageId, earlier }: EarlierAnswer, { record }: Call) {
  const { text, about, saidMs } = earlier;
  const { provider, model, usage, contextUsed, finishReason = "stop" } = about;
  Object.assign(record, { operation: "generate", replayed: true, provider, model, usage, finishReason });
  const answer: Generation = {
    ...{ provider, model, usage, createdAtMs: saidMs },
    choices: [{ content: text, finishReason }],
  };
  return { ...answer, chat: { sessionId, messageId, contextUsed } };
}
