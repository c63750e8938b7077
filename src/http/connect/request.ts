import { createAsyncIterable, type UniversalServerRequest } from "@connectrpc/connect/protocol";
import { announcedLength } from "../../body.ts";

/** A request as Connect's handlers take it. */
export function universalRequest(request: Request): UniversalServerRequest {
  const { method, url, headers, signal } = request;
  return { httpVersion: "", method, url, header: headers, body: bodyOf(request), signal };
}

function bodyOf(request: Request): AsyncIterable<Uint8Array> {
  if (!request.body) return createAsyncIterable([]);
  // A body that says how long it is has been found short enough, and is cheaper read at once.
  return announcedLength(request.headers) >= 0 ? readAtOnce(request) : request.body;
}

async function* readAtOnce(request: Request): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(await request.arrayBuffer());
}
