import { type Description, open } from "./description.ts";

export const docsDescription: Description = {
  tag: "Operations",
  schemas: {},
  routes: {
    "GET /openapi.json": open("openapi", "This document", { "application/json": { schema: { type: "object" } } }),
    "GET /docs": open("docs", "This document for people", { "text/html": { schema: { type: "string" } } }),
  },
};
