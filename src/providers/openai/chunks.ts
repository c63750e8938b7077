import type { FinishReason, GenerationChunk, JsonObject, JsonValue, Usage } from "../../generation.ts";
import { isJsonObject, parseJson } from "../../json.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { modelNameIn } from "../model.ts";
import { type Characters, createCharacters } from "../wire/characters.ts";
import type { EventDecoder } from "../wire/chunks.ts";
import { errorInAnswer, type Parameters } from "../wire/told-error.ts";
import { choicesIn, type ReadChoice, usageFrom } from "./answer.ts";
import { createToolCallOrder, type ToolCallOrder, toolCallsIn } from "./tool-calls.ts";

export interface ChunkOptions {
  /** How many choices were asked for. */
  readonly choices: number;
  /** The names of the parameters that were sent. */
  readonly sent: Parameters;
}

/** What has been said of a choice so far. */
interface ChoiceState {
  /** Its last finish reason. */
  finishReason?: FinishReason;
  /** Whether that came by itself, after all of the answer; some servers say a reason with each token. */
  isOver: boolean;
  /** Whether something followed a finish reason, which then proves nothing by itself. */
  hasGoneOn: boolean;
  /** Whether its end has been told, while other choices went on. */
  isTold: boolean;
  readonly characters: Characters;
  toolCalls?: ToolCallOrder;
}

/**
 * A streamed completion's events. It is complete when each choice that has begun has its finish reason, and the server then
 * says `[DONE]` or ends; until then an end, also a `[DONE]`, is a truncation. Finish reasons, which some servers say with
 * each token, are held back until they are true; of the usage that some say again and again the last one is. An event that cannot be understood is a gap, in the
 * hope that the rest proves complete, and one that can hold no text is skipped: unlike Anthropic's API, this one is spoken
 * by many servers and proxies, some of which put notes of their own between its events (docs/answers.md).
 */
export function completionEvents({ choices, sent }: ChunkOptions): EventDecoder<string> {
  const states: ChoiceState[] = [];
  let usage: Usage | undefined;

  /** Whether nothing but usage can follow, so that nothing that goes wrong after it matters. */
  function isComplete(): boolean {
    if (states.length < choices) return false;
    for (let choice = 0; choice < choices; choice++) if (!states[choice]?.isOver) return false;
    return true;
  }

  function stateOf(choice: number): ChoiceState {
    const known = states[choice];
    if (known) return known;
    const state = { isOver: false, hasGoneOn: false, isTold: false, characters: createCharacters() };
    states[choice] = state;
    return state;
  }

  function end(batch: GenerationChunk[], isDone = false): void {
    let hasBegun = false;
    const endings: GenerationChunk[] = [];
    for (const [choice, state] of states.entries()) {
      // A server that knows only one choice begins no other.
      if (!state) continue;
      hasBegun = true;
      const { finishReason, isOver, hasGoneOn, isTold, characters } = state;
      if (!finishReason || (hasGoneOn && !isOver && !isDone)) throw UpstreamFailure.wire("truncated");
      if (!isTold) endings.push({ choice, delta: characters.rest(), finishReason });
    }
    if (!hasBegun) throw UpstreamFailure.wire("truncated");
    const last = endings.pop() ?? { choice: 0, delta: "" };
    batch.push(...endings, { ...last, usage });
  }

  function chunkOf(
    { index, text, extra, logprobs, finishReason, hasGap }: ReadChoice,
    model?: string,
  ): GenerationChunk {
    const state = stateOf(index);
    if (text !== "" || extra !== undefined) {
      state.hasGoneOn ||= state.finishReason !== undefined;
      state.isOver = false;
    } else if (finishReason) state.isOver = true;
    state.finishReason = finishReason ?? state.finishReason;
    const delta = state.characters.whole(text);
    const chunk: GenerationChunk = { choice: index, delta, extra, logprobs, hasGap, model };
    if (extra?.tool_calls !== undefined) return { ...chunk, ...inOrder(extra, state) };
    if (choices === 1 || !state.isOver || state.isTold) return chunk;
    state.isTold = true;
    return { ...chunk, delta: delta + state.characters.rest(), finishReason };
  }

  return {
    isComplete,
    end,
    take(data, batch) {
      if (data === "[DONE]") {
        end(batch, true);
        return true;
      }
      const event = eventIn(data, choices, sent);
      if (event === "noise") return false;
      if (event === "unreadable") {
        batch.push({ choice: 0, delta: "", hasGap: true });
        return false;
      }
      const { read, model } = event;
      usage = event.usage ?? usage;
      for (const choice of read) batch.push(chunkOf(choice, model));
      if (!event.usage) return false;
      // OpenAI's last event before `[DONE]`: usage alone.
      if (read.length === 0 && isComplete()) {
        end(batch);
        return true;
      }
      // Said at the end again; but there may be none.
      batch.push({ choice: 0, delta: "", usage });
      return false;
    },
  };
}

interface CompletionEvent {
  readonly read: readonly ReadChoice[];
  readonly model?: string;
  readonly usage?: Usage;
}

/** The extra members with their tool calls in order; one that is none is a gap. */
function inOrder(extra: JsonObject, state: ChoiceState): Pick<GenerationChunk, "extra" | "hasGap"> {
  const { tool_calls = null, ...others } = extra;
  const calls = toolCallsIn(tool_calls);
  if (!calls) return { extra: others, hasGap: true };
  state.toolCalls ??= createToolCallOrder();
  const ordered = state.toolCalls(calls);
  const said: JsonObject = ordered.length > 0 ? { ...others, tool_calls: ordered } : others;
  return { extra: Object.keys(said).length > 0 ? said : undefined };
}

/** Throws where an event says that the answer has failed. */
function eventIn(data: string, choices: number, sent: Parameters): CompletionEvent | "noise" | "unreadable" {
  let value: JsonValue;
  try {
    value = parseJson(data);
  } catch {
    return data.trim() === "" ? "noise" : "unreadable";
  }
  if (!isJsonObject(value)) {
    const failure = errorInAnswer(value, sent);
    if (failure) throw failure;
    return "unreadable";
  }
  const { choices: list } = value;
  if (list === undefined || list === null || value.error) {
    const failure = errorInAnswer(value, sent);
    if (failure) throw failure;
    if (list === undefined || list === null) {
      const usage = usageFrom(value.usage);
      if (usage) return { read: [], usage };
      return mayHoldText(value) ? "unreadable" : "noise";
    }
  }
  const read = choicesIn(list, "delta");
  if (!read || read.some(({ index }) => index < 0 || index >= choices)) return "unreadable";
  return { read, model: modelNameIn(value.model), usage: usageFrom(value.usage) };
}

/** Whether an event of another form than OpenAI's may be a part of the answer. */
function mayHoldText(event: JsonObject): boolean {
  return ["delta", "content", "text", "message", "output", "response"].some((name) => event[name] !== undefined);
}
