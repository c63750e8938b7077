import type { ContractMessage } from "../../rpc.ts";
import type { Rpc } from "../../rpcs/rpc.ts";
import { rpcs } from "../../rpcs/rpcs.ts";
import { exampleOf } from "../docs/contract-examples.ts";
import { checkOf, summaryOf } from "../docs/contract-words.ts";
import { asksProvider, asksWithoutCache, eventStream, type Route, requestBody } from "../docs/description.ts";
import { requestId } from "../docs/examples.ts";
import { type CheckedMessage, type Comments, type MessageForm, messageSchemas } from "../docs/message-schemas.ts";
import { type JsonSchema, jsonSchema, ref } from "../docs/schemas.ts";
import { Success } from "./answers.ts";
import { listIn, platformJson } from "./contract-json.ts";
import { inEnvelope } from "./form.ts";
import { resultEncoder } from "./rpc.ts";

/** The contract's messages as `contract-json.ts` reads and writes them. */
const platformForm: MessageForm = {
  schemaNameOf: ({ name }) => `Qingyu${name}`,
  memberNameOf: ({ name }) => name,
  listIn,
  float: { type: ["number", "null"] },
  int64: { type: "integer" },
};

export const events =
  "With `Accept: text/event-stream` heartbeats come while the work goes on, and the data in an event at its end. The status and the headers are sent with the first heartbeat, or before it with the answer or a failure; a failure after that is the last event, and then the body ends abnormally.";

/** The schemas of the RPCs' messages in the platform's form. */
export function rpcSchemas(comments: Comments): Record<string, JsonSchema> {
  const messages = rpcs
    .filter(({ paths }) => paths.length > 0)
    .flatMap((rpc): CheckedMessage[] => [[rpc.method.input, checkOf(rpc)], [rpc.method.output]]);
  const schemas = messageSchemas(messages, comments, platformForm);
  for (const { method } of rpcs) {
    const properties = schemas[platformForm.schemaNameOf(method.output)]?.properties;
    if (properties) properties.provider = { type: "string", description: "Who answered." };
  }
  return schemas;
}

/** The RPCs' REST methods, each under all of its paths. */
export function rpcRoutes(comments: Comments): Record<string, Route> {
  const routes = rpcs.flatMap((rpc) =>
    rpc.paths.map((path, index) => [`POST /api/v1${path}`, rpcRoute(rpc, index, comments)] as const),
  );
  return Object.fromEntries(routes);
}

function rpcRoute(rpc: Rpc, index: number, comments: Comments): Route {
  const { method, isLong } = rpc;
  const { request, answer } = exampleOf(rpc);
  const dataOf = ({ message }: { readonly message: ContractMessage }) => ({
    ...platformJson(method.output, message),
    provider: "ai-service",
  });
  const data = dataOf({ message: answer });
  const { project_id: _, ...enveloped } = platformJson(method.input, request);
  const schema = platformForm.schemaNameOf(method.output);
  const written = { message: answer, provider: "", model: "", createdAtMs: 0 };
  return {
    ...(rpc.kept ? asksProvider : asksWithoutCache),
    operationId: index === 0 ? method.localName : `${method.localName}${index + 1}`,
    summary: summaryOf(method, comments),
    description: `A body with \`project_id\`, and without \`projectId\`, gets the answer without the envelope.${isLong ? ` ${events}` : ""}`,
    requestBody: requestBody(ref(platformForm.schemaNameOf(method.input)), {
      bare: platformJson(method.input, request),
      enveloped,
    }),
    answer: {
      "application/json": {
        schema: { anyOf: [enveloping(ref(schema)), ref(schema)] },
        examples: { bare: { value: data }, enveloped: { value: inEnvelope(data, "zh", requestId, "done") } },
      },
      ...(isLong &&
        eventStream(
          `Events \`stage\` (\`StageEvent\`), then \`result\` (\`${schema}\`) or \`error\` (\`QingyuErrorEvent\`).`,
          resultEncoder(rpc, dataOf, "zh", requestId).events(written),
        )),
    },
  };
}

/** The schema of the platform's envelope around data of a schema. */
export function enveloping(data: JsonSchema): JsonSchema {
  const { properties, required = [], ...envelope } = jsonSchema(Success);
  return { ...envelope, properties: { ...properties, data }, required: [...required, "data"] };
}
