import { getPath } from "hono/utils/url";
import { GatewayError } from "../errors.ts";

/**
 * A request's path as it was meant where a base URL with a slash too many was put before it, or OpenAI's ('/v1') before a path
 * of the platform's: its back end has one setting for both.
 */
export function tidyPath(request: Request): string {
  const path = withoutSlashes(getPath(request));
  return path.startsWith("/v1/api/v1/") ? path.slice("/v1".length) : path;
}

function withoutSlashes(path: string): string {
  if (!path.includes("//") && (path.length === 1 || !path.endsWith("/"))) return path;
  return path.replace(/\/{2,}/g, "/").replace(/(?<=.)\/$/, "");
}

/** 404 for a path that is none, in most cases below a base URL that is not ours. */
export function unknownPath(): GatewayError {
  return new GatewayError(
    "unknown_path",
    "There is nothing at this path. The base URL for OpenAI's clients is this host's '/v1' ('https://host/v1'); the platform's paths begin with '/api/v1'.",
    { code: "not_found" },
  );
}
