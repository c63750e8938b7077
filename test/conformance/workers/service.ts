import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  type ConformancePayload_RequestInfo,
  ConformancePayload_RequestInfoSchema,
  type ConformanceService,
  type Error as ErrorToRaise,
  type Header,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
} from "../../../node_modules/.cache/conformance/gen/connectrpc/conformance/v1/service_pb.js";

/** The suite's service, as far as methods have a kind that the contract has too: it answers what it is told to. */
export const conformanceService: Partial<ServiceImpl<typeof ConformanceService>> = {
  async unary(request, context) {
    const requestInfo = requestInfoOf(UnaryRequestSchema, request, context);
    const definition = request.responseDefinition;
    append(context.responseHeader, definition?.responseHeaders);
    append(context.responseTrailer, definition?.responseTrailers);
    await pause(definition?.responseDelayMs);
    switch (definition?.response.case) {
      case "error":
        throw errorOf(definition.response.value, requestInfo);
      case "responseData":
        return { payload: { requestInfo, data: definition.response.value } };
      default:
        return { payload: { requestInfo } };
    }
  },
  async *serverStream(request, context) {
    let requestInfo: ConformancePayload_RequestInfo | undefined = requestInfoOf(
      ServerStreamRequestSchema,
      request,
      context,
    );
    const definition = request.responseDefinition;
    append(context.responseHeader, definition?.responseHeaders);
    append(context.responseTrailer, definition?.responseTrailers);
    for (const data of definition?.responseData ?? []) {
      await pause(definition?.responseDelayMs);
      yield { payload: { requestInfo, data } };
      requestInfo = undefined;
    }
    if (definition?.error) throw errorOf(definition.error, requestInfo);
  },
};

function requestInfoOf<Desc extends DescMessage>(
  type: Desc,
  request: MessageShape<Desc>,
  context: HandlerContext,
): ConformancePayload_RequestInfo {
  const timeoutMs = context.timeoutMs();
  return create(ConformancePayload_RequestInfoSchema, {
    requestHeaders: [...context.requestHeader].map(([name, value]) => ({ name, value: [value] })),
    timeoutMs: timeoutMs === undefined ? undefined : BigInt(timeoutMs),
    requests: [anyPack(type, request)],
  });
}

function append(headers: Headers, told: readonly Header[] = []): void {
  for (const { name, value } of told) for (const each of value) headers.append(name, each);
}

async function pause(ms = 0): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}

/** What is told of the request is in an error's details where no message has told it. */
function errorOf(
  { code, message, details }: ErrorToRaise,
  requestInfo: ConformancePayload_RequestInfo | undefined,
): ConnectError {
  const error = new ConnectError(message ?? "", Number(code));
  error.details = details.map(detailOf);
  if (requestInfo) error.details.push(detailOf(anyPack(ConformancePayload_RequestInfoSchema, requestInfo)));
  return error;
}

function detailOf({ typeUrl, value }: Any) {
  return { type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value };
}
