import { type ContinueWish, continueTask } from "../../tasks/continue.ts";
import { acceptsEvents } from "../event-stream.ts";
import { missingField } from "../invalid.ts";
import { formOf } from "../qingyu/form.ts";
import { textCodec } from "../qingyu/text-answers.ts";
import { optionNames, optionsIn } from "./options.ts";
import { continueRequest } from "./requests.ts";

const usualLength = 500;

/** `POST /api/v1/ai/writing/continue`; with `isStream` the path that always streams. */
export function continueMethod(isStream = false) {
  return textCodec({
    body: continueRequest,
    said: "continued",
    decode(body, headers) {
      const { prompt, context, options, model } = body;
      const form = formOf(body, headers);
      const projectId = body.projectId || body.project_id;
      const text = body.currentText ?? body.current_text;
      if (!projectId) throw missingField(form.isBare ? "project_id" : "projectId");
      if (!text?.trim()) throw missingField(form.isBare ? "current_text" : "currentText");
      const length = body.continueLength ?? body.continue_length ?? usualLength;
      const task = continueTask({ text, length, wish: prompt ?? undefined, context: contextIn(context) });
      return {
        request: {
          ...task,
          ...optionsIn(options, model),
          projectId,
          chapterId: body.chapterId || undefined,
        },
        stream: isStream || options?.stream === true || acceptsEvents(headers),
        names: { ...optionNames, messages: form.isBare ? "current_text" : "currentText" },
        form,
        textName: "generated_text",
      };
    },
  });
}

function contextIn(context: unknown): ContinueWish["context"] {
  if (typeof context !== "object" || context === null) return undefined;
  const said = Object.entries(context).flatMap(([name, value]) => {
    const text = typeof value === "string" ? value : value == null ? "" : JSON.stringify(value);
    return text.trim() === "" ? [] : [[name === "plot_summary" ? "plotSummary" : name, text] as const];
  });
  return Object.fromEntries(said);
}
