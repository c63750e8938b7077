import { createApp } from "./app.ts";
import { loadConfig } from "./config/load.ts";
import { createGateway, createRunCarrier, RunObject } from "./gateway.ts";
import { logWarning } from "./telemetry/log.ts";

export { Account, Chats, Coordinator, KeyRegistry, Ledger, LedgerTenants, ResultKeeper } from "./gateway.ts";

type App = ReturnType<typeof createApp>;

/** One app per environment of bindings, so per isolate; its providers keep what they learn. */
const apps = new WeakMap<Env, App>();

function appFor(env: Env): App {
  const known = apps.get(env);
  if (known) return known;
  const app = build(env);
  apps.set(env, app);
  return app;
}

function build(env: Env): App {
  const settings = loadConfig({ ...env });
  if (settings.warnings.length > 0) logWarning("settings", { warnings: settings.warnings });
  if (settings.problems) {
    logWarning("config_error", { settings: settings.problems.map(({ setting }) => setting) });
    return createApp({ settings });
  }
  if (settings.problemElsewhere)
    logWarning("open", { reason: "no API keys are set: everyone on this machine may call" });
  return createApp({
    settings,
    gateway: createGateway(settings.config, {
      kv: env.CACHE,
      coordinators: env.COORDINATOR,
      accounts: env.ACCOUNTS,
      floodGate: env.FLOOD_GATE,
      ledgers: ledgersIn(env),
      runs: env.RUNS,
      results: env.RESULTS,
      keyRegistries: env.KEYS,
      chats: env.CHATS,
      fetch: (url, init) => fetch(url, init),
    }),
  });
}

const ledgersIn = (env: Env) => ({ ofTenant: env.LEDGER, tenants: env.LEDGER_TENANTS });

type Carrier = ReturnType<typeof createRunCarrier>;

/** One for each environment too: the runs of an isolate share memory, breakers and budgets. */
const carriers = new WeakMap<Env, Carrier>();

function carrierFor(env: Env): Carrier {
  const known = carriers.get(env);
  if (known) return known;
  const { config } = loadConfig({ ...env });
  if (!config) throw new Error("the settings are not usable");
  const carrier = createRunCarrier(config, {
    accounts: env.ACCOUNTS,
    ledgers: ledgersIn(env),
    fetch: (url, init) => fetch(url, init),
  });
  carriers.set(env, carrier);
  return carrier;
}

/** Carries on what its caller may have left. */
export class Run extends RunObject {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, () => carrierFor(env));
  }
}

export default {
  fetch: (request, env, context) => appFor(env).fetch(request, env, context),
} satisfies ExportedHandler<Env>;
