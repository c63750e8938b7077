import type { DescMessage } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { UpstreamFailure } from "../../upstream-failure.ts";

/**
 * The failure of a request that the service refuses, with the field that it names before its sentence (`top_k: must be ...`,
 * behind the reason in newer services), if a request of this type has such a field: nothing else of its words is used. Every other failure is left as it is.
 */
export function namingField(error: unknown, type: DescMessage): unknown {
  const isRefusal = error instanceof UpstreamFailure && error.failure.reason === "invalid_request";
  if (!isRefusal || !(error.cause instanceof ConnectError)) return error;
  const [param] = error.cause.rawMessage.split(":", 2).flatMap((path) => knownPath(path.trim().split("."), type) ?? []);
  return UpstreamFailure.peer("invalid_request", { param, cause: error.cause });
}

/** As much of a path as the type's descriptor knows; undefined where that is not even its beginning. */
function knownPath([name, ...below]: readonly string[], { fields }: DescMessage): string | undefined {
  const field = fields.find((each) => each.name === name);
  if (!field) return undefined;
  const inner = field.fieldKind === "message" && knownPath(below, field.message);
  return inner ? `${field.name}.${inner}` : field.name;
}
