import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { type Schema, Validator } from "@cfworker/json-schema";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import * as z from "zod/mini";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { envelopes } from "../src/http/envelopes.ts";
import { chatCompletionRequest } from "../src/http/openai/request.ts";
import { generateRequest } from "../src/http/qingyu/request.ts";
import { fakeOpenAi, onlyOpenAi, type Sent, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";

const chat = "/v1/chat/completions";
const generate = "/api/v1/ai/generate";
const connect = "/qingyu.ai.AIService/";

const document: unknown = (await testApp().send("/openapi.json")).json();
const paths = membersOf(at(document, "paths"));
const operations = paths.flatMap(([path, item]) =>
  membersOf(item).map(([method, operation]) => ({ path, method, operation })),
);

function membersOf(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

/** Every object of the document, with the way to it. */
function* objectsIn(value: unknown, way: readonly string[] = []): Generator<{ way: string; value: object }> {
  if (typeof value !== "object" || value === null) return;
  yield { way: way.join("/"), value };
  for (const [name, member] of Object.entries(value)) yield* objectsIn(member, [...way, name]);
}

/** What a reference within the document leads to. */
function follow(ref: string): unknown {
  expect(ref).toMatch(/^#\//);
  return at(document, ...ref.slice(2).split("/"));
}

/** How a value violates a schema of the document; its references lead into the document. */
function violations(schema: unknown, value: unknown): string[] {
  expect(schema).toBeTypeOf("object");
  const root = { ...(schema as object), components: at(document, "components") } as Schema;
  return new Validator(root, "2020-12").validate(value).errors.map((e) => `${e.instanceLocation}: ${e.error}`);
}

/** Members of a value that its schema says nothing about, which a lenient schema lets pass. */
function undescribed(schema: unknown, value: unknown, way = ""): string[] {
  const ref = at(schema, "$ref");
  if (typeof ref === "string") return undescribed(follow(ref), value, way);
  const choices = at(schema, "anyOf");
  if (Array.isArray(choices))
    return undescribed(
      choices.find((choice) => at(choice, "type") !== "null"),
      value,
      way,
    );
  if (Array.isArray(value))
    return value.flatMap((item, index) => undescribed(at(schema, "items"), item, `${way}/${index}`));
  const rest = at(schema, "additionalProperties");
  return membersOf(value).flatMap(([name, member]) => {
    const described = at(schema, "properties", name) ?? rest;
    return described === undefined ? [`${way}/${name}`] : undescribed(described, member, `${way}/${name}`);
  });
}

/** Holds an answer's status, type, headers and JSON against what the document says about it. */
function expectDescribed({ status, headers, json }: Sent, method: string, path: string): void {
  const response = at(document, "paths", path, method, "responses", String(status));
  expect(response, `${method} ${path} ${status}`).toBeDefined();
  const schema = at(response, "content", (headers.get("content-type") ?? "").split(";", 1)[0] ?? "", "schema");
  expect(violations(schema, json())).toEqual([]);
  expect(undescribed(schema, json())).toEqual([]);
  const described = new Set(membersOf(at(response, "headers")).map(([name]) => name));
  // What the answer of a generation has is said there once; its errors have it too.
  const usual = membersOf(at(document, "paths", chat, "post", "responses", "200", "headers")).map(([name]) => name);
  const known = new Set(["content-type", "content-length", "x-request-id", ...usual]);
  expect([...headers.keys()].filter((name) => !described.has(name) && !known.has(name))).toEqual([]);
}

describe("/openapi.json", () => {
  it("is open to everyone, also where the settings are wrong", async () => {
    const withKeys = { ...onlyOpenAi, GATEWAY_API_KEYS: `a:${"0".repeat(64)}` };
    for (const settings of [onlyOpenAi, withKeys, { ENVIRONMENT: "production" }]) {
      const answer = await testApp({ settings }).send("/openapi.json");
      expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/json"]);
      expect(answer.json()).toEqual(document);
    }
  });

  it("has the form of OpenAPI 3.1", () => {
    expect(document).toMatchObject({
      openapi: expect.stringMatching(/^3\.1\.\d$/),
      info: { title: expect.any(String), version: expect.any(String) },
      security: [{ apiKey: [] }],
      components: { securitySchemes: { apiKey: { type: "http", scheme: "bearer" } } },
    });
    const ids = operations.map(({ operation }) => at(operation, "operationId"));
    expect(new Set(ids).size).toBe(operations.length);
    const tags = z
      .array(z.looseObject({ name: z.string() }))
      .parse(at(document, "tags"))
      .map(({ name }) => name);
    for (const { path, method, operation } of operations) {
      expect(operation).toMatchObject({ operationId: expect.any(String), summary: expect.any(String) });
      expect(tags).toContain(at(operation, "tags", 0));
      expect(at(operation, "requestBody") !== undefined, path).toBe(method === "post");
      for (const [status, response] of membersOf(at(operation, "responses"))) {
        expect(status).toMatch(/^[2-5]\d\d$/);
        expect(response).toMatchObject({ description: expect.any(String), content: expect.any(Object) });
      }
      const parameters = z.array(z.looseObject({})).parse(at(operation, "parameters") ?? []);
      const named = parameters.flatMap((parameter) => (parameter.in === "path" ? [parameter.name] : []));
      expect(named).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    }
  });

  it("has no reference that leads nowhere, and nothing that no reference leads to but the events' schemas", () => {
    const refs = [...objectsIn(document)].flatMap(({ value }) => at(value, "$ref") ?? []).map(String);
    for (const ref of refs) expect(follow(ref), ref).toBeTypeOf("object");
    const components = ["schemas", "parameters", "headers"].flatMap((kind) =>
      membersOf(at(document, "components", kind)).map(([name]) => `#/components/${kind}/${name}`),
    );
    const text = JSON.stringify(document);
    expect(components.filter((ref) => !refs.includes(ref) && !text.includes(`\`${ref.split("/").at(-1)}\``))).toEqual(
      [],
    );
  });

  it("describes every route, and none that is not there", () => {
    const routes = testApp()
      .app.routes.filter(({ method, path }) => method !== "ALL" && !path.startsWith("/docs/"))
      .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)(\{.*\})?/, "{$1}")}`);
    const described = operations.map(({ path, method }) =>
      path.startsWith(connect) ? `${method} ${connect}{method}` : `${method} ${path}`,
    );
    expect([...new Set(described)].sort()).toEqual(routes.sort());
  });

  it("describes every method of the contract that is served, and no other", async () => {
    const app = testApp();
    const served: string[] = [];
    for (const { name, methodKind } of AIService.methods) {
      const type = methodKind === "unary" ? "application/json" : "application/connect+json";
      const answer = await app.post(connect + name, "{}", { "content-type": type });
      if (!answer.text.includes("unimplemented")) served.push(connect + name);
    }
    expect(
      paths
        .map(([path]) => path)
        .filter((path) => path.startsWith(connect))
        .sort(),
    ).toEqual(served.sort());
  });

  it("asks for a key wherever the gateway does", async () => {
    const app = testApp({ settings: { ...onlyOpenAi, GATEWAY_API_KEYS: `a:${"0".repeat(64)}` } });
    for (const { path, method, operation } of operations) {
      const { status } = await app.send(path.replace("{id}", "gpt-4o"), { method: method.toUpperCase() });
      const isOpen = JSON.stringify(at(operation, "security")) === "[]";
      expect([path, status === 401]).toEqual([path, !isOpen]);
    }
  });

  it.each([
    ["ChatCompletionRequest", chat, chatCompletionRequest],
    ["GenerateRequest", generate, generateRequest],
  ])("has %s from the schema that validates", (name, path, schema) => {
    const { $schema: _, ...json } = z.toJSONSchema(schema, { target: "draft-2020-12", io: "input" });
    expect(follow(`#/components/schemas/${name}`)).toEqual(json);
    const body = at(document, "paths", path, "post", "requestBody", "content", "application/json");
    expect(at(body, "schema", "$ref")).toBe(`#/components/schemas/${name}`);
    for (const [, { value }] of Object.entries(at(body, "examples") as Record<string, { value: unknown }>))
      expect(schema.safeParse(value)).toMatchObject({ success: true });
  });

  it("has the status of every kind of error that a caller can see", () => {
    const statuses = new Set(Object.values(envelopes).map(({ status }) => String(status)));
    statuses.delete("499");
    for (const path of [chat, generate]) {
      const responses = membersOf(at(document, "paths", path, "post", "responses")).map(([status]) => status);
      expect(responses).toEqual(["200", ...[...statuses].sort()]);
    }
  });

  it("has only examples that are what they are examples of", () => {
    const contents = [...objectsIn(document)].filter(({ way }) => way.endsWith("application/json"));
    expect(contents.length).toBeGreaterThan(20);
    for (const { way, value } of contents) {
      const examples = membersOf(at(value, "examples")).map(([, example]) => at(example, "value"));
      if (at(value, "example") !== undefined) examples.push(at(value, "example"));
      for (const example of examples) {
        expect([way, violations(at(value, "schema"), example)]).toEqual([way, []]);
        if (at(value, "schema", "type") !== "object")
          expect([way, undescribed(at(value, "schema"), example)]).toEqual([way, []]);
      }
    }
  });

  const body = { messages: [{ role: "user", content: "docs" }] };
  const prompt = { projectId: "p", prompt: "docs" };
  it.each<[string, string, unknown, number, Record<string, string>?]>([
    ["a completion", chat, body, 200],
    ["a cached completion", chat, body, 200],
    ["an OpenAI error", chat, {}, 400],
    ["an OpenAI error of the upstream", chat, { messages: [{ role: "user", content: "fail" }] }, 503],
    ["an OpenAI error of the type", chat, "x", 415, { "content-type": "text/plain" }],
    ["a Qingyu answer", generate, prompt, 200],
    ["a Qingyu error", generate, { projectId: 1 }, 400],
    ["a Qingyu error of the upstream", generate, { projectId: "p", prompt: "fail" }, 503],
    ["a Connect answer", `${connect}GenerateContent`, prompt, 200],
    ["a Connect error", `${connect}GenerateContent`, {}, 400],
    ["a Connect health check", `${connect}HealthCheck`, {}, 200],
    ["the models", "/v1/models", undefined, 200],
    ["one model", "/v1/models/{id}", undefined, 200],
    ["liveness", "/health/live", undefined, 200],
    ["readiness", "/health/ready", undefined, 200],
    ["health", "/api/v1/health", undefined, 200],
  ])("says how %s looks", async (_, path, sent, status, headers) => {
    const app = testApp({ network: failingOn("fail") });
    const answer =
      sent === undefined ? await app.send(path.replace("{id}", "gpt-4o")) : await app.post(path, sent, headers);
    expect([answer.status, answer.text]).toEqual([status, expect.any(String)]);
    expectDescribed(answer, sent === undefined ? "get" : "post", path);
  });

  it("says how an unauthenticated caller's answer looks on each surface", async () => {
    const app = testApp({ settings: { ...onlyOpenAi, GATEWAY_API_KEYS: `a:${"0".repeat(64)}` } });
    for (const path of [chat, generate, `${connect}GenerateContent`])
      expectDescribed(await app.post(path, {}), "post", path);
    expectDescribed(await app.send("/v1/models"), "get", "/v1/models");
  });

  it("says how a gateway looks that is not configured", async () => {
    const app = testApp({ settings: { ENVIRONMENT: "production" } });
    for (const path of ["/health/ready", "/api/v1/health"]) {
      const answer = await app.send(path);
      expect(answer.status).toBe(503);
      expectDescribed(answer, "get", path);
    }
    expectDescribed(await app.post(chat, body), "post", chat);
    expectDescribed(await app.post(generate, prompt), "post", generate);
  });

  it.each([
    [chat, { ...body, stream: true, stream_options: { include_usage: true } }],
    [generate, { ...prompt, options: { stream: true } }],
  ])("says how the events of %s look, with a true example", async (path, sent) => {
    const answer = await testApp({ network: fakeOpenAi().network }).post(path, sent);
    expect(answer.headers.get("content-type")).toMatch(/^text\/event-stream/);
    const described = at(document, "paths", path, "post", "responses", "200", "content", "text/event-stream");
    for (const text of [answer.text, String(at(described, "example"))]) {
      const events = text.split("\n\n").filter((event) => event !== "" && !event.endsWith("data: [DONE]"));
      expect(events.length).toBeGreaterThan(1);
      for (const event of events) {
        const [, name = "", data = ""] = /^(?:event: (\w+)\n)?data: (.*)$/.exec(event) ?? [];
        const schema = { $ref: `#/components/schemas/${schemaOfEvent(name)}` };
        expect(String(at(described, "schema", "description"))).toContain(`\`${schemaOfEvent(name)}\``);
        expect([...violations(schema, JSON.parse(data)), ...undescribed(schema, JSON.parse(data))]).toEqual([]);
      }
    }
  });
});

function schemaOfEvent(name: string): string {
  const schemas = new Map([
    ["", "ChatCompletionChunk"],
    ["message", "GenerateMessageEvent"],
    ["done", "GenerateDoneEvent"],
  ]);
  return schemas.get(name) ?? "GenerateErrorEvent";
}

/** OpenAI, which is down for whoever asks for this. */
function failingOn(text: string): Hono {
  return new Hono()
    .use(async (c, next) => {
      if (JSON.stringify(await c.req.raw.clone().json()).includes(text)) return c.text("", 503);
      return await next();
    })
    .route("/", fakeOpenAi().network);
}

describe("/docs", () => {
  const files = {
    "/docs/swagger-ui.css": ["text/css", "public, max-age=3600"],
    "/docs/page.css": ["text/css", "no-cache"],
    "/docs/swagger-ui-bundle.js": ["text/javascript", "public, max-age=3600"],
    "/docs/init.js": ["text/javascript", "no-cache"],
  };

  it.each([
    ["with keys", { ...onlyOpenAi, GATEWAY_API_KEYS: `a:${"0".repeat(64)}` }],
    ["not configured", { ENVIRONMENT: "production" }],
  ])("is an open page whose every part comes from here: %s", async (_, settings) => {
    const app = testApp({ settings });
    const page = await app.send("/docs");
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    const parts = [...page.text.matchAll(/<(?:link|script)[^>]* (?:src|href)="([^"]+)"/g)].map(([, part]) => part);
    expect(parts).toEqual(["data:,", ...Object.keys(files)]);
    for (const [path, [type, caching]] of Object.entries(files)) {
      const { status, headers, text } = await app.send(path);
      expect([path, status, headers.get("content-type")?.split(";")[0]]).toEqual([path, 200, type]);
      expect([headers.get("cache-control"), headers.get("x-content-type-options")]).toEqual([caching, "nosniff"]);
      // Longer than a link that was checked out as the path which it leads to.
      expect(text.length).toBeGreaterThan(100);
    }
  });

  it("allows nothing inline and no other site", async () => {
    const { headers, text } = await testApp().send("/docs");
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; .*connect-src 'self'/);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(text).not.toMatch(/<script>|<style|style=|\son\w+=|https?:|"\/\//);
    expect((await testApp().send("/docs/init.js")).text).toContain("validatorUrl: null");
  });

  it("spares a browser what it has", async () => {
    const app = testApp();
    const path = "/docs/swagger-ui-bundle.js";
    const etag = (await app.send(path)).headers.get("etag") ?? "";
    expect(etag).not.toBe("");
    const again = await app.send(path, { headers: { "if-none-match": etag } });
    expect([again.status, again.text.length]).toEqual([304, 0]);
  });

  it("hands out nothing else of its package", async () => {
    for (const path of [
      "/docs.html",
      "/docs/package.json",
      "/docs/../package.json",
      "/docs/%2e%2e/index.html",
      "/swagger-ui-bundle.js",
    ])
      expect([path, (await testApp().send(path)).status]).toEqual([path, 404]);
  });

  it.each(["/docs", "/openapi.json", ...Object.keys(files)])("refuses to have %s written", async (path) => {
    const { status, headers } = await testApp().post(path, {});
    expect([status, headers.get("allow")]).toEqual([405, "GET"]);
  });

  it("is not there where its files are not", async () => {
    const { ASSETS: _, ...bindings } = env;
    const { app } = testApp();
    const request = new Request("http://gateway.test/docs/swagger-ui.css");
    const answer = await app.fetch(request, bindings as Env, createExecutionContext());
    expect([answer.status, await answer.json()]).toMatchObject([404, { error: { code: "not_found" } }]);
  });
});
