import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { type CallOptions, type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { Hono } from "hono";
import {
  AIService,
  GenerateContentRequestSchema,
  GenerateContentResponseSchema,
} from "../../src/gen/qingyu/ai/ai_service_pb.ts";
import { completion } from "../upstreams/openai-answers.ts";
import { testApp } from "./app-on-fake-network.ts";

/** What a language model says, or how it refuses. */
export interface Reply {
  /** As JSON where it is no text. */
  readonly says?: unknown;
  /** As OpenAI calls it. */
  readonly finishReason?: "stop" | "length" | "content_filter";
  readonly hasNoUsage?: true;
  readonly refuses?: { readonly status: number; readonly body: unknown };
}

export const writerTypes = ["ai-service", "openai", "anthropic"] as const;
export type WriterType = (typeof writerTypes)[number];

/** What each reply takes, in tokens of prompt and answer. */
const replyTokens = { prompt: 11, completion: 7 };

interface Visit {
  readonly provider: WriterType;
  readonly body: unknown;
}

/**
 * A provider of each type. Language models give their replies one after the other, the last one for ever; the AI service is
 * one by GenerateContent, and answers all else with `unimplemented`, or with what `service` answers.
 */
export function writers(replies: readonly Reply[], service?: (method: string) => Response | undefined) {
  const visits: Visit[] = [];
  const methods: string[] = [];
  const network = new Hono();
  const next = (provider: WriterType, body: unknown): { says: string; finish: string; reply: Reply } => {
    const reply = replies[Math.min(visits.length, replies.length - 1)] ?? {};
    visits.push({ provider, body });
    const { says = "", finishReason = "stop" } = reply;
    return { says: typeof says === "string" ? says : JSON.stringify(says), finish: finishReason, reply };
  };
  const refused = ({ refuses }: Reply) => refuses && Response.json(refuses.body, { status: refuses.status });
  network.post("/v1/chat/completions", async (c) => {
    const { says, finish, reply } = next("openai", await c.req.json());
    return refused(reply) ?? c.json(completion(says, reply.hasNoUsage && { usage: undefined }, finish));
  });
  const stopReasons: Record<string, string> = { stop: "end_turn", length: "max_tokens", content_filter: "refusal" };
  network.post("/v1/messages", async (c) => {
    const { says, finish, reply } = next("anthropic", await c.req.json());
    const usage = { input_tokens: replyTokens.prompt, output_tokens: replyTokens.completion };
    const message = { model: "claude-upstream", content: [{ type: "text", text: says }] };
    return (
      refused(reply) ?? c.json({ ...message, stop_reason: stopReasons[finish], ...(!reply.hasNoUsage && { usage }) })
    );
  });
  network.post("/qingyu.ai.AIService/:method", async (c) => {
    const method = c.req.param("method");
    methods.push(method);
    const answered = service?.(method);
    if (answered) return answered;
    if (method !== "GenerateContent") return unimplemented();
    const asked = fromBinary(GenerateContentRequestSchema, new Uint8Array(await c.req.arrayBuffer()));
    const { says, finish, reply } = next("ai-service", toJson(GenerateContentRequestSchema, asked));
    const { prompt: promptTokens, completion: completionTokens } = replyTokens;
    const usage = { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens };
    const answer = create(GenerateContentResponseSchema, {
      content: says,
      model: "service-upstream",
      finishReason: finish,
      usage: reply.hasNoUsage ? undefined : usage,
    });
    return refused(reply) ?? protoResponse(toBinary(GenerateContentResponseSchema, answer));
  });
  return { network, visits, methods };
}

/** What the AI service answers to a method that it lacks. */
export function unimplemented(): Response {
  return Response.json({ code: "unimplemented", message: "Traceback (most recent call last)" }, { status: 501 });
}

/** A message as the AI service answers it. */
export function protoResponse(bytes: Uint8Array): Response {
  return new Response(bytes.slice(), { headers: { "content-type": "application/proto" } });
}

/** Settings for an AI service and these providers after it. */
export function writerSettings(providers: string): Record<string, unknown> {
  return {
    PYTHON_AI_SERVICE_URL: "http://ai.test",
    OPENAI_API_KEY: "sk-upstream",
    OPENAI_BASE_URL: "https://openai.test/v1",
    ANTHROPIC_API_KEY: "sk-ant-upstream",
    ANTHROPIC_BASE_URL: "https://anthropic.test",
    AI_PROVIDERS: providers,
  };
}

export interface Told<Answer> {
  readonly answer?: Answer;
  readonly error?: ConnectError;
  readonly headers: Headers;
}

export type Ask<Answer> = (client: Client<typeof AIService>, options: CallOptions) => Promise<Answer>;

/** A Connect client's call of the gateway before this network: its answer or error, with the headers that came with it. */
export function connectCalls(network: Hono, settings: Record<string, unknown>) {
  const { fetch } = testApp({ settings, network });
  const transport = createConnectTransport({
    baseUrl: "http://localhost",
    useBinaryFormat: true,
    fetch: (url, init) => fetch(String(url), init),
  });
  const client = createClient(AIService, transport);
  return async <Answer>(ask: Ask<Answer>, headers: Record<string, string> = {}): Promise<Told<Answer>> => {
    let told = new Headers();
    try {
      const onHeader = (came: Headers) => {
        told = came;
      };
      return { answer: await ask(client, { headers, onHeader }), headers: told };
    } catch (error) {
      const connectError = ConnectError.from(error);
      return { error: connectError, headers: connectError.metadata };
    }
  };
}
