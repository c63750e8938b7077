import { mock } from "node:test";
import { adminDescription } from "../src/http/admin/describe.ts";
import { chatsDescription } from "../src/http/chats/describe.ts";
import { connectDescription } from "../src/http/connect/describe.ts";
import { docsDescription } from "../src/http/docs/describe.ts";
import { type Description, response } from "../src/http/docs/description.ts";
import { errorResponses } from "../src/http/docs/errors.ts";
import { createdAtMs } from "../src/http/docs/examples.ts";
import { headerComponents, requestHeaderRefs } from "../src/http/docs/headers.ts";
import type { Comments } from "../src/http/docs/message-schemas.ts";
import { healthDescription } from "../src/http/health/describe.ts";
import { openAiDescription } from "../src/http/openai/describe.ts";
import { qingyuDescription } from "../src/http/qingyu/describe.ts";
import { qingyuSurface } from "../src/http/qingyu/surface.ts";
import { writingDescription } from "../src/http/writing/describe.ts";

const description = `Generates text for the Qingyu (青羽) novel-writing platform through its AI service, falls back to
other providers when that fails, and keeps answers in a cache. Three surfaces, one behaviour: OpenAI's API, which every
OpenAI client can use with only the base URL changed, the platform's own, and Connect for typed clients.

Every answer has an \`x-request-id\`. Which providers were asked, and what the cache did, is in \`x-qingyu-attempts\` and
\`cache-status\`, also of an error.`;

/** The API as an OpenAPI 3.1 document, made of what each surface says of itself. */
export async function openApiDocument(comments: Comments) {
  // Some answers tell the time; in the document it stands still.
  mock.timers.enable({ apis: ["Date"], now: createdAtMs });
  const descriptions = [
    await openAiDescription(),
    await qingyuDescription(comments),
    await writingDescription(),
    await chatsDescription(),
    connectDescription(comments),
    adminDescription,
    healthDescription,
    docsDescription,
  ];
  const { responses, share } = sharedResponses();
  const paths = await pathsOf(descriptions, share);
  return {
    openapi: "3.1.0",
    info: { title: "Qingyu AI Gateway", version: "1", description },
    servers: [{ url: "/" }],
    security: [{ apiKey: [] }],
    tags: descriptions.flatMap(({ tag, about }) => (about === undefined ? [] : { name: tag, description: about })),
    paths,
    components: {
      responses,
      schemas: Object.assign({}, ...descriptions.map(({ schemas }) => schemas)),
      ...headerComponents,
      securitySchemes: {
        apiKey: {
          type: "http",
          scheme: "bearer",
          description:
            "A key or, where they are taken, a token (JWT); also as `x-api-key`. In development without either, on this machine, anything or nothing.",
        },
      },
    },
  };
}

/** A response by a reference to the one of its kind: that of `about`, which its name begins with. */
type Shared = (about: string, response: object) => object;

/** What many routes end in, each once. */
function sharedResponses(): { readonly responses: Readonly<Record<string, object>>; readonly share: Shared } {
  const responses: Record<string, object> = {};
  const names = new Map<string, string>();
  return {
    responses,
    share(about, response) {
      const text = JSON.stringify(response);
      let name = names.get(text);
      if (name === undefined) {
        const alike = Object.keys(responses).filter((each) => each.split("-", 1)[0] === about).length;
        name = alike === 0 ? about : `${about}-${alike + 1}`;
        names.set(text, name);
        responses[name] = response;
      }
      return { $ref: `#/components/responses/${name}` };
    },
  };
}

async function pathsOf(descriptions: readonly Description[], share: Shared) {
  const paths: Record<string, Record<string, object>> = {};
  for (const { tag, errors: told, routes } of descriptions) {
    for (const [
      route,
      {
        answer,
        answerHeaders = ["x-request-id"],
        errors,
        comeOfAsking,
        comeOfLimits,
        isNeverCached,
        others,
        ...operation
      },
    ] of Object.entries(routes)) {
      const [method = "", path = ""] = route.split(" ");
      const isPlatforms = path.startsWith(qingyuSurface.prefix);
      const failures = told
        ? await errorResponses(told.surface, told.schemaName, { errors, comeOfAsking, comeOfLimits, isNeverCached })
        : {};
      const responses = {
        200: response("The answer.", answer, [...answerHeaders, ...(isPlatforms ? ["vary"] : [])]),
        ...others,
        ...Object.fromEntries(
          Object.entries(failures).map(([status, failure]) => [status, share(`${told?.schemaName}${status}`, failure)]),
        ),
      };
      const parameters = [
        ...(operation.parameters ?? []),
        ...requestHeaderRefs("x-request-id", "traceparent"),
        ...(isPlatforms ? requestHeaderRefs("accept-language") : []),
      ];
      paths[path] = { ...paths[path], [method.toLowerCase()]: { tags: [tag], ...operation, parameters, responses } };
    }
  }
  return paths;
}
