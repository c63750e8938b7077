import type { Handler } from "hono";
import type * as z from "zod/mini";
import type { Config } from "../config/config.ts";
import type { Upstream } from "../upstream.ts";
import { type Asked, startCall, type Walk } from "./call.ts";
import { type Encoder, eventStreamResponse } from "./event-stream.ts";
import { readJson } from "./json-body.ts";
import { jsonPieces, jsonResponse } from "./json-response.ts";

/** How one method of a surface is read and written. */
export type Codec<Body extends z.ZodMiniType, Request, Answer, AskedFor extends Asked<Request>> = Decoding<
  Body,
  Request,
  AskedFor
> &
  Encoding<Answer, AskedFor>;

interface Decoding<Body extends z.ZodMiniType, Request, AskedFor extends Asked<Request>> {
  /** What a request's body must be. */
  readonly body: Body;
  /** Throws a `GatewayError` that names the field, where the body's fields contradict each other. */
  readonly decode: (body: z.infer<Body>, headers: Headers) => AskedFor;
  /** Holds a request to the configured limits. Throws a `GatewayError` that names the field. */
  readonly check: (request: Request, config: Config) => void;
}

type Encoding<Answer, AskedFor> =
  | {
      /** The JSON of an answer that is wanted whole. */
      readonly whole: (answer: Answer, requestId: string) => unknown;
      /** For an answer that is wanted piece by piece; absent where none can be. */
      readonly encoder?: (requestId: string, asked: AskedFor) => Encoder<Answer>;
      readonly pieces?: undefined;
    }
  | {
      /** The text of the JSON of an answer that may have many megabytes. */
      readonly pieces: (answer: Answer, asked: AskedFor) => Iterator<string>;
    };

/** Answers a method of a surface: reads its request, asks, and writes the answer, whole or as events. */
export function serve<
  Body extends z.ZodMiniType,
  Request extends { readonly model?: string; readonly user?: string },
  Answer,
  AskedFor extends Asked<Request>,
>(codec: Codec<Body, Request, Answer, AskedFor>, upstream: Upstream<Request, Answer>, config: Config): Handler<Walk> {
  return async (c) => {
    const record = c.get("record");
    const memory = c.get("memory");
    const body = await readJson(c.req.raw, codec.body, config, memory);
    const asked = codec.decode(body, c.req.raw.headers);
    const started = startCall(c, asked, { upstream, config, check: codec.check });
    if (codec.pieces) return jsonPieces(codec.pieces(await started.answer, asked), record, memory.endsMs);
    if (asked.stream && codec.encoder) {
      const encoder = codec.encoder(record.requestId, asked);
      return await eventStreamResponse(c, started, { encoder, ...config.stream });
    }
    return jsonResponse(await codec.whole(await started.answer, record.requestId), record, memory.endsMs);
  };
}
