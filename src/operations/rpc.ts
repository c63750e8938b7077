import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import * as z from "zod/mini";
import type { Lifetimes, Limits, Operation, Storage } from "../operation.ts";
import type { RpcAnswer, RpcRequest } from "../rpc.ts";
import type { Rpc } from "../rpcs/rpc.ts";
import { promptTokensAbout, textsIn, tokensAbout } from "../token-count.ts";
import { storedUsage } from "./stored-usage.ts";

export interface RpcOptions {
  readonly limits: Limits;
  /** Absent where its answers are kept for nobody but him who asks again under his key. */
  readonly lifetimes?: Lifetimes;
  /** `user`: callers of one tenant share answers only where they ask on behalf of the same end user. */
  readonly scope: "tenant" | "user";
}

/** An RPC of the contract as an operation: what it asks for and how its answers are kept come from its messages' descriptors. */
export function rpcOperation(rpc: Rpc, { limits, lifetimes, scope }: RpcOptions): Operation<RpcRequest, RpcAnswer> {
  const { input, output } = rpc.method;
  const isFree = rpc.usualTokens === 0;
  const asked = ({ message }: RpcRequest) => toJson(input, message);
  return {
    name: rpc.name,
    modelOf: ({ model = "" }) => model,
    meaning: (request, caller) => ({
      message: asked(request),
      user: scope === "user" ? (caller.user ?? request.user) : undefined,
    }),
    // A message may hold what JSON has no form for.
    fingerprint: (request) => ({ message: asked(request), user: request.user }),
    isEmpty: ({ message }) => rpc.isEmpty(message),
    // How an empty answer ended is told only where its caller has brought it about.
    mayEndEmpty: () => true,
    storage: rpcStorage(rpc),
    lifetimes,
    mayRetry: !rpc.isLong,
    limits,
    estimate(request) {
      if (isFree) return { promptTokens: 0, completionTokens: 0, isGuess: false };
      const { maxTokens } = request;
      const promptTokens = promptTokensAbout([...textsIn(asked(request))]);
      return { promptTokens, completionTokens: maxTokens ?? rpc.usualTokens, isGuess: maxTokens === undefined };
    },
    tokensIn: ({ message }) => (isFree ? 0 : Math.ceil(tokensAbout(...textsIn(toJson(output, message))))),
  };
}

/** How answers of an RPC are kept: as the contract's JSON. */
export function rpcStorage({ method: { output } }: Rpc): Storage<RpcAnswer> {
  return {
    isStorable: () => true,
    toJson: ({ message, ...rest }) => ({ ...rest, message: toJson(output, message) }),
    fromJson(value) {
      const stored = storedSchema.safeParse(value).data;
      if (!stored) return undefined;
      try {
        return { ...stored, message: fromJson(output, stored.message as JsonValue) };
      } catch {
        return undefined;
      }
    },
  };
}

const storedSchema = z.object({
  provider: z.string(),
  model: z.string(),
  createdAtMs: z.int().check(z.nonnegative()),
  usage: z.optional(storedUsage),
  message: z.json(),
});
