import * as z from "zod/mini";
import { decimalOf } from "../../decimal.ts";
import type { JsonObject } from "../../generation.ts";
import { isJsonObject } from "../../json.ts";
import type { Language } from "../../language.ts";
import type { RpcAnswer, RpcRequest } from "../../rpc.ts";
import type { Rpc } from "../../rpcs/rpc.ts";
import type { Asked } from "../call.ts";
import { acceptsEvents, sseEvent, type WholeEncoder } from "../event-stream.ts";
import { requireRpcLimits } from "../rpc-limits.ts";
import type { Codec } from "../serve.ts";
import type { StageEvent } from "./answers.ts";
import { fromPlatformJson, platformJson } from "./contract-json.ts";
import { errorEvent } from "./error-event.ts";
import { type Form, formOf, inForm } from "./form.ts";

/** What it must hold is read off the RPC's descriptor. */
const body = z.custom<JsonObject>(isJsonObject, "{field} must be an object.");

interface RpcCall extends Asked<RpcRequest> {
  readonly form: Form;
}

/** An RPC's REST method: its messages in the contract's own field names. */
export function rpcCodec(rpc: Rpc): Codec<typeof body, RpcRequest, RpcAnswer, RpcCall> {
  const { input, output } = rpc.method;
  const dataOf = ({ message, provider }: RpcAnswer) => ({ ...platformJson(output, message), provider });
  return {
    body,
    decode: (fields, headers) => ({
      request: rpc.requestOf(fromPlatformJson(input, fields)),
      stream: false,
      asEvents: rpc.isLong && acceptsEvents(headers),
      form: formOf({ project_id: fields.project_id, projectId: fields.projectId }, headers),
    }),
    check: requireRpcLimits(rpc),
    mostMs: rpc.mostMs,
    isImpatient: true,
    whole: (answer, requestId, { form }) => inForm(dataOf(answer), form, requestId, "done"),
    wholeEncoder: (requestId, { form }) => resultEncoder(rpc, dataOf, form.language, requestId),
  };
}

/** Events `stage` for each stage that is known to have ended, then `result` with the data or `error`. */
export function resultEncoder(
  rpc: Rpc,
  dataOf: (answer: RpcAnswer) => object,
  language: Language,
  requestId: string,
): WholeEncoder<RpcAnswer> {
  return {
    events(answer) {
      const stages = rpc.stagesOf(answer.message).map(({ name, seconds }) => {
        return sseEvent(JSON.stringify({ stage: name, seconds: decimalOf(seconds) } satisfies StageEvent), "stage");
      });
      return stages.join("") + sseEvent(JSON.stringify(dataOf(answer)), "result");
    },
    error: (error) => errorEvent(error, language, requestId),
  };
}
