import type { WholeAnswer } from "./operation.ts";

/** A message of the contract, as its runtime has it: which type it is, and the fields of that type. */
export type ContractMessage = {
  readonly $typeName: string;
};

/** What is asked of an RPC of the contract that has no form of its own in the domain (`rpcs/`). */
export interface RpcRequest {
  /** Of the method's input type, with the defaults filled in. */
  readonly message: ContractMessage;
  /** On whose behalf it is asked, where the message says so. */
  readonly user?: string;
  /** The model that it names. */
  readonly model?: string;
  /** The most tokens that the answer may have, where it says so. */
  readonly maxTokens?: number;
}

export interface RpcAnswer extends WholeAnswer {
  /** Of the method's output type. */
  readonly message: ContractMessage;
}
