import * as z from "zod/mini";
import { GatewayError } from "../../errors.ts";
import type { GenerationRequest } from "../../generation.ts";
import type { Asked } from "../call.ts";
import { invalidValue } from "../invalid.ts";
import { chatCompletionRequest, fromChatCompletionRequest } from "./chat-completions-request.ts";

const { max_tokens, temperature, top_p, stop, seed, presence_penalty, frequency_penalty, n, user, stream_options } =
  chatCompletionRequest.shape;
const unheard = z.nullish(z.unknown());

/**
 * The body of `POST /v1/completions` (https://platform.openai.com/docs/api-reference/completions/create). As with chat
 * completions, what is not described is carried to the providers that understand it, and null is the same as absent.
 */
export const completionRequest = z.looseObject({
  model: z
    .nullish(z.string().check(z.maxLength(256)))
    .check(
      z.describe(
        "A name that `GET /v1/models` lists or a provider knows; left out or empty, the gateway's own choice.",
      ),
    ),
  prompt: z.union([
    z.string().check(z.minLength(1)),
    z.array(z.unknown()).check(z.minLength(1), z.describe("One text.")),
  ]),
  ...{ max_tokens, temperature, top_p, stop, seed, presence_penalty, frequency_penalty, n, user, stream_options },
  stream: chatCompletionRequest.shape.stream,
  ...{ best_of: unheard, echo: unheard, logprobs: unheard, suffix: unheard },
});
type CompletionRequest = z.infer<typeof completionRequest>;

/** What models that are asked as in a conversation cannot do, and the values that do not ask for it. */
const notCarried: Readonly<Record<string, readonly unknown[]>> = {
  best_of: [1],
  echo: [false],
  logprobs: [],
  suffix: [""],
  // They mean something where a conversation is asked for.
  messages: [],
  max_completion_tokens: [],
  response_format: [],
  functions: [],
  tools: [],
  top_logprobs: [],
};

export interface CompletionCall extends Asked<GenerationRequest> {
  /** Whether a stream's usage is asked for in a chunk of its own. */
  readonly includeUsage: boolean;
}

/** The parsed body as the domain has it: one message of a user. Throws `invalid_request` that names the field at fault. */
export function fromCompletionRequest({ prompt, model, ...rest }: CompletionRequest): CompletionCall {
  for (const [name, harmless] of Object.entries(notCarried)) {
    const value = rest[name] ?? undefined;
    if (value !== undefined && !harmless.includes(value)) throw notCarriedError(name);
  }
  const others = Object.entries(rest).filter(([name]) => !Object.hasOwn(notCarried, name));
  const { request, stream, includeUsage } = fromChatCompletionRequest({
    ...Object.fromEntries(others),
    model: model || undefined,
    messages: [{ role: "user", content: textIn(prompt) }],
  });
  return { request, stream, includeUsage, names: { messages: "prompt", max_completion_tokens: "max_tokens" } };
}

/** The one text of a prompt: neither several, each of which has an answer, nor tokens, which are of one model only. */
function textIn(prompt: CompletionRequest["prompt"]): string {
  if (typeof prompt === "string") return prompt;
  const [text, ...more] = prompt;
  if (typeof text !== "string")
    throw invalidValue("prompt", "The field 'prompt' must be a text; tokens are not taken.");
  if (more.length > 0) throw invalidValue("prompt", "The field 'prompt' must be one text; send the others one by one.");
  if (text === "") throw invalidValue("prompt[0]", "{field} must be at least {least} characters long.", { least: 1 });
  return text;
}

function notCarriedError(param: string): GatewayError {
  return new GatewayError("invalid_request", "The parameter '{param}' is not carried for completions.", {
    code: "unsupported_parameter",
    param,
  });
}
