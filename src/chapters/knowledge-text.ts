import type { DocumentRef, DocumentText } from "../document.ts";
import { GatewayError } from "../errors.ts";
import type { Passage, SearchKnowledge } from "../rpcs/search-knowledge.ts";
import type { Call } from "../upstream.ts";
import { UpstreamFailure } from "../upstream-failure.ts";

/** The most that is given at once. */
const mostPassages = 100;

/**
 * A search gives what shares a word with its query, so this one has words that hardly a passage of a story is without. They
 * stand apart, since pairs of them would say something.
 */
const anywhere = [
  ..."人大年时中国生作地行成面前天心头见手眼道走回看听开长门身气事间明无老小日夜水风山家子如十二三",
  ..."said back time one out up now into all over".split(" "),
].join(" ");

/**
 * The text of an indexed chapter: its passages in their order, for its caller's tenant and user; undefined where it is not
 * indexed, or not all of its passages are found. Throws what asking the knowledge base throws.
 */
export async function knowledgeText(
  search: SearchKnowledge,
  { projectId, documentId }: DocumentRef,
  call: Call,
): Promise<DocumentText | undefined> {
  // What a caller wants of the cache he wants of his own answer.
  const own = { ...call, cacheControl: undefined };
  const filters = { docTypes: ["chapter"], chapterIds: [documentId] };
  const passagesBy = async (query: string): Promise<Passage[]> => {
    try {
      const passages = await search({ query, projectId, topK: mostPassages, filters }, own);
      return passages.filter((passage) => isOf(documentId, passage));
    } catch (error) {
      if (isLacking(error)) return [];
      throw error;
    }
  };
  const found = await passagesBy(anywhere);
  const title = found.map(({ metadata }) => metadata.title?.trim()).find((each) => each);
  // Every passage is also found by its document's title.
  const all = inTheirOrder(ofOneDocument(documentId, title ? [...found, ...(await passagesBy(title))] : found));
  const text = all
    ?.map(({ content }) => content)
    .join("\n")
    .trim();
  return text ? { text, ...(title && { title }) } : undefined;
}

/** Filters that a service does not know it ignores. */
function isOf(documentId: string, { id, docType, metadata }: Passage): boolean {
  if (docType !== "" && docType !== "chapter") return false;
  const named = [metadata.document_id, metadata.chapter_id].filter((each) => each);
  return named.length > 0 ? named.includes(documentId) : id === documentId || id.startsWith(`${documentId}:`);
}

/** The document of that id, else the first one of the chapter of that id. */
function ofOneDocument(documentId: string, passages: readonly Passage[]): Passage[] {
  const byDocument = Map.groupBy(passages, ({ metadata }) => metadata.document_id);
  return byDocument.get(documentId) ?? byDocument.values().next().value ?? [];
}

/** Each passage once, by its number, else as it came; undefined where one is missing before another. */
function inTheirOrder(passages: readonly Passage[]): Passage[] | undefined {
  const numbered = new Map(passages.map((passage) => [numberOf(passage), passage]));
  if (numbered.has(undefined)) return [...new Map(passages.map((passage) => [passage.content, passage])).values()];
  const inOrder = [...numbered].sort(([one = 0], [other = 0]) => one - other);
  return inOrder.every(([number], index) => number === index) ? inOrder.map(([, passage]) => passage) : undefined;
}

function numberOf({ id, metadata }: Passage): number | undefined {
  const said = metadata.passage ?? /:(\d{1,6})$/.exec(id)?.[1];
  return said !== undefined && /^\d{1,6}$/.test(said) ? Number(said) : undefined;
}

/** Whether there is no knowledge base to ask, or none that knows of the project. */
function isLacking(error: unknown): boolean {
  if (!(error instanceof GatewayError)) return false;
  const { cause } = error;
  return error.kind === "not_found" || (cause instanceof UpstreamFailure && cause.failure.reason === "unimplemented");
}
