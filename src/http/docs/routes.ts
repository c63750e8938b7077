import { type Context, type Handler, Hono } from "hono";
import { GatewayError } from "../../errors.ts";
import type { Walk } from "../call.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { openApiDocument } from "./openapi.ts";
import { initScript, page, pageStyle } from "./page.ts";

/** Nothing comes from or goes to another site. swagger-ui's icons are data. */
const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The API's description, for programs and for people. Open to everyone, and needs no other site. */
export function docsRoutes(): Hono<Walk> {
  let document: string | undefined;
  const answers: Record<string, Handler<Walk>> = {
    "/openapi.json": (c) => {
      document ??= JSON.stringify(openApiDocument());
      return text(c, document, "application/json");
    },
    "/docs": (c) => {
      c.header("content-security-policy", contentSecurityPolicy);
      c.header("referrer-policy", "no-referrer");
      return text(c, page, "text/html; charset=utf-8");
    },
    "/docs/init.js": (c) => text(c, initScript, "text/javascript; charset=utf-8"),
    "/docs/page.css": (c) => text(c, pageStyle, "text/css; charset=utf-8"),
    "/docs/swagger-ui.css": (c) => packageFile(c, "/swagger-ui.css"),
    "/docs/swagger-ui-bundle.js": (c) => packageFile(c, "/swagger-ui-bundle.js"),
  };
  const routes = new Hono<Walk>();
  for (const [path, answer] of Object.entries(answers)) {
    routes.get(path, answer);
    routes.all(path, allowOnly("GET"));
  }
  return routes;
}

/** What is built into the worker is asked for each time, so that page and document are never of different deployments. */
function text(c: Context<Walk>, body: string, contentType: string): Response {
  return c.body(body, 200, {
    "content-type": contentType,
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
  });
}

/** A file of the `swagger-ui-dist` package, which is deployed as static assets beside the worker, with its own `etag`. */
async function packageFile(c: Context<Walk>, path: string): Promise<Response> {
  const { ASSETS }: Partial<Env> = c.env;
  const file = await ASSETS?.fetch(new Request(new URL(path, c.req.url), c.req.raw));
  if (!file || (!file.ok && file.status !== 304)) {
    throw new GatewayError("not_found", "The documentation's files are not deployed.");
  }
  const response = new Response(file.body, file);
  response.headers.set("cache-control", "public, max-age=3600");
  return response;
}
