import { type Schema, Validator } from "@cfworker/json-schema";
import { describe, expect, it } from "vitest";
import * as z from "zod/mini";
import { chatCompletionRequest } from "../src/http/openai-request.ts";
import { openApiDocument } from "../src/http/openapi.ts";
import { generateRequest } from "../src/http/qingyu-request.ts";
import { fakeOpenAi, onlyOpenAi, testApp } from "./support/app.ts";

/** The described schema of a route's answer; a missing one fails the test. */
function answerSchema(path: string, method: string, status: string): Schema {
  const document = JSON.parse(JSON.stringify(openApiDocument()));
  const { responses } = document.paths[path][method];
  return (responses[status] ?? responses.default).content["application/json"].schema;
}

function violations(schema: Schema, value: unknown): string[] {
  return new Validator(schema, "2020-12")
    .validate(value as object)
    .errors.map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`);
}

describe("/openapi.json", () => {
  it("is OpenAPI 3.1 and open to everyone, also where the settings are wrong", async () => {
    for (const settings of [onlyOpenAi, { ENVIRONMENT: "production" }]) {
      const answer = await testApp({ settings }).send("/openapi.json");
      expect([answer.status, answer.json()]).toMatchObject([200, { openapi: "3.1.0", security: [{ apiKey: [] }] }]);
    }
  });

  it("describes every route, and none that is not there", () => {
    const routes = testApp()
      .app.routes.filter(({ method, path }) => method !== "ALL" && !path.startsWith("/docs/"))
      .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)(\{.*\})?/, "{$1}")}`);
    const described = Object.entries(openApiDocument().paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    expect(described.sort()).toEqual(routes.sort());
  });

  it("shows the schemas that validate", () => {
    const { paths } = JSON.parse(JSON.stringify(openApiDocument()));
    for (const [path, schema] of [
      ["/v1/chat/completions", chatCompletionRequest],
      ["/api/v1/ai/generate", generateRequest],
    ] as const) {
      const { $schema: _, ...json } = z.toJSONSchema(schema, { io: "input" });
      expect(paths[path].post.requestBody.content["application/json"].schema).toEqual(json);
      expect(schema.safeParse(paths[path].post.requestBody.content["application/json"].example).success).toBe(true);
    }
  });

  const chat = "/v1/chat/completions";
  const generate = "/api/v1/ai/generate";
  it.each([
    ["a completion", chat, { messages: [{ role: "user", content: "docs" }] }, 200],
    ["an OpenAI error", chat, {}, 400],
    ["a Qingyu answer", generate, { projectId: "p", prompt: "docs" }, 200],
    ["a Qingyu error", generate, { projectId: 1 }, 400],
    ["the models", "/v1/models", undefined, 200],
    ["liveness", "/health/live", undefined, 200],
    ["readiness", "/health/ready", undefined, 200],
    ["health", "/api/v1/health", undefined, 200],
  ])("says how %s looks", async (_, path, body, status) => {
    const { network } = fakeOpenAi();
    const app = testApp({ network });
    const answer = body === undefined ? await app.send(path) : await app.post(path, body);
    expect(answer.status).toBe(status);
    expect(violations(answerSchema(path, body === undefined ? "get" : "post", String(status)), answer.json())).toEqual(
      [],
    );
  });

  it("says how a gateway looks that is not configured", async () => {
    const app = testApp({ settings: { ENVIRONMENT: "production" } });
    for (const path of ["/health/ready", "/api/v1/health"]) {
      const answer = await app.send(path);
      expect(answer.status).toBe(503);
      expect(violations(answerSchema(path, "get", "503"), answer.json())).toEqual([]);
    }
  });
});

describe("/docs", () => {
  it("is a page whose every part comes from here", async () => {
    const app = testApp();
    const page = await app.send("/docs");
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=UTF-8"]);
    expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'none'; script-src 'self';/);
    const parts = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, part]) => part ?? "");
    expect(parts).toEqual(["/docs/swagger-ui.css", "data:,", "/docs/swagger-ui-bundle.js", "/docs/start.js"]);
    const types = await Promise.all(
      parts
        .filter((part) => part.startsWith("/"))
        .map(async (part) => {
          const { status, headers, text } = await app.send(part);
          return [status, headers.get("content-type")?.split(";")[0], text.length > 50];
        }),
    );
    expect(types).toEqual([
      [200, "text/css", true],
      [200, "text/javascript", true],
      [200, "text/javascript", true],
    ]);
  });

  it("hands out nothing else of its package", async () => {
    expect((await testApp().send("/docs/package.json")).status).toBe(405);
    expect((await testApp().send("/swagger-ui-bundle.js")).status).toBe(404);
  });
});
