import { type Circuit, createCircuit } from "./circuit.ts";

/** So many failures of one tenant count against what all share: to close a model for all takes three tenants. */
const mostPerTenant = 2;
/** How many models are remembered of a tenant, counted for each operation, and how many tenants: those that asked last. */
const maxModels = 32;
const maxTenants = 500;

/** What a request asks of a provider, and for whom. */
export interface Asked {
  readonly tenant: string;
  readonly operation: string;
  /** As the caller named it; callers choose freely. */
  readonly model: string;
}

/** A model as the requests of one tenant find it, and as those of all do. */
export interface ModelCircuits {
  readonly own: Circuit;
  readonly shared: Circuit;
}

interface Shared {
  readonly circuit: Circuit;
  /** How many tenants it is remembered for. */
  holders: number;
}

interface Held extends ModelCircuits {
  readonly key: string;
}

/** The circuits of a provider's models. However many names a tenant asks for, what is known of other tenants stays. */
export function createModelCircuits() {
  const byModel = new Map<string, Shared>();
  const byTenant = new Map<string, Map<string, Held>>();

  const hold = (key: string): Held => {
    let shared = byModel.get(key);
    if (!shared) {
      shared = { circuit: createCircuit({ mostPerTenant }), holders: 0 };
      byModel.set(key, shared);
    }
    shared.holders++;
    return { key, own: createCircuit(), shared: shared.circuit };
  };
  const drop = ({ key }: Held) => {
    const shared = byModel.get(key);
    if (shared && --shared.holders === 0) byModel.delete(key);
  };
  return {
    of({ tenant, operation, model }: Asked): ModelCircuits {
      const models =
        take(byTenant, tenant) ?? put(byTenant, tenant, new Map(), maxTenants, (held) => held.forEach(drop));
      const key = `${operation} ${model}`;
      return take(models, key) ?? put(models, key, hold(key), maxModels, drop);
    },
    /** For each tenant all that is remembered. */
    *held(): Generator<ModelCircuits & { readonly tenant: string }> {
      for (const [tenant, models] of byTenant)
        for (const { own, shared } of models.values()) yield { tenant, own, shared };
    },
  };
}

/** What stands under a key, which is then the one that was used last. */
function take<T>(map: Map<string, T>, key: string): T | undefined {
  const found = map.get(key);
  if (found !== undefined && map.size > 1) {
    map.delete(key);
    map.set(key, found);
  }
  return found;
}

/** Puts a new value under its key, in the place of what was not used for longest where there are too many. */
function put<T>(map: Map<string, T>, key: string, value: T, max: number, drop: (dropped: T) => void): T {
  const [oldest] = map.size < max ? [] : map;
  if (oldest) {
    map.delete(oldest[0]);
    drop(oldest[1]);
  }
  map.set(key, value);
  return value;
}
