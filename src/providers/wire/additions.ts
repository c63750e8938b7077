import type { JsonObject, JsonValue } from "../../generation.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import type { Parameters } from "./told-error.ts";

/** How long a model is remembered to refuse what the gateway adds, and how many models are. */
const rememberedForMs = 600_000;
const maxModels = 100;

/** A request's body, and the names in it that its caller did not ask for. */
export interface Composed {
  readonly body: JsonObject;
  readonly added: ReadonlySet<string>;
  /**
   * What stands in the place of an addition that is refused, one after the other. Who does not know such an addition may
   * refuse it without naming it.
   */
  readonly instead?: Readonly<Record<string, readonly JsonValue[]>>;
}

/** How often additions were refused, by name: of one that something else can stand for, more than once. */
type Refused = ReadonlyMap<string, number>;

interface Remembered {
  readonly refused: Refused;
  readonly untilMs: number;
}

/**
 * Leaves out what a model refuses of that which only the gateway adds to requests, such as its default temperature: no caller
 * is to blame for it. `ask` is asked with the body, and once more without each addition that it refuses, or with what stands
 * for it. What was refused is remembered for the model for a while. Throws what `ask` throws.
 */
export function createAdditions() {
  const rememberedOf = new Map<string, Remembered>();

  function remember(model: string, name: string, times: number): void {
    const refused = new Map(rememberedOf.get(model)?.refused).set(name, times);
    rememberedOf.delete(model);
    const [oldest] = rememberedOf.keys();
    if (oldest !== undefined && rememberedOf.size >= maxModels) rememberedOf.delete(oldest);
    rememberedOf.set(model, { refused, untilMs: Date.now() + rememberedForMs });
  }

  function refusedBy(model: string): Refused {
    const remembered = rememberedOf.get(model);
    if (remembered && Date.now() < remembered.untilMs) return remembered.refused;
    rememberedOf.delete(model);
    return new Map();
  }

  return async <T>(model: string, composed: Composed, ask: (composed: Composed) => Promise<T>): Promise<T> => {
    for (let refused = refusedBy(model); ; ) {
      const asked = without(composed, refused);
      try {
        return await ask(asked);
      } catch (error) {
        const refusal = refusalIn(error, asked);
        if (!refusal) throw error;
        const { name, isLasting } = refusal;
        const times = (refused.get(name) ?? 0) + 1;
        refused = new Map(refused).set(name, times);
        if (isLasting) remember(model, name, times);
      }
    }
  };
}

interface Refusal {
  readonly name: string;
  /** Whether the model will refuse it again. */
  readonly isLasting: boolean;
}

/** Which of the additions an error refuses; undefined where it is about something else. */
function refusalIn(error: unknown, { added, instead = {} }: Composed): Refusal | undefined {
  if (!(error instanceof UpstreamFailure)) return undefined;
  const { reason } = error.failure;
  const { addedParam, param } = error;
  // That a prompt leaves no room for it says nothing about other prompts.
  if (addedParam !== undefined && added.has(addedParam))
    return { name: addedParam, isLasting: reason !== "context_length_exceeded" };
  if (param !== undefined || !(reason === "invalid_request" || reason === "unsupported_parameter")) return undefined;
  const name = Object.keys(instead).find((each) => added.has(each));
  // It may be about the request after all.
  return name === undefined ? undefined : { name, isLasting: false };
}

function without(composed: Composed, refused: Refused): Composed {
  if (refused.size === 0) return composed;
  const { body, added, instead } = composed;
  const left = (name: string, value: JsonValue): JsonValue | undefined => {
    const times = added.has(name) ? (refused.get(name) ?? 0) : 0;
    return times === 0 ? value : instead?.[name]?.[times - 1];
  };
  const members = Object.entries(body).flatMap(([name, value]) => {
    const sent = left(name, value);
    return sent === undefined ? [] : [[name, sent] as const];
  });
  return {
    body: Object.fromEntries(members),
    added: new Set([...added].filter((name) => left(name, true) !== undefined)),
    instead,
  };
}

/** The parameters of a request, by whom they are. */
export function parametersOf({ body, added }: Composed): Parameters {
  return { callers: new Set(Object.keys(body).filter((name) => !added.has(name))), added };
}
