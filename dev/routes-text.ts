import { table } from "./markdown.ts";

/** What a description of the API says of a method that matters here. */
interface Operation {
  readonly summary?: string;
  readonly responses?: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

/** docs/qingyu.md's table of the platform's paths, as the API's description has them. */
export function routesTable(paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>): string {
  const rows = Object.entries(paths).flatMap(([path, methods]) =>
    path.startsWith("/api/v1/")
      ? Object.entries(methods).map(([method, { summary = "", responses }]) => {
          const types = Object.keys(responses?.["200"]?.content ?? {});
          return [`\`${method.toUpperCase()} ${path}\``, summary, formsOf(types)];
        })
      : [],
  );
  return table(["route", "what it does", "comes"], rows);
}

function formsOf(types: readonly string[]): string {
  const isStreamed = types.includes("text/event-stream");
  if (!types.includes("application/json")) return "as events";
  return isStreamed ? "whole or as events" : "whole";
}
