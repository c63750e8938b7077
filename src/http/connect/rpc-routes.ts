import { Code, ConnectError, type ConnectRouter, createConnectRouter, createContextValues } from "@connectrpc/connect";
import { codeToHttpStatus, codeToString } from "@connectrpc/connect/protocol-connect";
import { Hono } from "hono";
import type { Config } from "../../config/config.ts";
import type { Walk } from "../call.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { boundedMessages, universalRequest } from "./request.ts";
import { streamedResponse, wholeResponse } from "./response.ts";
import { noteFailure, type RpcWalk, rpcWalkKey } from "./rpc.ts";
import { connectErrorResponse } from "./surface.ts";

/** Serves a contract, which `register` puts on the router, over Connect and gRPC-Web. Methods that it does not have are `unimplemented`. */
export function rpcRoutes(config: Config, register: (router: ConnectRouter) => void): Hono<Walk> {
  const router = createConnectRouter({
    grpc: false,
    acceptCompression: [],
    requestGate: noteFailure,
    interceptors: [boundedMessages(config)],
  });
  register(router);
  const handlersByPath = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  const routes = new Hono<Walk>();
  routes.post("/:method", async (c) => {
    const record = c.get("record");
    const handler = handlersByPath.get(c.req.path);
    if (!handler) {
      record.error = codeToString(Code.Unimplemented);
      record.status = codeToHttpStatus(Code.Unimplemented);
      return connectErrorResponse(c.req.raw, new ConnectError("The method does not exist.", Code.Unimplemented));
    }
    const walk: RpcWalk = { c };
    const contextValues = createContextValues().set(rpcWalkKey, walk);
    const answer = await handler({ ...universalRequest(c.req.raw), contextValues });
    if (answer.status === 415) record.error = "unsupported_media_type";
    const memory = c.get("memory");
    if (handler.method.methodKind === "unary") return await wholeResponse(answer, record, memory);
    const { endsMs } = memory;
    return streamedResponse(answer, { record, onLeave: () => walk.leave?.(), batchMs: config.stream.batchMs, endsMs });
  });
  routes.all("/:method", allowOnly("POST"));
  return routes;
}
