/**
 * `node server.ts SCRIPT`, as the runner starts it, perhaps several times: runs the built worker in a workerd of its own
 * and says where it listens (https://github.com/connectrpc/conformance/blob/v1.0.7/docs/testing_servers.md).
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { startWorker } from "../../bench/workerd.ts";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "../../node_modules/.cache/conformance/gen/connectrpc/conformance/v1/server_compat_pb.js";
import { delimited, delimitedMessages } from "./delimited.ts";

const [script = ""] = process.argv.slice(2);
// With an exit the worker ends too.
process.once("SIGTERM", () => process.exit());

const { value: asked } = await delimitedMessages(process.stdin).next();
if (!asked) throw new Error("the runner asked for no server");
const { messageReceiveLimit } = fromBinary(ServerCompatRequestSchema, asked);
const { port } = await startWorker({
  script,
  bindings: messageReceiveLimit > 0 ? { QINGYU_LIMITS_BODY_BYTES: String(messageReceiveLimit) } : {},
  readyPath: "/health/live",
});
const listening = create(ServerCompatResponseSchema, { host: "127.0.0.1", port });
process.stdout.write(delimited(toBinary(ServerCompatResponseSchema, listening)));
