import { type Schema, Validator } from "@cfworker/json-schema";
import { expect } from "vitest";
import { type Sent, testApp } from "./app-on-fake-network.ts";
import { at } from "./json.ts";

/** The API's description as it is served. */
export const document: unknown = (await testApp().send("/openapi.json")).json();
export const operations = membersOf(at(document, "paths")).flatMap(([path, item]) =>
  membersOf(item).map(([method, operation]) => ({ path, method, operation: inFull(operation) })),
);

/** An operation with its responses in the place of the references to them. */
function inFull(operation: unknown): object {
  const responses = membersOf(at(operation, "responses")).map(([status, response]) => {
    const ref = at(response, "$ref");
    return [status, typeof ref === "string" ? follow(ref) : response] as const;
  });
  return { ...(operation as object), responses: Object.fromEntries(responses) };
}

export function membersOf(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

/** Every object of the document, with the way to it. */
export function* objectsIn(value: unknown, way: readonly string[] = []): Generator<{ way: string; value: object }> {
  if (typeof value !== "object" || value === null) return;
  yield { way: way.join("/"), value };
  for (const [name, member] of Object.entries(value)) yield* objectsIn(member, [...way, name]);
}

/** What a reference within the document leads to. */
export function follow(ref: string): unknown {
  expect(ref).toMatch(/^#\//);
  return at(document, ...ref.slice(2).split("/"));
}

/** How a value violates a schema of the document; its references lead into the document. */
export function violations(schema: unknown, value: unknown): string[] {
  return validatorOf(schema)
    .validate(value)
    .errors.map((e) => `${e.instanceLocation}: ${e.error}`);
}

const schemas = at(document, "components", "schemas");
const validators = new WeakMap<object, Validator>();

/** A validator looks through all that its schema may lead to when it is made. */
function validatorOf(schema: unknown): Validator {
  if (typeof schema !== "object" || schema === null) throw new Error("there is no schema");
  const validator =
    validators.get(schema) ?? new Validator({ ...schema, components: { schemas } } as Schema, "2020-12");
  validators.set(schema, validator);
  return validator;
}

/** Members of a value that its schema says nothing about, which a lenient schema lets pass. */
export function undescribed(schema: unknown, value: unknown, way = ""): string[] {
  const ref = at(schema, "$ref");
  if (typeof ref === "string") return undescribed(follow(ref), value, way);
  const choices = at(schema, "anyOf");
  if (Array.isArray(choices)) {
    const [first = [], ...others] = choices.map((choice) => undescribed(choice, value, way));
    return others.reduce((fewest, found) => (found.length < fewest.length ? found : fewest), first);
  }
  if (Array.isArray(value))
    return value.flatMap((item, index) => undescribed(at(schema, "items"), item, `${way}/${index}`));
  const rest = at(schema, "additionalProperties");
  return membersOf(value).flatMap(([name, member]) => {
    const described = at(schema, "properties", name) ?? rest;
    return described === undefined ? [`${way}/${name}`] : undescribed(described, member, `${way}/${name}`);
  });
}

/** What a page and a static file have besides. */
const ofFiles = new Set([
  "cf-cache-status",
  "content-length",
  "content-security-policy",
  "content-type",
  "etag",
  "referrer-policy",
  "x-content-type-options",
  // Of streams, for proxies.
  "x-accel-buffering",
]);

/** Holds an answer's status, type, headers and JSON against what the document says about it. */
export function expectDescribed({ status, headers, text }: Sent, operation: unknown): void {
  const response = at(operation, "responses", String(status));
  expect(response, `status ${status}: ${text}`).toBeDefined();
  const type = headers.get("content-type")?.split(";", 1)[0];
  expect(membersOf(at(response, "content")).map(([type]) => type)).toEqual(
    type === undefined ? [] : expect.arrayContaining([type]),
  );
  const schema = at(response, "content", type ?? "", "schema");
  if (type === "application/json") {
    expect(violations(schema, JSON.parse(text))).toEqual([]);
    if (at(schema, "type") !== "object") expect(undescribed(schema, JSON.parse(text))).toEqual([]);
  }
  const described = new Map(membersOf(at(response, "headers")).map(([name, header]) => [name, header]));
  for (const [name, value] of headers) {
    if (ofFiles.has(name) || (name === "cache-control" && headers.has("etag"))) continue;
    const header = described.get(name);
    expect(header, `${name} of ${status}`).toBeDefined();
    const schema = at(follow(String(at(header, "$ref"))), "schema");
    expect([name, violations(schema, at(schema, "type") === "string" ? value : JSON.parse(value))]).toEqual([name, []]);
  }
}
