import { describe, expect, it } from "vitest";
import * as z from "zod/mini";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { jsonSchema } from "../src/http/docs/schemas.ts";
import { chatCompletionRequest } from "../src/http/openai/chat-completions-request.ts";
import { generateRequest } from "../src/http/qingyu/generate-request.ts";
import { fakeOpenAi, onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { document, follow, membersOf, objectsIn, operations, undescribed, violations } from "./support/openapi.ts";

const chat = "/v1/chat/completions";
const generate = "/api/v1/ai/generate";
const connect = "/qingyu.ai.AIService/";
const paths = membersOf(at(document, "paths"));

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
      const hasBody = ["post", "put"].includes(method) && !/\/(suspend|activate)$/.test(path);
      expect(at(operation, "requestBody") !== undefined, path).toBe(hasBody);
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
    expect(follow(`#/components/schemas/${name}`)).toEqual(jsonSchema(schema));
    const body = at(document, "paths", path, "post", "requestBody", "content", "application/json");
    expect(at(body, "schema", "$ref")).toBe(`#/components/schemas/${name}`);
    for (const [, example] of membersOf(at(body, "examples")))
      expect(schema.safeParse(at(example, "value"))).toMatchObject({ success: true });
  });

  it("has of a message what the contract says and what validation asks", () => {
    const { temperature, seed } = at(document, "components", "schemas", "GenerateOptions", "properties") as Record<
      string,
      unknown
    >;
    expect(temperature).toMatchObject({
      type: "number",
      minimum: 0,
      maximum: 2,
      description: expect.stringContaining("0.0 to 1.0"),
    });
    expect(seed).toMatchObject({ type: "string", description: expect.any(String) });
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

  it.each([
    [chat, { messages: [{ role: "user", content: "docs" }], stream: true, stream_options: { include_usage: true } }],
    [generate, { projectId: "p", prompt: "docs", options: { stream: true } }],
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
  return schemas.get(name) ?? "QingyuErrorEvent";
}
