import { type Context, type Handler, Hono } from "hono";
import { GatewayError } from "../../errors.ts";
import type { Walk } from "../call.ts";
import { allowOnly } from "../method-not-allowed.ts";

/** Nothing comes from or goes to another site. swagger-ui's icons are data. */
const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** What is ours is asked for each time, so that page and document are never of different deployments. */
const ours = { "cache-control": "no-cache", "x-content-type-options": "nosniff" };
/** swagger-ui's files change only with its version. */
const theirs = { ...ours, "cache-control": "public, max-age=3600" };

/** The API's description, for programs and for people. Open to everyone, and needs no other site. */
export function docsRoutes(): Hono<Walk> {
  const answers: Record<string, Handler<Walk>> = {
    "/docs": (c) =>
      publicFile(c, "/docs.html", {
        ...ours,
        "content-security-policy": contentSecurityPolicy,
        "referrer-policy": "no-referrer",
      }),
  };
  for (const path of ["/openapi.json", "/docs/init.js", "/docs/page.css"])
    answers[path] = (c) => publicFile(c, path, ours);
  for (const path of ["/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"]) {
    answers[path] = (c) => publicFile(c, path, theirs);
  }
  const routes = new Hono<Walk>();
  for (const [path, answer] of Object.entries(answers)) {
    routes.get(path, answer);
    routes.all(path, allowOnly("GET"));
  }
  return routes;
}

/** A file of `public/`, which is deployed as static assets beside the worker, with its own type and `etag`. */
async function publicFile(c: Context<Walk>, path: string, headers: Record<string, string>): Promise<Response> {
  const { ASSETS }: Partial<Env> = c.env;
  const file = await ASSETS?.fetch(new Request(new URL(path, c.req.url), c.req.raw));
  if (!file || (!file.ok && file.status !== 304)) {
    throw new GatewayError("not_found", "The documentation's files are not deployed.");
  }
  const response = new Response(file.body, file);
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}
