import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type * as z from "zod/mini";
import { digestWith, keyOf } from "../src/cache/storage/key.ts";
import { defaultsFor, type GenerationRequest } from "../src/generation.ts";
import { chatCompletionRequest, fromChatCompletionRequest } from "../src/http/openai/chat-completions-request.ts";
import { fromGenerateRequest, generateRequest } from "../src/http/qingyu/generate-request.ts";
import { generateOperation } from "../src/operations/generate.ts";

const platform = { maxTokens: 2000, temperature: 0.7 };
const defaults = { model: "gpt-default", platform, asWritten: {}, mostTokens: 131_072 };
const limits = { requestMs: 1, firstTokenMs: 1, idleMs: 1 };
const operation = generateOperation({
  defaults,
  limits,
  lifetimes: { ttlSeconds: 1, staleSeconds: 0 },
  scope: "tenant",
});
const sha256 = digestWith(undefined);
const as = (tenant: string) => ({ tenant, roles: [] });
const keys = keyOf(operation, sha256);
const digest = (tenant: string, request: GenerationRequest) => keys(as(tenant), request);

const word = fc.string({ unit: "binary", minLength: 1, maxLength: 20 });
const messages = fc.array(fc.record({ role: fc.constantFrom("system", "user", "assistant"), content: word }), {
  minLength: 1,
  maxLength: 4,
});
const rarely = { requiredKeys: [] as [] };
const temperature = fc.integer({ min: 0, max: 20 }).map((tenths) => tenths / 10);

/** Requests of both surfaces, as JSON values. */
const chat = fc
  .tuple(
    messages,
    fc.record(
      {
        model: word,
        max_tokens: fc.integer({ min: 1, max: 9_000 }),
        temperature,
        top_p: temperature.map((value) => value / 2),
        stop: fc.array(word, { minLength: 1, maxLength: 3 }),
        seed: fc.integer(),
        logit_bias: fc.dictionary(fc.constantFrom("a", "b", "c"), fc.integer({ min: -5, max: 5 }), { minKeys: 2 }),
      },
      rarely,
    ),
  )
  .map(([messages, rest]) => ({ messages, ...rest }));
const generate = fc
  .tuple(word, messages, fc.record({ model: word, maxTokens: fc.integer({ min: 1, max: 9_000 }), temperature }, rarely))
  .map(([projectId, messages, options]) => ({ projectId, messages, options }));

type Surface = { name: string; requests: fc.Arbitrary<object>; read: (body: unknown) => GenerationRequest };
const valid = <S extends z.ZodMiniType>(schema: S, body: unknown): z.infer<S> => schema.parse(body);
const surfaces: readonly Surface[] = [
  {
    name: "OpenAI",
    requests: chat,
    read: (body) => fromChatCompletionRequest(valid(chatCompletionRequest, body)).request,
  },
  { name: "Qingyu", requests: generate, read: (body) => fromGenerateRequest(valid(generateRequest, body)) },
];

/** The same JSON with its members in another order and other white space. */
function respelled(value: unknown): string {
  if (Array.isArray(value)) return `[ ${value.map(respelled).join(" ,\n")} ]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).toReversed();
  return `{\t${members.map(([name, member]) => `${JSON.stringify(name)} : ${respelled(member)}`).join(" , ")} }`;
}

const runs = { numRuns: 300 };

describe.each(surfaces)("the key of a request to the $name surface", ({ requests, read }) => {
  it("does not depend on how it is spelled", async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (body) => {
        expect(await digest("t", read(JSON.parse(respelled(body))))).toBe(await digest("t", read(body)));
      }),
      runs,
    );
  });

  it("differs where any two requests differ in meaning", async () => {
    const meaning = (request: GenerationRequest) => ({
      ...request,
      maxTokens: request.maxTokens ?? defaultsFor(request, defaults).maxTokens,
      temperature: request.temperature ?? defaultsFor(request, defaults).temperature,
    });
    await fc.assert(
      fc.asyncProperty(requests, requests, async (one, other) => {
        const [first, second] = [read(one), read(other)];
        const isSame = (await digest("t", first)) === (await digest("t", second));
        let isEqual = true;
        try {
          expect(meaning(first)).toEqual(meaning(second));
        } catch {
          isEqual = false;
        }
        expect(isSame).toBe(isEqual);
      }),
      runs,
    );
  });

  it("differs for any change of a single member, and from the same request's under another tenant", async () => {
    await fc.assert(
      fc.asyncProperty(requests, word, async (body, more) => {
        const request = read(body);
        const [first] = request.messages;
        const changed: GenerationRequest[] = [
          { ...request, messages: [...request.messages, { role: "user", content: more }] },
          {
            ...request,
            messages: [{ role: "user", content: `${String(first?.content)}${more}` }, ...request.messages.slice(1)],
          },
          { ...request, temperature: 1.23 },
          { ...request, maxTokens: 9_999 },
          { ...request, seed: 424_242.5 },
          { ...request, projectId: `${request.projectId}${more}` },
          { ...request, chapterId: more },
        ];
        const digests = await Promise.all([
          digest("t", request),
          digest("u", request),
          ...changed.map((each) => digest("t", each)),
        ]);
        expect(new Set(digests).size).toBe(digests.length);
      }),
      runs,
    );
  });

  it("is the same for the platform's defaults that are spelled out, and another for OpenAI's", async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (body) => {
        const request = read(body);
        const spelledOut = {
          ...request,
          maxTokens: request.maxTokens ?? 2000,
          temperature: request.temperature ?? 0.7,
        };
        const isSame = (await digest("t", spelledOut)) === (await digest("t", request));
        const isWhole = request.maxTokens !== undefined && request.temperature !== undefined;
        expect(isSame).toBe(isWhole || !request.isAsWritten);
      }),
      runs,
    );
  });
});

describe("keys", () => {
  it("differ for operations of different names", async () => {
    const request: GenerationRequest = { messages: [{ role: "user", content: "same" }] };
    const other = { ...operation, name: "other" };
    expect(await keyOf(other, sha256)(as("t"), request)).not.toBe(await digest("t", request));
  });

  it("differ for texts that differ only in their Unicode normalisation", async () => {
    await fc.assert(
      fc.asyncProperty(word, async (text) => {
        const forms = [...new Set([`é${text}`, `e\u0301${text}`, `${text}ﬁ`, `${text}fi`])];
        const digests = await Promise.all(
          forms.map((content) => digest("t", { messages: [{ role: "user", content }] })),
        );
        expect(new Set(digests).size).toBe(forms.length);
      }),
      runs,
    );
  });

  it("are digested once for the same spelling, unless nothing may be remembered", async () => {
    let digests = 0;
    const key = keyOf(operation, async (value) => {
      digests++;
      return await sha256(value);
    });
    const ask = async (content: string, noStore: boolean) =>
      await key(as("t"), { messages: [{ role: "user", content }] }, { noStore });
    const forbidden = [await ask("again", true), await ask("again", true)];
    expect(digests).toBe(2);
    const allowed = [await ask("again", false), await ask("again", false)];
    expect(digests).toBe(3);
    expect(new Set([...forbidden, ...allowed]).size).toBe(1);
    expect(await ask("another", false)).not.toBe(allowed[0]);
  });

  let all: string[];
  beforeAll(async () => {
    const ofTenant = async (tenant: string) =>
      await Promise.all(
        Array.from({ length: 317 }, (_, index) =>
          digest(tenant, { messages: [{ role: "user", content: `${index}` }] }),
        ),
      );
    all = (await Promise.all(["a", "b"].map(ofTenant))).flat();
  });

  it("of 100,000 pairs across tenants never meet", () => {
    const [ofA, ofB] = [new Set(all.slice(0, 317)), all.slice(317)];
    expect(ofA.size * ofB.length).toBeGreaterThan(100_000);
    expect(ofB.filter((key) => ofA.has(key))).toEqual([]);
  });
});
