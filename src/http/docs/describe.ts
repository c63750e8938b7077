import { type Description, open } from "./description.ts";

export const docsDescription: Description = {
  tag: "Operations",
  schemas: {},
  routes: {
    "GET /openapi.json": open({
      operationId: "openapi",
      summary: "This document",
      answer: { "application/json": { schema: { type: "object" } } },
    }),
    "GET /docs": open({
      operationId: "docs",
      summary: "This document for people",
      answer: { "text/html": { schema: { type: "string" } } },
    }),
  },
};
