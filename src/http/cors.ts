import { cors as connectCors } from "@connectrpc/connect";
import type { cors } from "hono/cors";

/** What a browser on one of these origins may send and see: the OpenAI and Connect clients' headers and our own. */
export function corsOptions(origins: readonly string[]): Parameters<typeof cors>[0] {
  return {
    origin: [...origins],
    allowMethods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
    // The OpenAI SDK adds `x-stainless-*`, whose names change with its versions; the middleware then echoes what is asked for.
    allowHeaders: [],
    exposeHeaders: [
      ...connectCors.exposedHeaders,
      "x-request-id",
      "x-qingyu-provider",
      "x-qingyu-attempts",
      "x-qingyu-omitted",
      "idempotent-replayed",
      "x-cache",
      "cache-status",
      "age",
      "server-timing",
      "retry-after",
      "retry-after-ms",
      "x-should-retry",
      ...["limit", "remaining", "reset"].flatMap((what) => [
        `x-ratelimit-${what}-requests`,
        `x-ratelimit-${what}-tokens`,
      ]),
    ],
    maxAge: 7200,
  };
}
