import type { BreakerState } from "../upstream.ts";
import {
  begin,
  type Change,
  type Circuit,
  createCircuit,
  fail,
  type Passage,
  release,
  stateFor,
  succeed,
  waitMs,
} from "./circuit.ts";
import { type Asked, createModelCircuits } from "./model-circuits.ts";

/** Whom a failure may keep away: all, those who ask for the same model, only the tenant whose request it was, or nobody. */
export type Blame = "connection" | "model" | "tenant" | "nobody";

export interface Fault {
  readonly blame: Blame;
  /** Whether the provider has said something, be it an error, and so can be reached. */
  readonly isAnswer: boolean;
  /** Whether it said that a rate or quota is used up. */
  readonly isAtLimit: boolean;
}

/** The right to ask a provider once. Exactly one outcome counts; any later one is ignored. */
export interface Permit {
  /** Whether it is to show that the provider is back. */
  readonly isProbe: boolean;
  succeed(): void;
  fail(fault: Fault): void;
  /** Ends it without a word about the provider. */
  release(): void;
}

/** What has opened or closed: the connection, a model for all, or a model for one tenant. */
export interface BreakerChange extends Partial<Asked> {
  readonly state: "open" | "closed";
}

interface BreakerHealth {
  /** Better than `open` where somebody who asked lately may ask now. */
  readonly state: BreakerState;
  /** Whether a model is closed for all. */
  readonly lacksModel: boolean;
}

/** Keeps requests from a provider that fails (docs/reliability.md). */
export interface Breaker {
  /** Undefined where the provider must be left alone. */
  readonly take: (asked: Asked) => Permit | undefined;
  /** How long until such a request may go, in milliseconds; 0 where it may. */
  readonly waitMs: (asked: Asked) => number;
  /** Whether such a request has to wait because a rate or quota is used up. */
  readonly isAtLimit: (asked: Asked) => boolean;
  readonly health: () => BreakerHealth;
}

/**
 * Begins closed. A request meets three circuits: of the provider's connection, of the model for all tenants, and of the
 * model for its own tenant. What a caller can bring about alone opens the last one only.
 *
 * Not a library's breaker: cockatiel's lets other calls wait for the probe's promise, which belongs to another request and
 * on Workers may never settle, reads the clock itself, and knows one rule for opening at a time.
 */
export function createBreaker(onChange: (change: BreakerChange) => void): Breaker {
  const connection = createCircuit();
  const models = createModelCircuits();

  const circuitsFor = (asked: Asked) => {
    const { shared, own } = models.of(asked);
    return [connection, shared, own] as const;
  };
  const permit = (asked: Asked, circuits: readonly Circuit[], nowMs: number): Permit => {
    const { tenant, operation, model } = asked;
    const isProbe = circuits.some(({ triableMs }) => triableMs !== undefined);
    const passages = circuits.map((circuit) => begin(circuit, tenant, nowMs));
    const scopes = [{}, { operation, model }, asked];
    let isOver = false;
    const end = (endings: readonly [connection: Ending, shared: Ending, own: Ending], isAtLimit = false) => {
      if (isOver) return;
      isOver = true;
      const endMs = Date.now();
      passages.forEach((passage, at) => {
        const state = endings[at]?.(passage, endMs, isAtLimit);
        if (state) onChange({ ...scopes[at], state });
      });
    };
    return {
      isProbe,
      succeed: () => end([succeed, succeed, succeed]),
      release: () => end([release, release, release]),
      fail({ blame, isAnswer, isAtLimit }) {
        const reached = isAnswer ? succeed : release;
        const [shared, own] = endingsByBlame[blame];
        end([blame === "connection" ? fail : reached, shared, own], isAtLimit);
      },
    };
  };

  return {
    take(asked) {
      const nowMs = Date.now();
      const circuits = circuitsFor(asked);
      const mayGo = circuits.every((circuit) => waitMs(circuit, asked.tenant, nowMs) === 0);
      return mayGo ? permit(asked, circuits, nowMs) : undefined;
    },
    waitMs(asked) {
      const nowMs = Date.now();
      return Math.max(...circuitsFor(asked).map((circuit) => waitMs(circuit, asked.tenant, nowMs)));
    },
    isAtLimit(asked) {
      const nowMs = Date.now();
      return circuitsFor(asked).some((circuit) => circuit.isAtLimit && waitMs(circuit, asked.tenant, nowMs) > 0);
    },
    health() {
      const nowMs = Date.now();
      let [best, lacksModel]: [BreakerState | undefined, boolean] = [undefined, false];
      for (const { tenant, shared, own } of models.held()) {
        const state = worse(stateFor(shared, tenant, nowMs), stateFor(own, tenant, nowMs));
        if (!best || worse(best, state) === best) best = state;
        lacksModel ||= shared.triableMs !== undefined;
      }
      return { state: worse(stateFor(connection, "", nowMs), best ?? "closed"), lacksModel };
    },
  };
}

/** How a passage ends, and what that changes. */
type Ending = (passage: Passage, nowMs: number, isAtLimit: boolean) => Change;

const endingsByBlame: Readonly<Record<Blame, readonly [shared: Ending, own: Ending]>> = {
  connection: [release, release],
  model: [fail, fail],
  tenant: [release, fail],
  nobody: [release, release],
};

const byBadness: readonly BreakerState[] = ["closed", "half_open", "open"];

function worse(one: BreakerState, other: BreakerState): BreakerState {
  return byBadness.indexOf(one) > byBadness.indexOf(other) ? one : other;
}
