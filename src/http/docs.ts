import { type Context, Hono } from "hono";
import { GatewayError } from "../errors.ts";
import type { Walk } from "./context.ts";
import { allowOnly } from "./method-not-allowed.ts";
import { openApiDocument } from "./openapi.ts";

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Qingyu AI Gateway</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const startScript = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", validatorUrl: null, persistAuthorization: true });\n`;

/** Everything comes from here; swagger-ui writes its styles inline. */
const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The API's description, for programs and for people. Open to everyone, and needs no other site. */
export function docsFace(): Hono<Walk> {
  const face = new Hono<Walk>();
  let document: string | undefined;

  face.get("/openapi.json", (c) => {
    document ??= JSON.stringify(openApiDocument());
    return c.body(document, 200, { "content-type": "application/json" });
  });
  face.get("/docs", (c) => c.html(page, 200, { "content-security-policy": contentSecurityPolicy }));
  face.get("/docs/start.js", (c) => c.body(startScript, 200, { "content-type": "text/javascript; charset=utf-8" }));
  face.get("/docs/swagger-ui.css", (c) => asset(c, "/swagger-ui.css"));
  face.get("/docs/swagger-ui-bundle.js", (c) => asset(c, "/swagger-ui-bundle.js"));
  for (const path of ["/openapi.json", "/docs", "/docs/*"]) face.all(path, allowOnly("GET"));
  return face;
}

/** A file of the `swagger-ui-dist` package, which is deployed as static assets beside the worker. */
async function asset(c: Context<Walk>, path: string): Promise<Response> {
  const response = await c.env.ASSETS.fetch(new URL(path, c.req.url));
  if (!response.ok) throw new GatewayError("not_found", "The documentation's files are not deployed.");
  return new Response(response.body, {
    headers: {
      "content-type": response.headers.get("content-type") ?? "application/octet-stream",
      "cache-control": "public, max-age=3600",
    },
  });
}
