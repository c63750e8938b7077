import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { clientOf, read } from "./support/sdk.ts";
import { type Kind, provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { goodText, shortText } from "./upstreams/texts.ts";

const kinds: readonly Kind[] = ["openai", "connect", "grpc-web"];

/** Far more bytes than the stream has that the scenario `cut` plays. */
const mostBytes = 130;

const only = (kind: Kind, scenario: string, settings?: Record<string, string>) =>
  clientOf(gateway([provider("only", kind, upstream(scenario))], settings));

describe.concurrent("the official SDK, as the reader of a stream", () => {
  it.each(kinds)("gets it whole or throws, whichever byte is the last: %s", async (kind) => {
    const endAfter = async (bytes: number) => {
      try {
        const { content, finishReason } = await read(only(kind, `cut:${bytes}`));
        return `${content} ${finishReason}`;
      } catch (error) {
        return error instanceof OpenAI.APIError ? "thrown" : error;
      }
    };
    const ends = await Promise.all(Array.from({ length: mostBytes }, (_, bytes) => endAfter(bytes)));
    const firstWhole = ends.indexOf(`${shortText} stop`);
    expect(firstWhole).toBeGreaterThan(10);
    expect(new Set(ends.slice(0, firstWhole))).toEqual(new Set(["thrown"]));
    expect(new Set(ends.slice(firstWhole))).toEqual(new Set([`${shortText} stop`]));
  });

  const anyFailures = ["reset-mid", "close-mid", "unfinished", "silent-mid", "garbage-mid"];
  const failures = kinds.flatMap((kind) =>
    [
      ...anyFailures,
      ...(kind === "openai"
        ? ["error-mid:server_error", "done-only", "finish:nonsense"]
        : ["error-mid:internal", "twice", "giant-frame:mid"]),
    ].map((scenario) => ({ kind, scenario })),
  );
  it.each(failures)("throws where it fails after its first token: $kind, $scenario", async ({ kind, scenario }) => {
    const impatient = { QINGYU_DEADLINES_IDLE_MS: "1000" };
    await expect(read(only(kind, scenario, impatient))).rejects.toBeInstanceOf(OpenAI.APIError);
    const helper = only(kind, scenario, impatient).chat.completions.stream({
      model: "any",
      messages: [{ role: "user", content: "问" }],
    });
    await expect(helper.finalChatCompletion()).rejects.toBeInstanceOf(OpenAI.APIError);
  });

  it.each(kinds)("puts it together: %s", async (kind) => {
    const helper = only(kind, "drip").chat.completions.stream({
      model: "any",
      messages: [{ role: "user", content: "问" }],
    });
    expect((await helper.finalChatCompletion()).choices[0]?.message.content).toBe(goodText);
  });

  it.each([
    ["status:429", OpenAI.RateLimitError, "rate_limit_exceeded"],
    ["error:400:context_length_exceeded", OpenAI.BadRequestError, "context_length_exceeded"],
    ["error:404:model_not_found", OpenAI.NotFoundError, "model_not_found"],
    ["html:503", OpenAI.InternalServerError, "upstream_unavailable"],
    ["html:200", OpenAI.InternalServerError, "upstream_bad_response"],
  ] as const)("knows the error before its first token by its class: %s", async (scenario, kind, code) => {
    const failed = await read(only("openai", scenario)).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(kind);
    expect(failed).toMatchObject({ code, requestID: expect.any(String) });
  });
});
