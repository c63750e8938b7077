import type { JsonObject } from "../../generation.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import type { Parameters } from "./told-error.ts";

/** How long a model is remembered to refuse what the gateway adds, and how many models are. */
const rememberedForMs = 600_000;
const maxModels = 100;

/** A request's body, and the names in it that its caller did not ask for. */
export interface Composed {
  readonly body: JsonObject;
  readonly added: ReadonlySet<string>;
}

interface Refusals {
  readonly names: Set<string>;
  readonly untilMs: number;
}

/**
 * Leaves out what a model refuses of that which only the gateway adds to requests, such as its default temperature: no caller
 * is to blame for it. `ask` is asked with the body, and once more without each addition that it refuses. What was refused is
 * remembered for the model for a while. Throws what `ask` throws.
 */
export function createAdditions() {
  const refusedBy = new Map<string, Refusals>();

  function remember(model: string, name: string): void {
    const known = refusedBy.get(model);
    refusedBy.delete(model);
    const [oldest] = refusedBy.keys();
    if (oldest !== undefined && refusedBy.size >= maxModels) refusedBy.delete(oldest);
    refusedBy.set(model, { names: (known?.names ?? new Set()).add(name), untilMs: Date.now() + rememberedForMs });
  }

  function refusedNames(model: string): ReadonlySet<string> {
    const refused = refusedBy.get(model);
    if (refused && Date.now() < refused.untilMs) return refused.names;
    refusedBy.delete(model);
    return new Set();
  }

  return async <T>(model: string, composed: Composed, ask: (composed: Composed) => Promise<T>): Promise<T> => {
    const refused = refusedBy.size > 0 ? refusedNames(model) : new Set<string>();
    for (let asked = without(composed, refused); ; ) {
      try {
        return await ask(asked);
      } catch (error) {
        const name = error instanceof UpstreamFailure ? error.addedParam : undefined;
        if (!(error instanceof UpstreamFailure) || name === undefined || !asked.added.has(name)) throw error;
        // That a prompt leaves no room for it says nothing about other prompts.
        if (error.failure.reason !== "context_length_exceeded") remember(model, name);
        asked = without(asked, new Set([name]));
      }
    }
  };
}

function without({ body, added }: Composed, names: ReadonlySet<string>): Composed {
  if (names.size === 0) return { body, added };
  const isKept = (name: string) => !(added.has(name) && names.has(name));
  return {
    body: Object.fromEntries(Object.entries(body).filter(([name]) => isKept(name))),
    added: new Set([...added].filter(isKept)),
  };
}

/** The parameters of a request, by whom they are. */
export function parametersOf({ body, added }: Composed): Parameters {
  return { callers: new Set(Object.keys(body).filter((name) => !added.has(name))), added };
}
