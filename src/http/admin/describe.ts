import type { ManagedKey } from "../../managed-key.ts";
import type { UsageGroup } from "../../reports.ts";
import { anyErrors, bodyErrors, type Description, json, queryParameters, requestBody } from "../docs/description.ts";
import { createdAtMs } from "../docs/examples.ts";
import { jsonSchema, jsonSchemas, ref } from "../docs/schemas.ts";
import { KeyAnswer, KeyList, keyAnswer, keyList, NewKeyAnswer, newKeyAnswer } from "./answers.ts";
import { listKeysQuery, makeKeyRequest, rotateKeyRequest } from "./keys-request.ts";
import { adminSurface } from "./surface.ts";
import { UsageReport, usageCsv, usageReport } from "./usage-answers.ts";
import { usageQuery } from "./usage-request.ts";

const id = "my-tenant_5d41402abc4b2a76";
const day = 86_400;
const managed: ManagedKey = {
  id,
  tenant: "my-tenant",
  name: "the editor's plug-in",
  state: "active",
  createdMs: createdAtMs,
  expiresMs: createdAtMs + 90 * day * 1000,
  policy: { models: ["gpt-*"], requestsPerMinute: 60, tokensPerDay: 1_000_000 },
};
const rotated: ManagedKey = { ...managed, rotatedMs: createdAtMs, overlapEndsMs: createdAtMs + day * 1000 };
const revoked: ManagedKey = { ...managed, state: "revoked", revokedMs: createdAtMs };
/** As long as a real one, and sealed by nobody. */
const key = `qk_${id}_${"0123456789abcdef".repeat(5)}`;

const idParameter = {
  name: "id",
  in: "path",
  required: true,
  description: "The key's `id`, not the key.",
  schema: { type: "string" },
};
const used: UsageGroup = {
  by: { day: "2026-11-20", model: "gpt-4o-2024-08-06" },
  ...{ requests: 120, charged: 100, estimated: 1, unpriced: 0, promptTokens: 80_000, cachedTokens: 20_000 },
  ...{ completionTokens: 12_000, reasoningTokens: 0, totalTokens: 92_000, savedTokens: 18_400 },
  costs: [{ currency: "USD", micros: 295_000, picos: 0 }],
};
const answerHeaders = ["x-request-id", "cache-control", "server-timing"];
const whose = "An operator's key (`GATEWAY_ADMIN_KEYS`) for every tenant, a token with the role `admin` for its own.";

/** The surface of administration, from its schemas and its own encoders. */
export const adminDescription: Description = {
  tag: "Administration",
  about: "For operators, and for administrators of a tenant: camelCase JSON, errors in OpenAI's form.",
  errors: { surface: adminSurface, schemaName: "OpenAiError" },
  schemas: jsonSchemas({
    MakeKeyRequest: makeKeyRequest,
    RotateKeyRequest: rotateKeyRequest,
    ManagedKey: KeyAnswer,
    NewManagedKey: NewKeyAnswer,
    ManagedKeyList: KeyList,
    UsageReport,
  }),
  routes: {
    "POST /admin/keys": {
      operationId: "makeKey",
      summary: "Make a key",
      description: `${whose} The answer shows the key, and nothing does so again.`,
      requestBody: requestBody(ref("MakeKeyRequest"), {
        request: { tenant: managed.tenant, name: managed.name, expiresInSeconds: 90 * day, policy: managed.policy },
      }),
      answerHeaders,
      answer: json("NewManagedKey", newKeyAnswer({ managed, key })),
      errors: [...bodyErrors, "too_many_keys"],
    },
    "GET /admin/keys": {
      operationId: "listKeys",
      summary: "List a tenant's keys",
      description: `${whose} Those that have expired or were revoked within 90 days too.`,
      parameters: [
        {
          name: "tenant",
          in: "query",
          description: "Left out, the administrator's own tenant; an operator has none.",
          schema: jsonSchema(listKeysQuery).properties?.tenant,
        },
      ],
      answerHeaders,
      answer: json("ManagedKeyList", keyList([managed])),
      errors: [...anyErrors, "invalid_request"],
    },
    "POST /admin/keys/{id}/rotate": {
      operationId: "rotateKey",
      summary: "Put another key in the place of one",
      description: `${whose} What opened so far goes on doing so for \`overlapSeconds\`, so that its holders can change over.`,
      parameters: [idParameter],
      requestBody: requestBody(ref("RotateKeyRequest"), { request: { overlapSeconds: day } }),
      answerHeaders,
      answer: json("NewManagedKey", newKeyAnswer({ managed: rotated, key })),
      errors: [...bodyErrors, "key_not_found", "key_inactive", "too_many_keys"],
    },
    "DELETE /admin/keys/{id}": {
      operationId: "revokeKey",
      summary: "Revoke a key",
      description: `${whose} It opens nothing any more: at once where this was answered, in every other isolate within 30 s.`,
      parameters: [idParameter],
      answerHeaders,
      answer: json("ManagedKey", keyAnswer(revoked)),
      errors: [...anyErrors, "key_not_found"],
    },
    "GET /admin/usage": {
      operationId: "usage",
      summary: "What was used, in groups",
      description: `${whose} With \`Accept: text/csv\` as CSV. More than 10000 groups, or more than 100 tenants at once, are refused.`,
      parameters: queryParameters(jsonSchema(usageQuery), { from: "2026-11-01", to: "2026-11-30", group: "day,model" }),
      answerHeaders,
      answer: {
        ...json("UsageReport", usageReport("2026-11-01", "2026-11-30", [used])),
        "text/csv": { schema: { type: "string" }, example: usageCsv(["day", "model"], [used]) },
      },
      errors: [...anyErrors, "invalid_request", "permission_denied", "ledger_unavailable"],
    },
  },
};
