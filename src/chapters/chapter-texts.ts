import type { DocumentRef, DocumentText } from "../document.ts";
import { GatewayError } from "../errors.ts";
import type { Platform } from "../platform/platform.ts";
import type { SearchKnowledge } from "../rpcs/search-knowledge.ts";
import type { Upstream } from "../upstream.ts";
import { knowledgeText } from "./knowledge-text.ts";

export interface ChapterSources {
  /** Absent where the settings name none. */
  readonly platform?: Platform;
  readonly searchKnowledge: SearchKnowledge;
}

/**
 * Where a chapter's text comes from: the platform, else what of it is indexed in the project's knowledge base. Throws a
 * `GatewayError` `not_found` `document_not_found` where neither has it, and what asking the knowledge base throws.
 */
export function createChapterTexts({ platform, searchKnowledge }: ChapterSources): Upstream<DocumentRef, DocumentText> {
  return async (ref, call) => {
    const found = (await platform?.documentOf(ref, call)) ?? (await knowledgeText(searchKnowledge, ref, call));
    if (!found) throw documentNotFound();
    return found;
  };
}

function documentNotFound(): GatewayError {
  return new GatewayError(
    "not_found",
    "There is no text of the chapter that '{param}' names: neither the platform (platform.url) nor the project's knowledge base gives it. Index the chapter there, with this id and the type 'chapter'.",
    { code: "document_not_found", param: "chapterId" },
  );
}
