import type { ChatRequest } from "../chat.ts";
import type { SearchKnowledge } from "../rpcs/search-knowledge.ts";
import type { Call } from "../upstream.ts";

/** So many passages are asked for. */
const topK = 6;

/** What is known of a message's project, the nearest first; nothing where that is not wanted or cannot be had. */
export async function knowledgeFor(
  { useContext, projectId, message }: ChatRequest,
  search: SearchKnowledge,
  call: Call,
): Promise<string[]> {
  if (!useContext || projectId === undefined) return [];
  try {
    const passages = await search({ query: message, topK, projectId }, call);
    return passages.map(({ content }) => content.trim()).filter((content) => content !== "");
  } catch {
    return [];
  }
}
