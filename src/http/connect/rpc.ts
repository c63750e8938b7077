import { Code, ConnectError, type ContextValues, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { codeToHttpStatus, codeToString } from "@connectrpc/connect/protocol-connect";
import type { Context } from "hono";
import { callerError } from "../../errors.ts";
import type { GenerationChunk, GenerationStream } from "../../generation.ts";
import { shortChunks } from "../../pieces.ts";
import { noteError } from "../../record.ts";
import { answerHeaders } from "../answer-headers.ts";
import { type Destination, startCall, type Walk } from "../call.ts";
import { toConnectError } from "./error.ts";

/** The request that Hono is walking, for a handler of Connect's. */
export interface RpcWalk {
  readonly c: Context<Walk>;
  /** Tells everything that works for a stream that its caller has stopped reading. */
  leave?: () => void;
}

export const rpcWalkKey = createContextKey<RpcWalk | undefined>(undefined);

/**
 * Writes down how a call fails, of which HTTP's status says nothing for a stream and over gRPC-Web, and why Connect itself
 * refuses one whose handler it never asks.
 */
export function noteFailure(context: HandlerContext): void {
  const { signal } = context;
  const record = walkOf(context.values).c.get("record");
  signal.addEventListener("abort", () => {
    const reason: unknown = signal.reason;
    if (!(reason instanceof ConnectError)) return;
    // A stream that has begun has said that all is well.
    if (!record.written) record.status ??= codeToHttpStatus(reason.code);
    // What has been asked tells of its own end.
    if (record.operation === undefined) {
      record.error ??= reason.code === Code.Canceled ? "cancelled" : codeToString(reason.code);
    }
  });
}

type Named = { readonly model?: string; readonly user?: string };

/** The handler of a unary method: `decode` reads its message, `encode` writes the answer. */
export function unary<Input, Request extends Named, Answer, Output>(
  decode: (message: Input) => Request,
  encode: (answer: Answer) => Output | Promise<Output>,
  destination: Destination<Request, Answer>,
): (message: Input, context: HandlerContext) => Promise<Output> {
  return async (message, context) => {
    const { c } = walkOf(context.values);
    try {
      const asked = { request: decode(message), stream: false, timeoutMs: context.timeoutMs() };
      return await encode(await startCall(c, asked, destination).answer);
    } catch (error) {
      throw connectErrorOf(error, c);
    } finally {
      setAnswerHeaders(c, context);
    }
  };
}

/** Writes an answer as messages. */
export interface MessageEncoder<Output> {
  readonly stream: GenerationStream;
  /** Undefined where a chunk has nothing that the message could say. */
  message(chunk: GenerationChunk): Output | undefined;
}

/** The handler of a method whose answer is a stream of messages. */
export function serverStreaming<Input, Request extends Named, Answer, Output>(
  decode: (message: Input) => Request,
  encode: (answer: Answer) => MessageEncoder<Output>,
  destination: Destination<Request, Answer>,
): (message: Input, context: HandlerContext) => AsyncGenerator<Output> {
  return async function* (message, context) {
    const walk = walkOf(context.values);
    try {
      const asked = { request: decode(message), stream: true, timeoutMs: context.timeoutMs() };
      const { answer, leave } = startCall(walk.c, asked, destination);
      walk.leave = leave;
      const { stream, message: messageOf } = encode(await answer);
      setAnswerHeaders(walk.c, context);
      for (let batch = await stream.read(); batch; batch = await stream.read()) {
        for (const chunk of shortChunks(batch)) {
          const output = messageOf(chunk);
          if (output) yield output;
        }
      }
    } catch (error) {
      setAnswerHeaders(walk.c, context);
      throw connectErrorOf(error, walk.c);
    } finally {
      // Connect reads no further where it cannot write a message.
      walk.leave?.();
    }
  };
}

/** The walk of a request that Connect was given. */
export function walkOf(values: ContextValues): RpcWalk {
  const walk = values.get(rpcWalkKey);
  if (!walk) throw new Error("Connect was asked outside of a walk");
  return walk;
}

/** Puts the headers that tell how an answer came about on its way; of a stream, before its first message. */
function setAnswerHeaders(c: Context<Walk>, context: HandlerContext): void {
  const headers = answerHeaders(c.get("record"), Date.now());
  for (const [name, value] of Object.entries(headers)) context.responseHeader.set(name, value);
}

/** What was thrown, as Connect is to write it. What is not Connect's own is noted for the log, which hears of the rest. */
export function connectErrorOf(thrown: unknown, c: Context<Walk>): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const error = callerError(thrown);
  noteError(c.get("record"), error);
  return toConnectError(error);
}
