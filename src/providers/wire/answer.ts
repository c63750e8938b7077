import { mediaType } from "../../body.ts";
import type { Generation, JsonValue } from "../../generation.ts";
import type { Call, GenerationAnswer } from "../../upstream.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { chunkReader, type EventDecoder } from "./chunks.ts";
import { eventReader } from "./events.ts";
import { parseAnswer } from "./json.ts";
import { readAnswer } from "./send.ts";

/** How a provider's answers are read. */
export interface AnswerReading {
  readonly provider: string;
  /** The model that was asked, where the answer names none. */
  readonly model: string;
  /** Throws `UpstreamFailure` where the JSON is no complete answer. */
  readonly whole: (value: JsonValue) => Pick<Generation, "choices" | "usage" | "hasGap"> & { readonly model?: string };
  readonly events: () => EventDecoder<string>;
}

/** A good response as a generation, whole or streamed as its type says. Throws `UpstreamFailure` wire `malformed` where that is neither, or a stream that nobody asked for. */
export async function generationIn(
  response: Response,
  call: Call,
  { provider, model, whole, events }: AnswerReading,
): Promise<GenerationAnswer> {
  const head = { provider, model, createdAtMs: Date.now() };
  switch (mediaType(response.headers)) {
    case "text/event-stream":
      if (!call.stream) throw UpstreamFailure.wire("malformed");
      return { ...head, read: chunkReader(eventReader(response, call), events()) };
    case "application/json": {
      const answer = await readAnswer(response, call, (text) => whole(parseAnswer(text)));
      return { ...head, ...answer, model: answer.model ?? model };
    }
    default:
      throw UpstreamFailure.wire("malformed");
  }
}
