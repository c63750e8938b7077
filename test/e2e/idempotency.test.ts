import { request } from "node:http";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import { keyOf } from "../load/caller.ts";
import { type Setting, startSetting, tenants } from "../load/setting.ts";

/**
 * Requests that wait for each other, in a workerd where each has a context of its own: there a promise of one request is
 * not simply another one's to wait for, and what the runtime ends it ends without a word.
 */
describe("the same idempotency key at the same time", () => {
  let script: string;
  beforeAll(() => {
    script = buildBundle({ minify: true }).path;
  });

  const start = async () => {
    const setting = await startSetting(script, "openai");
    onTestFinished(() => setting.stop());
    return setting;
  };
  const [tenant = ""] = tenants;
  const headers = {
    "content-type": "application/json",
    authorization: `Bearer ${keyOf(tenant)}`,
    "idempotency-key": crypto.randomUUID(),
    "cache-control": "no-store",
  };
  const bodyOf = (stream: boolean) =>
    JSON.stringify({ user: tenant, stream, messages: [{ role: "user", content: "写" }] });
  const ask = async ({ port }: Setting, stream: boolean) => {
    const url = `http://127.0.0.1:${port}/v1/chat/completions`;
    const answer = await fetch(url, {
      method: "POST",
      headers,
      body: bodyOf(stream),
      signal: AbortSignal.timeout(5_000),
    });
    return { status: answer.status, replayed: answer.headers.get("idempotent-replayed"), text: await answer.text() };
  };
  const textOf = (text: string) => /"content":"([0-9a-f]{16,})"/.exec(text)?.[1];

  it.each([false, true])("makes one upstream call: stream %s first", async (stream) => {
    const setting = await start();
    setting.order("primary", "slow");
    const answers = await Promise.all(
      [stream, ...Array.from({ length: 19 }, (_, index) => index % 2 === 0)].map((each) => ask(setting, each)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(answers.filter(({ replayed }) => replayed === "true")).toHaveLength(19);
    const whole = new Set(answers.filter(({ replayed }) => replayed).map(({ text }) => textOf(text)));
    expect(whole.size).toBe(1);
    expect((await setting.report()).visits).toEqual({ primary: 1 });
  });

  it.each([false, true])(
    "goes on for the others when the first caller's connection breaks: stream %s",
    async (stream) => {
      const setting = await start();
      setting.order("primary", "slow");
      const first = request({ port: setting.port, path: "/v1/chat/completions", method: "POST", headers });
      first.on("error", () => {});
      first.end(bodyOf(stream));
      await setting.visited("primary", 1);
      const others = Array.from({ length: 5 }, () => ask(setting, false));
      first.socket?.resetAndDestroy();
      expect((await Promise.all(others)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
      expect((await setting.report()).visits).toEqual({ primary: 2 });
    },
  );
});
