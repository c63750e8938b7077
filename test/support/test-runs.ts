import { env } from "cloudflare:workers";
import type { Hono } from "hono";
import { loadConfig } from "../../src/config/load.ts";
import { createRunCarrier, RunObject } from "../../src/gateway.ts";
import { ledgers } from "./ledger.ts";
import { keepingLog } from "./log.ts";

type Carrier = ReturnType<typeof createRunCarrier>;

/** What does the work of the objects that a test has asked for, and where what they log goes, by their ids. */
const scenes = new Map<
  string,
  { readonly carrier: () => Carrier; readonly log: string[]; readonly over: () => void }
>();

/** The class of the deployed worker, in the test's isolate, with a test's settings and network. */
export class TestRun extends RunObject {
  constructor(ctx: DurableObjectState, bindings: Env) {
    super(ctx, bindings, () => {
      return this.scene().carrier();
    });
  }

  override async alarm(): Promise<void> {
    await keepingLog(async (log) => {
      await super.alarm();
      const scene = this.scene();
      scene.log.push(...log);
      scene.over();
    });
  }

  private scene() {
    const scene = scenes.get(this.ctx.id.toString());
    if (!scene) throw new Error("no test has asked for this object");
    return scene;
  }
}

export interface TestRuns {
  readonly objects: DurableObjectNamespace<TestRun>;
  /** Those of them that were asked for. */
  readonly asked: () => readonly DurableObjectStub<TestRun>[];
  /** Waits until so many runs are over, all that they leave behind included. */
  readonly over: (runs: number) => Promise<void>;
  /** What they have written to the log. */
  readonly log: readonly string[];
}

declare global {
  interface __BaseEnv_Env {
    TEST_RUNS: DurableObjectNamespace<TestRun>;
  }
}

/** Objects of their own for one test, or for all that name the same scene; `network` is where their work leads. */
export function testRuns(
  settings: Record<string, unknown>,
  network: Hono,
  scene: string = crypto.randomUUID(),
): TestRuns {
  const { config, problems } = loadConfig({ ENVIRONMENT: "development", ...settings });
  if (!config) throw new Error(JSON.stringify(problems));
  const ids = new Set<DurableObjectId>();
  const log: string[] = [];
  let runs = 0;
  let change = Promise.withResolvers<void>();
  const over = () => {
    runs++;
    change.resolve();
    change = Promise.withResolvers();
  };
  let made: Carrier | undefined;
  const carrier = () => {
    made ??= createRunCarrier(config, {
      accounts: env.ACCOUNTS,
      ledgers,
      fetch: async (url, init) => network.fetch(new Request(url, init)),
    });
    return made;
  };
  const objects = new Proxy(env.TEST_RUNS, {
    get: (all, name) =>
      name !== "idFromName"
        ? Reflect.get(all, name).bind(all)
        : (key: string) => {
            const id = all.idFromName(`${scene}:${key}`);
            if (!scenes.has(id.toString())) ids.add(id);
            scenes.set(id.toString(), { carrier, log, over });
            return id;
          },
  });
  return {
    objects,
    asked: () => [...ids].map((id) => env.TEST_RUNS.get(id)),
    over: async (times) => {
      while (runs < times) await change.promise;
    },
    log,
  };
}
