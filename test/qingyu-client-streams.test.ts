import { describe, expect, it } from "vitest";
import { type StreamCall, streamCalls } from "./support/clients/streams.ts";
import { provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { badPieces, goodText } from "./upstreams/texts.ts";

/* The streams of the platform's clients before models on real sockets, on good days and on bad ones. */

const hurried = { QINGYU_DEADLINES_FIRST_TOKEN_MS: "1000", QINGYU_DEADLINES_IDLE_MS: "100" };

function chain(...scenarios: readonly string[]) {
  const upstreams = scenarios.map((scenario) => upstream(scenario));
  const providers = upstreams.map((each, index) => provider(`p${index}`, "openai", each));
  return { upstreams, ...gateway(providers, hurried) };
}

describe.concurrent.each(streamCalls)("$name", ({ read, isPlatforms }: StreamCall) => {
  it("shows the whole text, once", async () => {
    expect(await read(chain("ok").send)).toEqual({ text: goodText });
  });

  it.each(["status:500", "reset", "error-opening:server_error", "garbage", "empty", "refused"])(
    "shows the next model's text where the first one fails before it has said anything: %s",
    async (scenario) => {
      expect(await read(chain(scenario, "ok").send)).toEqual({ text: goodText });
    },
  );

  it.each(["reset-mid", "close-mid", "unfinished", "error-mid:server_error", "silent-mid"])(
    "tells of a failure in mid-stream, and keeps what came: %s",
    async (scenario) => {
      const { send, upstreams } = chain(scenario, "ok");
      expect(await read(send)).toEqual({ text: badPieces.join(""), failure: expect.any(String) });
      // What has been begun is told by nobody else to its end.
      expect(await upstreams[1]?.seen()).toEqual([]);
    },
  );

  it("tells where no model can be asked", async () => {
    expect(await read(chain("status:500", "refused").send)).toEqual({
      text: "",
      failure: expect.any(String),
    });
  });

  if (isPlatforms)
    it("tells where nothing is left of what a model said", async () => {
      expect(await read(chain("filtered").send)).toEqual({ text: "", failure: expect.any(String) });
    });

  it("ends the model's work where its user leaves in mid-stream", async () => {
    const { send, upstreams } = chain("silent-mid");
    const leaving = new AbortController();
    const answered: number[] = [];
    await read(async (path, init) => {
      const answer = await send(path, { ...init, signal: leaving.signal });
      answered.push(answer.status);
      leaving.abort();
      return answer;
    });
    expect(answered).toEqual([200]);
    const seen = await upstreams[0]?.seen("left");
    expect(seen?.map(({ state }) => state)).toEqual(["left"]);
  });
});
