import { asksProvider, type Description, json, requestBody, tolerant } from "../docs/description.ts";
import { prompt, requestId, written } from "../docs/examples.ts";
import { jsonSchemas, ref } from "../docs/schemas.ts";
import { qingyuSurface } from "../qingyu/surface.ts";
import { SummaryAnswer } from "./answers.ts";
import { chapterPaths, chapterSchemas } from "./describe-chapters.ts";
import { checkPaths, checkSchemas } from "./describe-checks.ts";
import { textPaths, textSchemas } from "./describe-texts.ts";
import { summarizeRequest } from "./requests.ts";
import { summarize } from "./summarize.ts";

/** The platform's writing tasks. */
export async function writingDescription(): Promise<Description> {
  return {
    tag: "Qingyu",
    errors: { surface: qingyuSurface, schemaName: "QingyuError" },
    schemas: {
      ...textSchemas,
      ...jsonSchemas({ SummarizeRequest: summarizeRequest, SummaryAnswer }),
      ...checkSchemas,
      ...chapterSchemas,
    },
    routes: {
      ...(await textPaths()),
      "POST /api/v1/ai/writing/summarize": {
        ...asksProvider,
        operationId: "summarize",
        summary: "Say a text in short",
        description: tolerant,
        requestBody: requestBody(ref("SummarizeRequest"), { text: { content: prompt, projectId: "qingyu" } }),
        answer: json(
          "SummaryAnswer",
          await summarize.whole(
            written(prompt, { summary: "少年夜雨归来。", keyPoints: ["归来"] }),
            requestId,
            summarize.decode({ content: prompt, projectId: "qingyu" }, new Headers()),
            { caller: { tenant: "qingyu", roles: [] } },
          ),
        ),
      },
      ...(await checkPaths()),
      ...chapterPaths(),
    },
  };
}
