import type { GenerationRequest } from "../../generation.ts";
import { expandTask } from "../../tasks/expand.ts";
import { polishTask } from "../../tasks/polish.ts";
import { type RewriteMode, rewriteTask } from "../../tasks/rewrite.ts";
import { missingField } from "../invalid.ts";
import { formOf } from "../qingyu/form.ts";
import { optionNames, originOf, samplingIn, wantsStream } from "../qingyu/options.ts";
import { textCodec } from "../qingyu/text-answers.ts";
import { type RewriteRequest, rewriteRequest } from "./requests.ts";

interface RewritePath {
  /** What its clients call the text. */
  readonly textName: "rewritten_text" | "expanded_text" | "polished_text";
  /** What the path itself says; absent where the body does. */
  readonly mode?: "expand" | "polish";
  /** What a body that says nothing means; absent where it must. */
  readonly usualMode?: RewriteMode;
  readonly isStream?: true;
}

/** What the AI service's own clients mean where they name no style. */
const usualStyle = "文学";

/** `POST` of a path that rewrites a text. */
export function rewriteMethod({ textName, mode, usualMode, isStream }: RewritePath) {
  return textCodec({
    body: rewriteRequest,
    said: "rewritten",
    decode(body, headers) {
      const form = formOf(body, headers);
      const text = body.originalText ?? body.text;
      const name = form.isBare ? "text" : "originalText";
      if (!text?.trim()) throw missingField(name);
      const asked = mode ?? body.rewriteMode ?? usualMode;
      if (!asked) throw missingField("rewriteMode");
      return {
        request: {
          ...taskFor(asked, text, form.isBare ? { ...body, style: body.style || usualStyle } : body),
          ...samplingIn(body.options),
          ...originOf(body),
        },
        stream: wantsStream(body.options, headers, isStream),
        names: { ...optionNames, messages: name },
        form,
        textName,
        // The model says the text alone, not what it has changed.
        more: { changes: [] },
      };
    },
  });
}

function taskFor(mode: RewriteMode, text: string, body: RewriteRequest): GenerationRequest {
  const length = body.targetLength || undefined;
  const wish = [body.instructions, body.direction].filter((each) => each?.trim()).join("\n");
  if (mode === "expand") return expandTask({ text, length, ratio: body.expand_ratio || undefined, direction: wish });
  if (mode !== "polish") return rewriteTask({ text, mode, wish, length });
  const [style, focusAreas] = [body.style ?? undefined, body.focus_areas ?? undefined];
  return polishTask({ text, style, focusAreas, instructions: wish, length });
}
