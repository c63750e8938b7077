import type { Results } from "../../kept-results.ts";
import { type SensitiveWordsWish, sensitiveWordsTask } from "../../tasks/sensitive-words.ts";
import { checkOf, sensitiveWordsRequest } from "./check-requests.ts";
import { keepResult } from "./keep.ts";
import type { KeptCheck } from "./kept-checks.ts";
import { taskCodec } from "./task-codec.ts";

/** `POST /api/v1/ai/audit/sensitive-words`. The check is kept under its id. */
export function sensitiveWords(results: Pick<Results, "ids" | "keep">) {
  return taskCodec({
    task: sensitiveWordsTask,
    body: sensitiveWordsRequest,
    said: "checked",
    decode(body, headers) {
      const { text, ...call } = checkOf(body, headers);
      const named = (body.customWords ?? []).map((word) => word.trim()).filter((word) => word !== "");
      const customWords = [...new Set(named)];
      const wish: SensitiveWordsWish = { text, category: body.category ?? "all", customWords };
      return { ...call, wish };
    },
    async data({ matches, isTruncated, droppedWords, summary }, { text, customWords }, telling) {
      const isSafe = matches.length === 0;
      const { id, items, expiresAt } = await keepResult(results, {
        ...{ kind: "sensitive-words", telling, items: matches },
        keptOf(checkId, named) {
          const value: KeptCheck = { checkId, content: text, isSafe, matches: named, customWords, summary };
          return { partIds: [], value };
        },
      });
      return {
        ...{ checkId: id, isSafe, totalMatches: items.length, sensitiveWords: items },
        ...{ isTruncated, droppedWords, summary, expiresAt },
      };
    },
  });
}
