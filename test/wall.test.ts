import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { clientOf, read, unknown } from "./support/sdk.ts";
import { type Kind, provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { goodText } from "./upstreams/texts.ts";

/**
 * Sixteen bad days of a provider, as a program sees them that knows nothing but the official OpenAI SDK. Its own retries
 * are off, so that whatever is mended here was mended by the gateway.
 */

interface Day {
  readonly first: string;
  readonly fallback?: string;
  /** What a live stream comes to; an atomic one is always whole unless `refused` says otherwise. */
  readonly live: "whole" | "error";
  /** The status and code that the SDK throws with, whatever the delivery. */
  readonly refused?: readonly [number, string];
  readonly kinds?: readonly Kind[];
}

const days: Readonly<Record<string, Day>> = {
  "429 with Retry-After": { first: "turns:limited:retry-after=1|ok", live: "whole" },
  "429 without": { first: "turns:limited:x-nothing=1|ok", live: "whole" },
  "500 once": { first: "turns:status:500|ok", live: "whole" },
  "503 for ever": { first: "html:503", live: "whole" },
  "a reset connection": { first: "reset", live: "whole" },
  silence: { first: "silent", live: "whole" },
  "a slow first token": { first: "slow:300", live: "whole" },
  "a cut in mid-stream": { first: "reset-mid", live: "error" },
  "a stall in mid-stream": { first: "silent-mid", live: "error" },
  "a malformed event": { first: "garbled", live: "whole", kinds: ["openai"] },
  "a missing [DONE]": { first: "no-done", live: "whole", kinds: ["openai"] },
  "a context that is too long": { first: "error:400:context_length_exceeded", live: "whole", kinds: ["openai"] },
  "a content filter": {
    first: "error:400:content_filter",
    live: "error",
    refused: [400, "content_filter"],
    kinds: ["openai"],
  },
  "a prefill that the fallback refuses": {
    first: "html:503",
    fallback: "error:400:invalid_value",
    live: "error",
    refused: [503, "upstream_unavailable"],
  },
};

const settings = { QINGYU_DEADLINES_FIRST_TOKEN_MS: "1500", QINGYU_DEADLINES_IDLE_MS: "1000" };

const whole = { content: goodText, finishReason: "stop", tokens: 18 };
/** Not every service says what a stream cost. */
const wholeOrUnpriced = [whole, { ...whole, tokens: unknown }];
const kinds: readonly Kind[] = ["openai", "connect", "grpc-web"];
const rows = Object.entries(days).flatMap(([name, day]) =>
  (day.kinds ?? kinds).flatMap((kind) =>
    (["live", "atomic"] as const).map((delivery) => ({ name, kind, delivery, day })),
  ),
);

describe.concurrent("the official SDK", () => {
  it.each(rows)("gets over $name: $kind first, $delivery", async ({ kind, delivery, day }) => {
    const fallback = upstream(day.fallback ?? "ok");
    const chain = [provider("first", kind, upstream(day.first)), provider("second", "openai", fallback)];
    const reading = read(clientOf(gateway(chain, settings), delivery));
    if (day.refused) {
      const [status, code] = day.refused;
      await expect(reading).rejects.toMatchObject({ status, code });
    } else if (delivery === "live" && day.live === "error") {
      await expect(reading).rejects.toBeInstanceOf(OpenAI.APIError);
    } else {
      expect(wholeOrUnpriced).toContainEqual(await reading);
    }
  });

  it("never sees a provider that comes and goes", async () => {
    const flapping = `turns:${Array.from({ length: 6 }, () => "html:503|html:503|html:503|ok|ok").join("|")}`;
    for (const delivery of ["live", "atomic"] as const) {
      const chain = [provider("first", "openai", upstream(flapping)), provider("second", "openai", upstream("ok"))];
      const client = clientOf(gateway(chain, settings), delivery);
      for (let index = 0; index < 15; index++) expect(await read(client)).toEqual(whole);
    }
  });

  it("is told of no more than one call's tokens, however many were made", async () => {
    const chain = [provider("first", "openai", upstream("unfinished")), provider("second", "openai", upstream("ok"))];
    const asked = gateway(chain, { ...settings, QINGYU_HEDGE_AFTER_MS: "1", QINGYU_HEDGE_MAX_PERCENT: "100" });
    expect(await read(clientOf(asked, "atomic"))).toEqual(whole);
    const { log } = await asked.ask({ stream: true, headers: { "x-qingyu-delivery": "atomic" } });
    expect(JSON.parse(log.at(-1) ?? "").usage).toMatchObject({ totalTokens: 18, cached: false });
  });
});
