import type { Results } from "../../kept-results.ts";
import { type IssueType, issueTypes, type ProofreadWish, proofreadTask } from "../../tasks/proofread.ts";
import { checkOf, type checkTypes, proofreadRequest } from "./check-requests.ts";
import { keepResult } from "./keep.ts";
import type { SuggestionAnswer } from "./kept-checks.ts";
import { taskCodec } from "./task-codec.ts";

/** `POST /api/v1/ai/writing/proofread`. Each issue is kept under an id of its own. */
export function proofread(results: Pick<Results, "ids" | "keep">) {
  return taskCodec({
    task: proofreadTask,
    body: proofreadRequest,
    said: "proofread",
    decode(body, headers) {
      const { text, ...call } = checkOf(body, headers);
      const known = {
        体裁: body.genre,
        读者: body.readerProfile,
        作者的说明: body.contextPrompt?.trim() ? body.contextPrompt : body.context_prompt,
      };
      const wish: ProofreadWish = {
        text,
        types: typesOf(body.checkTypes ?? []),
        language: body.language?.trim() || "zh-CN",
        suggestions: body.suggestions ?? true,
        known: Object.fromEntries(
          Object.entries(known).flatMap(([name, said]) => (said?.trim() ? [[name, said]] : [])),
        ),
      };
      return { ...call, wish };
    },
    async data({ issues, droppedIssues, score, statistics }, { text }, telling) {
      const kept = await keepResult(results, {
        ...{ kind: "proofread", telling, items: issues },
        keptOf(_, named) {
          const suggestions = named.map(({ id, ...issue }): SuggestionAnswer => ({ issueId: id, ...issue }));
          return named.length === 0 ? undefined : { partIds: named.map(({ id }) => id), value: { suggestions } };
        },
      });
      return {
        ...{ reviewId: kept.id, originalContent: text, contentHash: await sha256Hex(text) },
        issues: kept.items.map(({ suggestions, explanation: _, examples: __, ...issue }) => ({
          ...issue,
          suggestions: suggestions.map((each) => each.text),
          suggestionDetails: suggestions,
        })),
        ...{ droppedIssues, previewWarnings: [], score, statistics, expiresAt: kept.expiresAt },
      };
    },
  });
}

/** Those that are meant, in the order of ours; all where none are named. */
function typesOf(named: readonly (typeof checkTypes)[number][]): readonly IssueType[] {
  const meant = new Set(named.map((name) => (name === "typo" ? "spelling" : name === "readability" ? "style" : name)));
  return meant.size === 0 ? issueTypes : issueTypes.filter((type) => meant.has(type));
}

async function sha256Hex(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  // Node, in which the API is described, has no `toHex` yet.
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
