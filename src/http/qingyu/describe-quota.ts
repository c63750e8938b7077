import { endOfDayMs } from "../../periods.ts";
import type { Quota } from "../../policy.ts";
import type { Statistics, Transaction } from "../../reports.ts";
import { anyErrors, bodyErrors, type Description, queryParameters, requestBody } from "../docs/description.ts";
import { createdAtMs, model, requestId } from "../docs/examples.ts";
import { type JsonSchema, jsonSchema, jsonSchemas, ref } from "../docs/schemas.ts";
import { enveloping } from "./describe-rpcs.ts";
import { inEnvelope, type Said } from "./form.ts";
import {
  QuotaAnswer,
  quotaAnswer,
  StatisticsAnswer,
  statisticsAnswer,
  TransactionAnswer,
  transactionAnswer,
} from "./quota-answers.ts";
import { quotaRequest, transactionsQuery } from "./requests.ts";

const owner = { userId: "u-1", roles: ["reader"] };
const quota: Quota = {
  ...{ type: "daily", total: 10_000, used: 1_260, remaining: 8_740, status: "active" },
  ...{ resetAtMs: endOfDayMs(createdAtMs), createdAtMs, updatedAtMs: createdAtMs },
  ...{ lastConsumedAtMs: createdAtMs, consumptions: 21, tokensEver: 1_260 },
};
const statistics: Statistics = { transactions: 21, tokens: 1_260, tokensByOperation: { generate: 1_260 }, days: 1 };
const transaction: Transaction = {
  ...{ id: "5f0c7a52-8f0e-4a57-9a4c-3a0b7f3f2a11", atMs: createdAtMs, operation: "generate", model, requestId },
  ...{ tokens: 60, isEstimated: false, earlierTokens: 1_200 },
};

const ownErrors = [...anyErrors, "limits_unavailable"] as const;
const about = "Tokens by the user and the day, in UTC. Reading costs nothing.";
const forAdmins = "For users whose token has the role `admin`, of their own tenant.";
const userId = {
  ...{ name: "userId", in: "path", required: true, schema: { type: "string" } },
  description: "A user of the administrator's tenant.",
};
const list = (schema: JsonSchema): JsonSchema => ({ type: "array", items: schema });

function answered(schema: JsonSchema, data: unknown, said: Said) {
  return {
    "application/json": { schema: enveloping(schema), example: inEnvelope(data, "zh", requestId, said) },
  };
}
const found = (schema: JsonSchema, data: unknown) => answered(schema, data, "found");
const done = (schema: JsonSchema, data: unknown) => answered(schema, data, "done");

export const quotaSchemas = jsonSchemas({
  Quota: QuotaAnswer,
  QuotaStatistics: StatisticsAnswer,
  QuotaTransaction: TransactionAnswer,
  QuotaRequest: quotaRequest,
});

/** The platform's routes of quotas. */
export const quotaPaths = (): Description["routes"] => ({
  "GET /api/v1/ai/quota": {
    operationId: "quota",
    summary: "What the caller has used and may still use",
    description: about,
    answer: found(ref("Quota"), quotaAnswer(owner, quota, createdAtMs)),
    errors: ownErrors,
  },
  "GET /api/v1/ai/quota/all": {
    operationId: "quotas",
    summary: "The same as a list of all quotas of the caller",
    answer: found(list(ref("Quota")), [quotaAnswer(owner, quota, createdAtMs)]),
    errors: ownErrors,
  },
  "GET /api/v1/ai/quota/statistics": {
    operationId: "quotaStatistics",
    summary: "What the caller has used in all that the ledger keeps",
    answer: found(ref("QuotaStatistics"), statisticsAnswer(owner, quota, statistics)),
    errors: [...ownErrors, "ledger_unavailable"],
  },
  "GET /api/v1/ai/quota/transactions": {
    operationId: "quotaTransactions",
    summary: "What the caller has used, the latest first",
    description: "Balances are by the limit that holds now.",
    parameters: queryParameters(jsonSchema(transactionsQuery), { limit: 20, offset: 0 }),
    answer: found(list(ref("QuotaTransaction")), [transactionAnswer(owner, quota, transaction)]),
    errors: [...ownErrors, "invalid_request", "ledger_unavailable"],
  },
  "GET /api/v1/admin/quota/{userId}": {
    operationId: "userQuota",
    summary: "What a user has used and may still use",
    description: forAdmins,
    parameters: [userId],
    answer: found(ref("Quota"), quotaAnswer({ userId: "u-1" }, quota, createdAtMs)),
    errors: [...ownErrors, "permission_denied"],
  },
  "PUT /api/v1/admin/quota/{userId}": {
    operationId: "setUserQuota",
    summary: "Give a user so many tokens",
    description: `${forAdmins} In the place of what his role has; what he has used until now counts.`,
    parameters: [userId],
    requestBody: requestBody(ref("QuotaRequest"), { more: { totalQuota: 50_000, quotaType: "monthly" } }),
    answer: done(
      ref("Quota"),
      quotaAnswer({ userId: "u-1" }, { ...quota, total: 50_000, type: "monthly" }, createdAtMs),
    ),
    errors: [...bodyErrors, "permission_denied", "limits_unavailable"],
  },
  "POST /api/v1/admin/quota/{userId}/suspend": {
    operationId: "suspendUserQuota",
    summary: "Let a user use nothing more",
    description: `${forAdmins} What is under way goes on.`,
    parameters: [userId],
    answer: done({ type: "null" }, null),
    errors: [...ownErrors, "permission_denied"],
  },
  "POST /api/v1/admin/quota/{userId}/activate": {
    operationId: "activateUserQuota",
    summary: "Let a user use his quota again",
    description: forAdmins,
    parameters: [userId],
    answer: done({ type: "null" }, null),
    errors: [...ownErrors, "permission_denied"],
  },
});
