import type { Handler } from "hono";
import type * as z from "zod/mini";
import type { Config } from "../config/config.ts";
import type { RequestRecord } from "../record.ts";
import type { Upstream } from "../upstream.ts";
import { type Asked, startCall, type Walk } from "./call.ts";
import { type Encoder, eventStreamResponse, type WholeEncoder } from "./event-stream.ts";
import { requireValid } from "./invalid.ts";
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
  /** Whether that stands in the URL's query, each member a text. */
  readonly isInQuery?: true;
  /** Throws a `GatewayError` that names the field, where the body's fields contradict each other. */
  readonly decode: (body: z.infer<Body>, headers: Headers) => AskedFor;
  /** Holds a request to the configured limits. Throws a `GatewayError` that names the field. */
  readonly check: (request: Request, config: Config) => void;
  /** How long an answer may take, where that is less than any request may take. */
  readonly mostMs?: number;
  /** Whether whoever asks for a whole answer is a client of the platform's, who does not wait for long (setting deadlines.plain_ms). */
  readonly isImpatient?: true;
}

type Encoding<Answer, AskedFor> =
  | {
      /** The JSON of an answer that is wanted whole. */
      readonly whole: (answer: Answer, requestId: string, asked: AskedFor, record: RequestRecord) => unknown;
      /** For an answer that is wanted piece by piece; absent where none can be. */
      readonly encoder?: (requestId: string, asked: AskedFor) => Encoder<Answer>;
      /** For an answer that comes as a whole and is wanted as events; absent where none is. */
      readonly wholeEncoder?: (requestId: string, asked: AskedFor) => WholeEncoder<Answer>;
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
  const destination = { ...codec, upstream, config };
  return async (c) => {
    const record = c.get("record");
    const memory = c.get("memory");
    const body = codec.isInQuery
      ? requireValid(codec.body, c.req.query())
      : await readJson(c.req.raw, codec.body, config, memory);
    const asked = codec.decode(body, c.req.raw.headers);
    const started = startCall(c, asked, destination);
    if (codec.pieces) return jsonPieces(codec.pieces(await started.answer, asked), record, memory.endsMs);
    const encoder = asked.stream
      ? codec.encoder?.(record.requestId, asked)
      : asked.asEvents && codec.wholeEncoder?.(record.requestId, asked);
    if (encoder) return await eventStreamResponse(c, started, { encoder, ...config.stream });
    return jsonResponse(
      await codec.whole(await started.answer, record.requestId, asked, record),
      record,
      memory.endsMs,
    );
  };
}
