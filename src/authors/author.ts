import type { GenerationRequest, Usage } from "../generation.ts";
import type { Writer } from "../task.ts";

/** How a language model is asked for the answer to an RPC in the AI service's place. */
export interface Author<Input, Output> {
  /** What it is asked for; user and model are for whoever asks. */
  readonly requestFor: (message: Input) => GenerationRequest;
  /** The first thing of a message that no language model can be asked for, by its name in OpenAI's API. */
  readonly unsupported?: (message: Input) => string | undefined;
  /** Throws `UpstreamFailure`s only. `request` is `requestFor`'s. */
  readonly write: (message: Input, request: GenerationRequest, writer: Writer) => Promise<Written<Output>>;
}

/** An answer, and who wrote it. */
interface Written<Output> {
  readonly message: Output;
  readonly provider: string;
  readonly model: string;
  /** Of all that was asked for it; absent where that is not known. */
  readonly usage?: Usage;
  /** As of a generation. */
  readonly hasGap?: true;
}
