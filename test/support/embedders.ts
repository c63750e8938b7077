import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Hono } from "hono";
import * as z from "zod/mini";
import { type EmbedRequest, EmbedRequestSchema, EmbedResponseSchema } from "../../src/gen/qingyu/ai/ai_service_pb.ts";
import { embeddingList } from "../upstreams/openai-answers.ts";
import { testApp } from "./app-on-fake-network.ts";

type Answer = Response | Promise<Response>;

/** One back end that embeds: an entry of `ai.providers`, and how it answers. */
export interface FakeEmbedder {
  readonly entry: Record<string, unknown> & { readonly name: string };
  readonly answer: (request: Request) => Answer;
}

/** The body of a request to an OpenAI-type provider. */
export type EmbeddingsBody = Record<string, unknown> & { readonly input: readonly unknown[] };

const bodySchema = z.looseObject({ input: z.array(z.unknown()) });

async function bodyOf(request: Request): Promise<EmbeddingsBody> {
  return bodySchema.parse(await request.clone().json());
}

/** An OpenAI-type provider, unless told otherwise with a vector `[1, 0.5]` for the first input of a call, `[2, 0.5]` for the second. */
export function openAiEmbedder(
  name: string,
  embeddingModels: readonly string[],
  answer: (body: EmbeddingsBody, request: Request) => Answer = ({ input }) => listOf(vectorsFor(input)),
): FakeEmbedder {
  const entry = { name, type: "openai", baseUrl: `https://${name}.test/v1`, apiKey: `sk-${name}`, embeddingModels };
  return { entry, answer: async (request) => await answer(await bodyOf(request), request) };
}

export function vectorsFor(inputs: readonly unknown[]): number[][] {
  return inputs.map((_, index) => [index + 1, 0.5]);
}

export function listOf(vectors: readonly unknown[], more: Record<string, unknown> = {}): Response {
  return Response.json(embeddingList(vectors, more));
}

/** The AI service over Connect. */
export function aiServiceEmbedder(
  answer: (request: EmbedRequest, http: Request) => MessageInitShape<typeof EmbedResponseSchema> | Response = ({
    texts,
  }) => ({ embeddings: vectorsFor(texts).map((vector) => ({ vector, dimension: vector.length })) }),
  more: Record<string, unknown> = {},
): FakeEmbedder {
  return {
    entry: { name: "ai", type: "ai-service", baseUrl: "https://ai.test", ...more },
    async answer(request) {
      const message = fromBinary(EmbedRequestSchema, new Uint8Array(await request.clone().arrayBuffer()));
      const answered = answer(message, request);
      if (answered instanceof Response) return answered;
      return new Response(toBinary(EmbedResponseSchema, create(EmbedResponseSchema, answered)), {
        headers: { "content-type": "application/proto" },
      });
    },
  };
}

/** An error of Connect's, as a service answers it. */
export function connectError(code: string, status: number, message = "Traceback: ValueError at 10.0.0.7"): Response {
  return Response.json({ code, message }, { status });
}

/** A gateway before these back ends, and what each of them was asked. */
export function embeddingApp(embedders: readonly FakeEmbedder[], settings: Record<string, unknown> = {}) {
  const visits: { readonly name: string; readonly request: Request }[] = [];
  const network = new Hono().all("*", (c) => {
    const { hostname } = new URL(c.req.url);
    const embedder = embedders.find(({ entry }) => hostname === `${entry.name}.test`);
    if (!embedder) throw new Error(`nobody is at ${hostname}`);
    visits.push({ name: embedder.entry.name, request: c.req.raw.clone() });
    return embedder.answer(c.req.raw);
  });
  const app = testApp({
    network,
    settings: { AI_PROVIDERS: JSON.stringify(embedders.map(({ entry }) => entry)), ...settings },
  });
  return {
    ...app,
    visits,
    asked: () => visits.map(({ name }) => name),
    bodies: async (name: string): Promise<EmbeddingsBody[]> =>
      await Promise.all(visits.filter((visit) => visit.name === name).map(({ request }) => bodyOf(request))),
    embed: async (body: Record<string, unknown>, headers: Record<string, string> = {}) =>
      await app.post("/v1/embeddings", body, { "cache-control": "no-store", ...headers }),
  };
}
