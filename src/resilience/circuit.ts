import type { BreakerState } from "../upstream.ts";

/** Opens on so many failures in a row, */
const failuresInRow = 5;
/** or when half of at least so many outcomes within the window are failures. */
const leastOutcomes = 20;
const windowSeconds = 10;
/** How long it stays open before a request may try, and how long that one keeps its tenant's others away. */
const halfOpenAfterMs = 15_000;
/** How often a tenant whose tries fail keeps the others away too. */
const mostReopenings = 2;
const maxTenants = 1_000;

/** Opens on failures and closes on a success (docs/reliability.md). A value that the functions below change. */
export interface Circuit {
  /** How many failures of one tenant count, in a row and within the window; may be infinite. */
  readonly mostPerTenant: number;
  /** Outcomes belong to the period in which their request began; those of earlier ones come too late. */
  period: number;
  /** When it may be tried, in Unix milliseconds; undefined while it is closed. */
  triableMs: number | undefined;
  /** Whether the last failure said that a rate or quota is used up. */
  isAtLimit: boolean;
  inRow: number;
  /** Who has failed since the last success or tries it while it is open. */
  readonly tenants: Map<string, Standing>;
  seconds: Second[];
}

interface Standing {
  /** Those that count: in a row, and while it is open those of its tries. */
  failures: number;
  /** When the tenant may try again, in Unix milliseconds. */
  triableMs: number;
}

interface Second {
  readonly second: number;
  total: number;
  failures: number;
  /** Absent where all failures of a tenant count. */
  byTenant?: Map<string, number>;
}

/** A request of a tenant on its way through a circuit. */
export interface Passage {
  readonly circuit: Circuit;
  readonly tenant: string;
  readonly period: number;
}

/** A closed circuit, in which all failures count unless told otherwise. */
export function createCircuit({ mostPerTenant = Number.POSITIVE_INFINITY } = {}): Circuit {
  return {
    mostPerTenant,
    period: 0,
    triableMs: undefined,
    isAtLimit: false,
    inRow: 0,
    tenants: new Map(),
    seconds: [],
  };
}

/** How long until a request of the tenant may go, in milliseconds; 0 where it may. */
export function waitMs({ triableMs, tenants }: Circuit, tenant: string, nowMs: number): number {
  if (triableMs === undefined) return 0;
  return Math.max(0, Math.max(triableMs, tenants.get(tenant)?.triableMs ?? 0) - nowMs);
}

/** How it stands for a tenant. */
export function stateFor(circuit: Circuit, tenant: string, nowMs: number): BreakerState {
  if (circuit.triableMs === undefined) return "closed";
  return waitMs(circuit, tenant, nowMs) > 0 ? "open" : "half_open";
}

/**
 * A request of the tenant goes. Of an open circuit each tenant has tries of its own, so that nobody can keep the others
 * from trying by requests that take long and say nothing.
 */
export function begin(circuit: Circuit, tenant: string, nowMs: number): Passage {
  if (circuit.triableMs !== undefined) standingOf(circuit, tenant).triableMs = nowMs + halfOpenAfterMs;
  return { circuit, tenant, period: circuit.period };
}

/** What an outcome made of a circuit; undefined where it stands as before. */
export type Change = "open" | "closed" | undefined;

/** It has ended well. */
export function succeed({ circuit, period }: Passage, nowMs: number): Change {
  if (period !== circuit.period) return undefined;
  if (circuit.triableMs !== undefined) return change(circuit, undefined);
  if (circuit.inRow > 0) circuit.tenants.clear();
  circuit.inRow = 0;
  secondAt(circuit, nowMs).total++;
  return halfFailed(circuit) ? change(circuit, nowMs + halfOpenAfterMs) : undefined;
}

/** It has failed, perhaps because a rate or quota is used up. */
export function fail({ circuit, tenant, period }: Passage, nowMs: number, isAtLimit: boolean): Change {
  if (period !== circuit.period) return undefined;
  const standing = standingOf(circuit, tenant);
  circuit.isAtLimit = isAtLimit;
  if (circuit.triableMs !== undefined) {
    if (standing.failures >= mostReopenings) return undefined;
    standing.failures++;
    circuit.triableMs = nowMs + halfOpenAfterMs;
    return "open";
  }
  if (standing.failures < circuit.mostPerTenant) {
    standing.failures++;
    circuit.inRow++;
  }
  countFailure(circuit, tenant, nowMs);
  if (circuit.inRow < failuresInRow && !halfFailed(circuit)) return undefined;
  return change(circuit, nowMs + halfOpenAfterMs);
}

/** It has ended without a word about what it went to. */
export function release({ circuit, tenant, period }: Passage): Change {
  const standing = period === circuit.period ? circuit.tenants.get(tenant) : undefined;
  if (standing) standing.triableMs = 0;
  return undefined;
}

function change(circuit: Circuit, triableMs: number | undefined): Change {
  circuit.triableMs = triableMs;
  circuit.period++;
  circuit.inRow = 0;
  circuit.tenants.clear();
  circuit.seconds = [];
  return triableMs === undefined ? "closed" : "open";
}

function standingOf({ tenants }: Circuit, tenant: string): Standing {
  let standing = tenants.get(tenant);
  if (!standing) {
    // Then all may try once more.
    if (tenants.size >= maxTenants) tenants.clear();
    standing = { failures: 0, triableMs: 0 };
    tenants.set(tenant, standing);
  }
  return standing;
}

/** What a tenant fails beyond its share is as if it had not been asked for. */
function countFailure(circuit: Circuit, tenant: string, nowMs: number): void {
  const last = secondAt(circuit, nowMs);
  if (Number.isFinite(circuit.mostPerTenant)) {
    const before = circuit.seconds.reduce((sum, { byTenant }) => sum + (byTenant?.get(tenant) ?? 0), 0);
    if (before >= circuit.mostPerTenant) return;
    last.byTenant ??= new Map();
    last.byTenant.set(tenant, (last.byTenant.get(tenant) ?? 0) + 1);
  }
  last.total++;
  last.failures++;
}

function halfFailed({ seconds }: Circuit): boolean {
  let [total, failures] = [0, 0];
  for (const second of seconds) {
    total += second.total;
    failures += second.failures;
  }
  return total >= leastOutcomes && failures * 2 >= total;
}

/** The current second's counts; those that are too old are dropped with each new one. */
function secondAt(circuit: Circuit, nowMs: number): Second {
  const second = Math.floor(nowMs / 1000);
  const last = circuit.seconds.at(-1);
  if (last?.second === second) return last;
  const added: Second = { second, total: 0, failures: 0 };
  circuit.seconds = [...circuit.seconds.filter((old) => old.second > second - windowSeconds), added];
  return added;
}
