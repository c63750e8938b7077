import type { ContinueWish } from "../../tasks/continue.ts";
import { missingField } from "../invalid.ts";
import { continuation, continuationNames } from "../qingyu/continuation.ts";
import { formOf } from "../qingyu/form.ts";
import { wantsStream } from "../qingyu/options.ts";
import { textCodec } from "../qingyu/text-answers.ts";
import { continueRequest } from "./requests.ts";

/** `POST /api/v1/ai/writing/continue`; with `isStream` the path that always streams. */
export function continueMethod(isStream = false) {
  return textCodec({
    body: continueRequest,
    said: "continued",
    decode(body, headers) {
      const { prompt, context, options } = body;
      const form = formOf(body, headers);
      const projectId = body.projectId || body.project_id;
      const currentText = body.currentText ?? body.current_text;
      if (!projectId) throw missingField(form.isBare ? "project_id" : "projectId");
      if (!currentText?.trim()) throw missingField(form.isBare ? "current_text" : "currentText");
      return {
        request: continuation(
          {
            ...{ projectId, currentText, prompt, chapterId: body.chapterId },
            continueLength: body.continueLength || body.continue_length,
            options: { ...options, model: options?.model || body.model },
          },
          contextIn(context),
        ),
        stream: wantsStream(options, headers, isStream),
        names: form.isBare ? { ...continuationNames, messages: "current_text" } : continuationNames,
        form,
        textName: "generated_text",
      };
    },
  });
}

function contextIn(context: object | null | undefined): ContinueWish["context"] {
  const said = Object.entries(context ?? {}).map(([name, value]) => {
    return [name === "plot_summary" ? "plotSummary" : name, wordsOf(value)] as const;
  });
  return Object.fromEntries(said);
}

/** A value as words: a list line by line, of an object its members. */
function wordsOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(wordsOf).filter(Boolean).join("\n");
  if (typeof value !== "object") return String(value);
  const members = Object.entries(value).map(([name, member]) => [name, wordsOf(member)] as const);
  return members.flatMap(([name, words]) => (words === "" ? [] : [`${name}：${words}`])).join("；");
}
