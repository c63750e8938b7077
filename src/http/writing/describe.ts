import { asksProvider, type Description, requestBody } from "../docs/description.ts";
import { createdAtMs, model, prompt, requestId } from "../docs/examples.ts";
import { jsonSchemas, ref } from "../docs/schemas.ts";
import { qingyuSurface } from "../qingyu/surface.ts";
import { SummaryAnswer } from "./answers.ts";
import { checkPaths, checkSchemas } from "./describe-checks.ts";
import { textPaths, textSchemas } from "./describe-texts.ts";
import { summarizeRequest } from "./requests.ts";
import { summarize } from "./summarize.ts";

const tolerant = "Members that are not known are left alone, and null is the same as absent.";
const summary = summarize.decode({ content: prompt, projectId: "qingyu" }, new Headers());

/** The platform's writing tasks. */
export async function writingDescription(): Promise<Description> {
  return {
    tag: "Qingyu",
    errors: { surface: qingyuSurface, schemaName: "QingyuError" },
    schemas: { ...textSchemas, ...jsonSchemas({ SummarizeRequest: summarizeRequest, SummaryAnswer }), ...checkSchemas },
    routes: {
      ...(await textPaths()),
      "POST /api/v1/ai/writing/summarize": {
        ...asksProvider,
        operationId: "summarize",
        summary: "Say a text in short",
        description: tolerant,
        requestBody: requestBody(ref("SummarizeRequest"), { text: { content: prompt, projectId: "qingyu" } }),
        answer: {
          "application/json": {
            schema: ref("SummaryAnswer"),
            example: await summarize.whole(
              {
                ...{ provider: "openai", model, createdAtMs },
                parts: [{ start: 0, end: prompt.length, written: { summary: "少年夜雨归来。", keyPoints: ["归来"] } }],
                usage: { totalTokens: 60, split: { promptTokens: 42, completionTokens: 18 } },
              },
              requestId,
              summary,
              { caller: { tenant: "qingyu", roles: [] } },
            ),
          },
        },
      },
      ...(await checkPaths()),
    },
  };
}
