import type { PeerReason } from "../../upstream-failure.ts";

/*
 * What providers say in words when they refuse or fail, whichever API they speak. A word is a code, a type or a reason for
 * programs (`context_length_exceeded`, `NotFoundError`, `API_KEY_INVALID`); where there is none, or only one that says
 * nothing, the message itself has to be read.
 */

/** Words for one thing only, in lower case (`reasonOfWord`). docs/reliability.md shows them. */
export const reasonsByWord: ReadonlyMap<string, PeerReason> = new Map<string, PeerReason>([
  ["context_length_exceeded", "context_length_exceeded"],
  ["context_window_exceeded", "context_length_exceeded"],
  ["context_window_exceeded_error", "context_length_exceeded"],
  ["exceed_context_size_error", "context_length_exceeded"],
  ["string_above_max_length", "context_length_exceeded"],
  ["request_too_large", "context_length_exceeded"],
  ["prompt_too_long", "context_length_exceeded"],
  ["content_filter", "content_filter"],
  ["content_filtered", "content_filter"],
  ["content_policy_violation", "content_filter"],
  ["content_policy_violation_error", "content_filter"],
  ["responsible_ai_policy_violation", "content_filter"],
  ["data_inspection_failed", "content_filter"],
  ["moderation_blocked", "content_filter"],
  ["sensitive_words_detected", "content_filter"],
  ["model_not_found", "model_not_found"],
  ["model_not_exist", "model_not_found"],
  ["model_not_available", "model_not_found"],
  ["invalid_model", "model_not_found"],
  ["deployment_not_found", "model_not_found"],
  ["unsupported_parameter", "unsupported_parameter"],
  ["unsupported_value", "unsupported_parameter"],
  ["unknown_parameter", "unsupported_parameter"],
  ["extra_forbidden", "unsupported_parameter"],
  ["invalid_api_key", "unauthenticated"],
  ["api_key_invalid", "unauthenticated"],
  ["api_key_expired", "unauthenticated"],
  ["access_token_expired", "unauthenticated"],
  ["authentication_error", "unauthenticated"],
  ["invalid_authentication_error", "unauthenticated"],
  ["rate_limit_exceeded", "rate_limited"],
  ["rate_limit_error", "rate_limited"],
  ["too_many_requests", "rate_limited"],
  ["resource_exhausted", "rate_limited"],
  ["throttling", "rate_limited"],
  ["insufficient_quota", "quota_exhausted"],
  ["insufficient_user_quota", "quota_exhausted"],
  ["insufficient_balance", "quota_exhausted"],
  ["exceeded_current_quota_error", "quota_exhausted"],
  ["billing_hard_limit_reached", "quota_exhausted"],
  ["quota_exhausted", "quota_exhausted"],
  ["arrearage", "quota_exhausted"],
  ["overloaded_error", "unavailable"],
  ["engine_overloaded_error", "unavailable"],
  ["server_overloaded", "unavailable"],
  ["timeout_error", "deadline_exceeded"],
  ["model_credential", "permission_denied"],
  ["loop_detected", "loop_detected"],
]);

/** Words that the message may make more of, and that say more than the status. */
const vagueWords: ReadonlyMap<string, PeerReason> = new Map<string, PeerReason>([
  ["not_found_error", "model_not_found"],
  ["permission_error", "permission_denied"],
  ["billing_error", "permission_denied"],
]);

/** What errors that have no status, in streams and answers of 200, may say instead of one. */
const statusWords: ReadonlyMap<string, PeerReason> = new Map<string, PeerReason>([
  ["invalid_request_error", "invalid_request"],
  ["bad_request", "invalid_request"],
  ["bad_request_error", "invalid_request"],
  ["invalid_argument", "invalid_request"],
  ["unauthenticated", "unauthenticated"],
  ["unauthorized", "unauthenticated"],
  ["permission_denied", "permission_denied"],
  ["forbidden", "permission_denied"],
  ["not_found", "model_not_found"],
  ["unavailable", "unavailable"],
  ["service_unavailable", "unavailable"],
  ["service_unavailable_error", "unavailable"],
  ["deadline_exceeded", "deadline_exceeded"],
  ["timeout", "deadline_exceeded"],
  ["aborted", "aborted"],
]);

interface Wording {
  readonly words: RegExp;
  readonly reason: PeerReason;
  /** Which statuses may mean that; an error without a status may mean anything. */
  readonly statuses: (status: number) => boolean;
}

const refusals: ReadonlySet<number> = new Set([400, 403, 404, 413, 422, 451]);
const isRefusal = (status: number) => refusals.has(status);
const isRefusalOrFault = (status: number) => isRefusal(status) || status >= 500;

/** The first that fits is meant. Of messages as vLLM, SGLang, llama.cpp, Ollama, OpenRouter, Mistral, Gemini, Anthropic, DeepSeek, Qwen and others word them. */
const wordings: readonly Wording[] = [
  {
    words: /credit balance|API usage limits|organization has been disabled/i,
    reason: "permission_denied",
    statuses: isRefusal,
  },
  {
    words: /insufficient (account )?(balance|credits?|funds|quota)|余额不足|欠费|in arrears/i,
    reason: "quota_exhausted",
    statuses: (status) => status < 500,
  },
  {
    words:
      /api[ _-]?key (is |was )?(not valid|not found|invalid|incorrect|expired|missing)|(invalid|incorrect|expired|missing|no) api[ _-]?key/i,
    reason: "unauthenticated",
    statuses: isRefusal,
  },
  {
    words:
      /context[ _-]?(length|window|size|limit)|maximum (prompt|input) length|(prompt|input|message|request)s? (is|are|was) too (long|large)|too many (input )?tokens|reduce the length of|token count .{0,80}exceeds|input length|longer than the (model|maximum)|exceeds? .{0,40}(maximum|max|limit).{0,40}tokens|上下文.{0,10}(长度|超)|输入.{0,10}(过长|超长)/i,
    reason: "context_length_exceeded",
    statuses: isRefusalOrFault,
  },
  {
    words:
      /\bflagged\b|moderation|content[ _-]?(management )?(filter|polic)|blocked by .{0,40}(filter|safety|polic)|safety (system|filter|polic|setting)|inappropriate content|prohibited content|敏感|违规|不合规|安全审核/i,
    reason: "content_filter",
    statuses: isRefusal,
  },
  {
    words:
      /\bmodels?\b.{0,200}?(\bnot (found|exist|available|deployed)\b|does ?n[o']t exist|is unknown|is not a valid)|(invalid|unknown|no such|unable to access) model\b|not a valid model|模型.{0,40}不存在/i,
    reason: "model_not_found",
    statuses: isRefusal,
  },
  {
    words:
      /unsupported (parameter|value|field)|(unrecognized|unknown|unexpected) (request )?(argument|parameter|field|name|keyword)|extra (inputs|fields) (are )?not permitted|(parameter|argument|field)s? .{0,80}not (supported|allowed)|(is|are) (not supported|deprecated|unsupported) (for|with|by|in) (this|the) model|does ?n[o']t support the parameter/i,
    reason: "unsupported_parameter",
    statuses: isRefusal,
  },
  {
    words: /rate[ -]?limit|too many requests/i,
    reason: "rate_limited",
    statuses: (status) => status === 403 || status >= 500,
  },
  {
    words: /overloaded|at capacity|temporarily unavailable/i,
    reason: "unavailable",
    statuses: (status) => status >= 500,
  },
];

/** What a word for programs means, in whatever case and with whatever between its parts. */
export function reasonOfWord(word: string): PeerReason | undefined {
  return reasonsByWord.get(word) ?? reasonsByWord.get(plainWord(word));
}

/** `NotFoundError`, `RATE-LIMITED` and `not_found_error` are said alike. Of names longer than any code nothing is made. */
function plainWord(word: string): string {
  if (word.length > 64) return "";
  return word
    .replace(/([a-z])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$3_$2")
    .toLowerCase()
    .replace(/[\s.-]+/g, "_");
}

/** What an error says by its words and its message; undefined where only its status tells. */
export function reasonInWords(
  words: readonly string[],
  message: string,
  status: number | undefined,
): PeerReason | undefined {
  const plain = words.map(plainWord);
  const first = (meanings: ReadonlyMap<string, PeerReason>) =>
    plain.map((word) => meanings.get(word)).find((reason) => reason !== undefined);
  const worded = () =>
    wordings.find(({ words, statuses }) => (status === undefined || statuses(status)) && words.test(message))?.reason;
  return (
    first(reasonsByWord) ?? worded() ?? first(vagueWords) ?? (status === undefined ? first(statusWords) : undefined)
  );
}
