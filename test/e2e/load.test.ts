import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import { bothDown, leaving, mixed } from "../load/phases.ts";
import { startSetting } from "../load/setting.ts";

/** `npm run test:load` in small: the built worker in a workerd of its own, behind it two back ends that go wrong. */
describe("the gateway under load", () => {
  let script: string;
  beforeAll(() => {
    script = buildBundle({ minify: true }).path;
  });

  const start = async (primary: "openai" | "ai-service") => {
    const setting = await startSetting(script, { primary });
    onTestFinished(() => setting.stop());
    return setting;
  };

  it.each(["openai", "ai-service"] as const)("loses, mixes up and cuts off nothing: %s first", async (primary) => {
    const outcome = await mixed(await start(primary), "mixed", 400);
    expect(outcome.broken).toEqual([]);
    expect(outcome.verdicts.right).toBeGreaterThan(200);
  });

  it("says so at once when nobody is left", async () => {
    const { broken, verdicts } = await bothDown(await start("openai"), 200);
    expect([broken, verdicts]).toEqual([[], { refused: 200 }]);
  });

  it("leaves no upstream call behind when callers leave", async () => {
    expect((await leaving(await start("openai"), 40)).broken).toEqual([]);
  });
});
