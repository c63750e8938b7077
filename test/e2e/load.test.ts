import { beforeAll, describe, expect, it } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import type { Outcome } from "../load/outcome.ts";
import { bothDown } from "../load/phases/both-down.ts";
import { leaving } from "../load/phases/leaving.ts";
import { mixed } from "../load/phases/mixed.ts";
import { sums, sumsSetting } from "../load/phases/sums.ts";
import { rpcsOf } from "../load/rpc-kinds.ts";
import { inSetting } from "../load/setting.ts";

/** `npm run test:load` in small: the built worker in a workerd of its own, behind it two back ends that go wrong. */
describe("the gateway under load", () => {
  let script: string;
  beforeAll(() => {
    script = buildBundle({ minify: true }).path;
  });

  const broken = ({ promises }: Outcome) => promises.filter(({ isKept }) => !isKept);

  it.each(["openai", "ai-service"] as const)("loses, mixes up and cuts off nothing: %s first", async (primary) => {
    const outcome = await inSetting(script, { primary }, (setting) =>
      mixed(setting, { phase: "mixed", requests: 400, rpcs: rpcsOf[primary] }),
    );
    expect(broken(outcome)).toEqual([]);
    expect(outcome.verdicts.right).toBeGreaterThan(200);
  });

  it("writes down what the back ends say, to the token", async () => {
    const outcome = await inSetting(script, sumsSetting, (setting) => sums(setting, 400));
    expect(broken(outcome)).toEqual([]);
  });

  it("says so at once when nobody is left", async () => {
    const outcome = await inSetting(script, { primary: "openai" }, (setting) => bothDown(setting, 200, 1_000));
    expect([broken(outcome), outcome.verdicts]).toEqual([[], { refused: 200 }]);
  });

  it.each([
    ["endless", "close"],
    ["mute", "reset"],
  ] as const)("leaves no upstream call behind: %s streams, callers %s", async (upstreams, how) => {
    const outcome = await inSetting(script, { primary: "openai" }, (setting) =>
      leaving(setting, { callers: 20, upstreams, how, limitMs: 3_000 }),
    );
    expect(broken(outcome)).toEqual([]);
  });
});
