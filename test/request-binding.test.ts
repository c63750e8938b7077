import { describe, expect, it } from "vitest";
import { type Kind, provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { goodText } from "./upstreams/texts.ts";

const kinds: readonly Kind[] = ["openai", "connect", "grpc-web"];
const both = kinds.flatMap((kind) => [false, true].map((stream) => ({ kind, stream })));

describe.concurrent("an answer to another request", () => {
  it.each(both)("is discarded and falls back: $kind, stream $stream", async ({ kind, stream }) => {
    const [first, second] = [upstream("turns:echo|echo:of-another-request"), upstream("ok")];
    const { ask } = gateway([provider("first", kind, first), provider("second", "openai", second)]);
    expect((await ask({ stream })).attempts).toBe("first:ok");
    const { status, content, attempts, log } = await ask({ stream });
    expect([status, content, attempts]).toEqual([200, goodText, "first:mismatched, second:ok"]);
    expect(log.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ message: "alarm", provider: "first", reason: "mismatched" }),
    );
  });

  it.each(kinds)("is told by no id of a provider that has ids of its own: %s", async (kind) => {
    const { ask } = gateway([provider("first", kind, upstream("turns:echo:req_1|echo:req_2|ok"))]);
    for (const _ of [1, 2, 3]) expect((await ask()).attempts).toBe("first:ok");
  });

  it("is not what an error without our id is", async () => {
    const { ask } = gateway([provider("first", "openai", upstream("turns:echo|html:503|echo"))]);
    await ask();
    expect((await ask()).attempts).toBe("first:unavailable, first:ok");
  });
});
