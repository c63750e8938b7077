import type { Language } from "../../language.ts";
import { qingyuSuccess } from "../envelopes.ts";
import { languageOf } from "../language.ts";

/** How a client of the platform's reads its answer. */
export interface Form {
  /** Without the envelope, for clients that were written for the AI service itself. */
  readonly isBare: boolean;
  readonly language: Language;
}

/** What is said of a success. */
const words = {
  done: { zh: "操作成功", en: "Done" },
  found: { zh: "获取成功", en: "Found" },
  continued: { zh: "续写成功", en: "Continued" },
  rewritten: { zh: "改写成功", en: "Rewritten" },
  summarized: { zh: "总结成功", en: "Summarized" },
  chapterSummarized: { zh: "章节总结成功", en: "Chapter summarized" },
  proofread: { zh: "校对完成", en: "Proofread" },
  checked: { zh: "检测完成", en: "Checked" },
} as const satisfies Record<string, Record<Language, string>>;
export type Said = keyof typeof words;

/** The fields by which clients of the AI service itself are known, with what the platform's clients call the same. */
const bareNames = { project_id: ["projectId"], current_text: ["currentText"], text: ["content", "originalText"] };

/** The form that a body's sender reads, on paths that have both. Null is the same as absent. */
export function formOf(body: object, headers: Headers): Form {
  const said = new Set(Object.entries(body).flatMap(([name, value]) => ((value ?? null) === null ? [] : [name])));
  const isNamed = ([bare, others]: [string, readonly string[]]) =>
    said.has(bare) && !others.some((other) => said.has(other));
  const isBare = said.has("messages") || Object.entries(bareNames).some(isNamed);
  return { isBare, language: languageOf(headers) };
}

/** The form of what has the envelope for everybody. */
export function enveloped(headers: Headers): Form {
  return { isBare: false, language: languageOf(headers) };
}

/** Data in the platform's envelope. */
export function inEnvelope<T>(data: T, language: Language, requestId: string, said: Said) {
  return qingyuSuccess(data, requestId, words[said][language]);
}

/** Data in the form that its reader reads; that there is none says only the envelope. */
export function inForm(data: object | null, { isBare, language }: Form, requestId: string, said: Said): object {
  return isBare && data ? data : inEnvelope(data, language, requestId, said);
}
