import type { RpcAnswer, RpcRequest } from "../../rpc.ts";
import type { Rpc } from "../../rpcs/rpc.ts";
import type { Offer } from "../../upstream.ts";
import { type ModelRules, modelFor, modelNameIn } from "../model.ts";
import type { Service } from "./client.ts";
import { namingField } from "./named-field.ts";

export interface RpcOptions extends ModelRules {
  readonly name: string;
}

/** The service's offer of an RPC: its message as it is, but for a model that the settings replace and a user whom a token names. */
export function rpcOffer(
  { unary, ask, callOptions }: Service,
  rpc: Rpc,
  options: RpcOptions,
): Offer<RpcRequest, RpcAnswer> {
  const { method } = rpc;
  return {
    unsupported: () => undefined,
    async ask({ message, user, model }, call) {
      const asked = model === undefined ? undefined : modelFor(model, options);
      const named = asked !== undefined && asked !== model && rpc.withModel ? rpc.withModel(message, asked) : message;
      const tokenUser = call.caller.user;
      const sent = tokenUser !== undefined && rpc.withUser ? rpc.withUser(named, tokenUser) : named;
      const answer = await ask(method, () => unary(method, sent, callOptions(call, user))).catch((error: unknown) => {
        throw namingField(error, method.input);
      });
      const read = rpc.readAnswer(answer);
      const tokens = rpc.tokensOf(read);
      const answeredBy = modelNameIn(rpc.modelOf(read)) ?? asked;
      return {
        provider: options.name,
        model: answeredBy ?? options.name,
        createdAtMs: Date.now(),
        usage: tokens > 0 ? { totalTokens: tokens } : undefined,
        message: rpc.withModelOf?.(read, answeredBy ?? "") ?? read,
      };
    },
  };
}
