import { createRegistry } from "@bufbuild/protobuf";
import type { Hono } from "hono";
import {
  ConformanceService,
  file_connectrpc_conformance_v1_service,
} from "../../../node_modules/.cache/conformance/gen/connectrpc/conformance/v1/service_pb.js";
import { createApp } from "../../../src/app.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { createGateway } from "../../../src/gateway.ts";
import type { Walk } from "../../../src/http/call.ts";
import { rpcRoutes } from "../../../src/http/connect/rpc-routes.ts";
import { conformanceService } from "./service.ts";

let app: Hono<Walk> | undefined;

/** The whole app with the suite's service behind it, by the code that serves the contract. */
function build(env: Env): Hono<Walk> {
  const settings = loadConfig({ ...env });
  if (!settings.config) throw new Error("the settings are wrong");
  const { config } = settings;
  const gateway = createGateway(config, { fetch: (url, init) => fetch(url, init) });
  const built = createApp({ settings, gateway });
  // Its answers have requests in them, of any type, which JSON writes by their own fields.
  const jsonOptions = { registry: createRegistry(file_connectrpc_conformance_v1_service) };
  const routes = rpcRoutes(config, (router) => router.service(ConformanceService, conformanceService, { jsonOptions }));
  return built.route(`/${ConformanceService.typeName}`, routes);
}

export default {
  fetch(request, env, context) {
    app ??= build(env);
    return app.fetch(request, env, context);
  },
} satisfies ExportedHandler<Env>;
