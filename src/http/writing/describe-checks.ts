import type { Caller } from "../../caller.ts";
import type { Results } from "../../kept-results.ts";
import { proofreadTask } from "../../tasks/proofread.ts";
import { sensitiveWordsTask } from "../../tasks/sensitive-words.ts";
import { taskResult } from "../../tasks/structured-task.ts";
import { anyErrors, asksProvider, type Description, idParameter, json, requestBody } from "../docs/description.ts";
import { createdAtMs, requestId, written } from "../docs/examples.ts";
import { jsonSchemas, ref } from "../docs/schemas.ts";
import { qingyuSuccess } from "../envelopes.ts";
import { enveloping } from "../qingyu/describe-rpcs.ts";
import { CheckAnswer, ProofreadAnswer, SensitiveWordsAnswer } from "./check-answers.ts";
import { proofreadRequest, sensitiveWordsRequest } from "./check-requests.ts";
import { SuggestionAnswer } from "./kept-checks.ts";
import { proofread } from "./proofread.ts";
import { sensitiveWords } from "./sensitive-words.ts";

const text = "夜雨落在青石巷，少年收起纸散。";
const caller: Caller = { tenant: "qingyu", user: "u-1", roles: [] };
const ids = ["5f0c7a52-8f0e-4a57-9a4c-3a0b7f3f2a11", "0b0f5c0e-6a3d-4f6e-8d43-0d7b8f1c2e55"] as const;
const expiresAtMs = createdAtMs + 30 * 86_400_000;
const results: Pick<Results, "ids" | "keep"> = { ids: async () => ids, keep: async () => expiresAtMs };

const proofreading = proofread(results);
const reviewed = proofreading.decode({ content: text, checkTypes: ["spelling"] }, new Headers());
const review = written(text, {
  issues: [
    {
      ...{
        type: "spelling",
        severity: "error",
        message: "“散”应为“伞”。",
        originalText: "纸散",
        context: "收起纸散。",
      },
      suggestions: [{ text: "纸伞", confidence: 0.95, reason: "雨具写作“伞”。" }],
      ...{ category: "同音字", rule: "", explanation: "“散”与“伞”音近而义不同。" },
    },
  ],
});
const checking = sensitiveWords(results);
const checked = checking.decode({ content: text, customWords: ["青石"] }, new Headers());
const check = written(text, { sensitiveWords: [] });

const [issueId, checkId] = [ids[1], ids[0]];
const suggestions = taskResult(proofreadTask, review, reviewed.wish).issues.map((issue) => ({ issueId, ...issue }));

const keptFor =
  "Kept for 30 days, unless `Cache-Control: no-store` was said, up to 500 results and 32 MiB of a user, the oldest of which make room. For the token's user only; of a key, for those who have its tenant's.";
const positions =
  "Positions are computed from what a model quotes, over the whole text. Long texts are worked on in parts, all of them or none.";
const found = { parameters: [idParameter], errors: [...anyErrors, "result_not_found", "results_unavailable"] } as const;
const example = (data: unknown) => qingyuSuccess(data, requestId, "获取成功");

export const checkSchemas = jsonSchemas({
  ProofreadRequest: proofreadRequest,
  ProofreadAnswer,
  Suggestion: SuggestionAnswer,
  SensitiveWordsRequest: sensitiveWordsRequest,
  SensitiveWordsAnswer,
  SensitiveWordsCheck: CheckAnswer,
});

/** Checks of a text, and what was kept of them. */
export async function checkPaths(): Promise<Description["routes"]> {
  const whole = await checking.whole(check, requestId, checked, { caller });
  return {
    "POST /api/v1/ai/writing/proofread": {
      ...asksProvider,
      operationId: "proofread",
      summary: "Find what is wrong in a text",
      description: `${positions} An issue that quotes what does not stand in the text is left out and counted.`,
      requestBody: requestBody(ref("ProofreadRequest"), { text: { content: text, checkTypes: ["spelling"] } }),
      answer: json("ProofreadAnswer", await proofreading.whole(review, requestId, reviewed, { caller })),
    },
    "GET /api/v1/ai/writing/suggestions/{id}": {
      ...found,
      operationId: "suggestion",
      summary: "What to write in the place of an issue",
      description: keptFor,
      answer: {
        "application/json": { schema: enveloping(ref("Suggestion")), example: example(suggestions[0]) },
      },
    },
    "POST /api/v1/ai/audit/sensitive-words": {
      ...asksProvider,
      operationId: "checkSensitiveWords",
      summary: "Find words that may not be published",
      description: `${positions} Every place at which a word stands is a match. A model is asked for the words of \`category\`; \`customWords\` are always found, without one, whatever their width and case are.`,
      requestBody: requestBody(ref("SensitiveWordsRequest"), { text: { content: text, customWords: ["青石"] } }),
      answer: json("SensitiveWordsAnswer", whole),
    },
    "GET /api/v1/ai/audit/sensitive-words/{id}": {
      ...found,
      operationId: "sensitiveWordsCheck",
      summary: "A check for such words again",
      description: keptFor,
      answer: {
        "application/json": {
          schema: enveloping(ref("SensitiveWordsCheck")),
          example: example({ ...keptExample(), createdAt: atTime(createdAtMs), expiresAt: atTime(expiresAtMs) }),
        },
      },
    },
  };
}

const atTime = (ms: number) => new Date(ms).toISOString();

function keptExample() {
  const { matches, summary } = taskResult(sensitiveWordsTask, check, checked.wish);
  const named = matches.map((match) => ({ ...match, id: issueId }));
  return { checkId, content: text, isSafe: false, matches: named, customWords: checked.wish.customWords, summary };
}
