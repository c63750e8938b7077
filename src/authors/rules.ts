import type { OutlineData } from "../gen/qingyu/ai/ai_service_pb.ts";

/*
 * What the authors' rules are made of. Words that look like enums are open sets, and some texts may name what is no element:
 * a plot's conflict can be with fate, a crowd takes part in an event. None of them is a problem.
 */

/** Says which of the fields are empty. `at` is the path of the message, with a dot. */
export function missing(fields: Readonly<Record<string, { readonly length: number }>>, at = ""): string[] {
  return Object.entries(fields).flatMap(([name, { length }]) => (length === 0 ? [`${at}${name}: is empty`] : []));
}

/** Says where ids are not one for each element; `id` with its article. */
export function shared(list: string, id: string, ids: readonly (string | number)[]): string[] {
  return new Set(ids).size < ids.length ? [`${list}: each needs ${id} of its own`] : [];
}

/** The numbers of an outline's chapters; empty where there is no outline to hold anything to. */
export function chapterNumbers(outline: OutlineData | undefined): ReadonlySet<number> {
  return new Set(outline?.chapters.map(({ chapterId }) => chapterId));
}

/** The references to what exists. */
export function known<Id>(named: readonly Id[], ids: ReadonlySet<Id>): Id[] {
  return named.filter((id) => ids.has(id));
}
