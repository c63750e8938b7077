import { type DescMessage, type DescMethodUnary, isMessage, type MessageShape } from "@bufbuild/protobuf";
import type { Author } from "../authors/author.ts";
import type { ContractMessage, RpcRequest } from "../rpc.ts";

/** An RPC of the contract as a value: all that the gateway must know of it. */
export interface Rpc {
  readonly method: DescMethodUnary;
  /** Part of cache keys, fingerprints and log lines: the method's name in snake_case. */
  readonly name: string;
  readonly rules: FieldRules;
  /** A caller's message as a request. */
  requestOf(message: ContractMessage): RpcRequest;
  /** The same request for a model of another name; absent where it names none. */
  withModel?(message: ContractMessage, model: string): ContractMessage;
  /** The same request on behalf of another user; absent where the message has no place for one. */
  withUser?(message: ContractMessage, user: string): ContractMessage;
  /** Whether an answer says nothing, and so is as good as none: deployed services may call that a success. */
  isEmpty(answer: ContractMessage): boolean;
  /** What an answer really says, without what no caller may see. Throws `UpstreamFailure` where it tells of a failure. */
  readAnswer(answer: ContractMessage): ContractMessage;
  /** 0 where the service does not know. */
  tokensOf(answer: ContractMessage): number;
  /** The model that an answer names; empty where it names none. */
  modelOf(answer: ContractMessage): string;
  /** The same answer of a model of another name; absent where it names none. */
  withModelOf?(answer: ContractMessage, model: string): ContractMessage;
  /** How long an answer's stages took, in seconds, in the order in which they ended; none where it does not say. */
  stagesOf(answer: ContractMessage): readonly Stage[];
  /** Whether it costs somebody's model up to minutes, so that nobody is asked twice for what may be under way. */
  readonly isLong: boolean;
  /** Who writes it where no AI service can; absent where nobody else could. */
  readonly author?: Author<ContractMessage, ContractMessage>;
  /** How long it may take at most, in milliseconds, where that is less than any request may take. */
  readonly mostMs?: number;
  /** How long an answer is kept for all who ask the same. What is not kept stands only under idempotency keys. */
  readonly kept?: "as knowledge";
  /** About how many tokens an answer takes; 0 for what is only looked up, which is free. */
  readonly usualTokens: number;
  /** Its REST paths below `/api/v1`, for bodies in the contract's own field names. */
  readonly paths: readonly string[];
}

export interface Stage {
  readonly name: string;
  readonly seconds: number;
}

/** What a request must be beyond its types, by its fields' paths in the contract's own names (`options.top_p`). */
interface FieldRules {
  /** Fields that must not be blank; of a list of them at least one. */
  readonly required?: readonly (string | readonly string[])[];
  /** The least and the greatest that a number may be. */
  readonly ranges?: Readonly<Record<string, readonly [number, number]>>;
  /** How much a text or a list may hold; the path goes into maps too (`parameters.user_id`). */
  readonly sizes?: Readonly<Record<string, Size>>;
  /** All that a text may be beside empty. */
  readonly values?: Readonly<Record<string, readonly string[]>>;
}

interface Size {
  /** Of a list. */
  readonly items?: number;
  /** Of a text, or of each text of a list, in UTF-16 units. */
  readonly units?: number;
}

/** An RPC's row in the table, typed by its messages. */
interface Row<Input, Output> extends Pick<Rpc, "mostMs" | "kept"> {
  readonly isLong: boolean;
  readonly rules: FieldRules;
  readonly usualTokens: number;
  readonly paths: readonly string[];
  /** Fills in what the gateway decides where the caller does not. */
  readonly defaults?: (message: Input) => Input;
  readonly user?: (message: Input) => string | undefined;
  readonly withUser?: (message: Input, user: string) => Input;
  readonly model?: (message: Input) => string | undefined;
  readonly maxTokens?: (message: Input) => number | undefined;
  readonly withModel?: (message: Input, model: string) => Input;
  /** Absent where an answer may say nothing. */
  readonly isEmpty?: (answer: Output) => boolean;
  readonly read?: (answer: Output) => Output;
  readonly tokens?: (answer: Output) => number;
  readonly answeredBy?: (answer: Output) => string;
  readonly withAnsweredBy?: (answer: Output, model: string) => Output;
  readonly stages?: (answer: Output) => readonly Stage[];
  readonly author?: Author<Input, Output>;
}

/** Makes an RPC of its row. */
export function rpc<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  row: Row<MessageShape<I>, MessageShape<O>>,
): Rpc {
  const { input, output } = method;
  const { withModel, withUser, withAnsweredBy, author } = row;
  return {
    method,
    name: method.localName.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    rules: row.rules,
    isLong: row.isLong,
    mostMs: row.mostMs,
    kept: row.kept,
    usualTokens: row.usualTokens,
    paths: row.paths,
    requestOf(sent) {
      const given = messageAs(input, sent);
      const message = row.defaults?.(given) ?? given;
      const user = row.user?.(message) || undefined;
      return {
        message,
        user,
        model: row.model?.(message) || undefined,
        maxTokens: row.maxTokens?.(message) || undefined,
      };
    },
    withModel: withModel && ((message, model) => withModel(messageAs(input, message), model)),
    withUser: withUser && ((message, user) => withUser(messageAs(input, message), user)),
    isEmpty: (answer) => row.isEmpty?.(messageAs(output, answer)) ?? false,
    readAnswer: (answer) => row.read?.(messageAs(output, answer)) ?? answer,
    tokensOf: (answer) => row.tokens?.(messageAs(output, answer)) ?? 0,
    modelOf: (answer) => row.answeredBy?.(messageAs(output, answer)) ?? "",
    withModelOf: withAnsweredBy && ((answer, model) => withAnsweredBy(messageAs(output, answer), model)),
    stagesOf: (answer) => row.stages?.(messageAs(output, answer)) ?? [],
    author: author && {
      requestFor: (message) => author.requestFor(messageAs(input, message)),
      unsupported: (message) => author.unsupported?.(messageAs(input, message)),
      write: (message, request, writer) => author.write(messageAs(input, message), request, writer),
    },
  };
}

/** A message as one of its type. Throws where it is of another one, which is our own mistake. */
export function messageAs<Desc extends DescMessage>(type: Desc, message: ContractMessage): MessageShape<Desc> {
  if (!isMessage(message, type)) throw new Error(`a ${message.$typeName} stands in the place of a ${type.typeName}`);
  return message;
}
