import type { GenerationRequest } from "../generation.ts";
import type { ContractMessage, RpcAnswer, RpcRequest } from "../rpc.ts";
import { writerFor } from "../structured/writer.ts";
import type { Offer, Provider } from "../upstream.ts";
import type { Author } from "./author.ts";

/** An RPC's author as an offer of every provider that can generate. */
export function authorOffers(author: Author<ContractMessage, ContractMessage>) {
  // The same for all providers, each of whom is first asked whether it can carry it.
  const composed = new WeakMap<RpcRequest, GenerationRequest>();
  const asked = (request: RpcRequest): GenerationRequest => {
    const { message, user, model } = request;
    const generation = composed.get(request) ?? { ...author.requestFor(message), user, model };
    composed.set(request, generation);
    return generation;
  };
  return ({ offers: { generate } }: Provider): Offer<RpcRequest, RpcAnswer> | undefined => {
    if (!generate) return undefined;
    return {
      unsupported: (request) => author.unsupported?.(request.message) ?? generate.unsupported(asked(request)),
      omitted: (request) => generate.omitted?.(asked(request)) ?? [],
      async ask(request, call) {
        const written = await author.write(request.message, asked(request), writerFor(generate.ask, call));
        return { ...written, createdAtMs: Date.now() };
      },
      standsIn: true,
    };
  };
}
