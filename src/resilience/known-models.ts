import type { Hops, KnownModels, Provider } from "../upstream.ts";
import { settlesWithin } from "../waiting.ts";
import { seldom } from "./seldom.ts";

/** Lists change with a provider's releases; one that could not be had may be there soon. */
const [knownForMs, unknownForMs] = [300_000, 30_000];
const listTimeoutMs = 2_000;
const graceMs = 500;

/**
 * Tells which models there are to be asked for: those that the providers list themselves, at most once in five minutes each,
 * and of the others those that the settings name. Of a provider that cannot be asked now it is what it said last. Never
 * throws.
 */
export function knownModels(providers: readonly Provider[]): (hops: Hops) => Promise<KnownModels> {
  const lists = new Map<Provider, readonly string[]>();

  /** Says whether a provider has said what it has, or cannot be asked. */
  async function ask(provider: Provider, hops: Hops): Promise<boolean> {
    if (!provider.listModels) return true;
    let isListed = false;
    const listing = provider.listModels(AbortSignal.timeout(listTimeoutMs), hops).then((list) => {
      lists.set(provider, list);
      isListed = true;
    });
    await settlesWithin(listing, listTimeoutMs);
    return isListed;
  }

  async function look(hops: Hops): Promise<KnownModels> {
    const answered = await Promise.all(providers.map((provider) => ask(provider, hops)));
    const byProvider = new Map(
      providers.map((provider) => [provider.name, lists.get(provider) ?? provider.namedModels]),
    );
    return {
      names: [...new Set([...byProvider.values()].flat())],
      byProvider,
      isComplete: providers.every((provider) => lists.has(provider)),
      isUpToDate: answered.every(Boolean),
    };
  }

  return seldom({
    look,
    goodForMs: ({ isUpToDate }) => (isUpToDate ? knownForMs : unknownForMs),
    giveUpMs: listTimeoutMs + graceMs,
  });
}
