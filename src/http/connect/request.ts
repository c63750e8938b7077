import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { announcedLength } from "../../body.ts";

/** A request as Connect's handlers take it. */
export function universalRequest(request: Request): UniversalServerRequest {
  const { method, url, headers, signal } = request;
  return { httpVersion: "", method, url, header: headers, body: bodyOf(request), signal };
}

async function* bodyOf(request: Request): AsyncGenerator<Uint8Array> {
  if (!request.body) return;
  try {
    // A body that says how long it is has been found short enough, and is cheaper read at once.
    if (announcedLength(request.headers) >= 0) yield new Uint8Array(await request.arrayBuffer());
    else yield* request.body;
  } catch (cause) {
    throw new ConnectError("The request's body ended too early.", Code.Canceled, undefined, undefined, cause);
  }
}
