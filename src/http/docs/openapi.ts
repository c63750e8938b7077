import { headerComponents } from "./headers.ts";
import { paths } from "./paths.ts";
import { schemaComponents } from "./schemas.ts";

const description = `Generates text for the Qingyu (青羽) novel-writing platform through its AI service, falls back to
other providers when that fails, and keeps answers in a cache. Three surfaces, one behaviour: OpenAI's API, which every
OpenAI client can use with only the base URL changed, the platform's own, and Connect for typed clients.

Every answer has an \`x-request-id\`. Which providers were asked, and what the cache did, is in \`x-qingyu-attempts\` and
\`cache-status\`, also of an error.`;

/** The API as an OpenAPI 3.1 document, its request bodies made from the very schemas that validate them. */
export function openApiDocument() {
  return {
    openapi: "3.1.0",
    info: { title: "Qingyu AI Gateway", version: "1", description },
    servers: [{ url: "/" }],
    security: [{ apiKey: [] }],
    tags: [
      { name: "OpenAI", description: "For every program that speaks OpenAI's API; its base URL is `/v1`." },
      { name: "Qingyu", description: "For the platform: camelCase JSON in its envelope." },
      { name: "Connect", description: "For typed clients of `proto/`, over Connect and gRPC-Web." },
      { name: "Operations", description: "Open to everyone." },
    ],
    paths: paths(),
    components: {
      schemas: schemaComponents(),
      ...headerComponents,
      securitySchemes: {
        apiKey: { type: "http", scheme: "bearer", description: "In development without keys, anything or nothing." },
      },
    },
  };
}
