import { create, type DescMethodUnary, type Message, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { testApp } from "./support/app-on-fake-network.ts";
import { rpcCases } from "./support/rpc-cases.ts";
import {
  aiProviders,
  aiServices,
  answerOf,
  errorOf,
  type Protocol,
  pathOf,
  protocols,
  requestIn,
  type Service,
  toldIn,
} from "./support/rpcs.ts";
import { marker } from "./upstreams/texts.ts";

/** How deployed services fail although they can be reached. */

const { method } = AIService;
/** What exceptions of deployed services say. */
const raw = `${marker} grpc._channel._InactiveRpcError at 10.0.0.7:50052 in /srv/agent.py`;

interface Failing {
  readonly service: Service;
  /** The attempt's outcome. */
  readonly outcome: string;
  /** What a caller is told where nobody else can be asked. */
  readonly code: string;
  readonly text: string;
  /** Whether one more try may mend it, where a try costs little. */
  readonly mayPass?: true;
}

const bad = { code: "internal" };
const empty = { ...bad, outcome: "empty", text: "The AI provider's answer is empty." };
const malformed = { ...bad, outcome: "malformed", text: "The AI provider's answer could not be understood." };
const truncated = { ...bad, outcome: "truncated", text: "The AI provider's answer ended too early." };
const oversized = { ...bad, outcome: "oversized", text: "The AI provider's answer is too large." };
const failed = { code: "unavailable", outcome: "internal", text: "The AI provider failed." };
const mayPass = true;
const gaveUp = { code: "unavailable", text: "The AI provider gave the request up." };

/** What goes wrong with the answers of every RPC. */
function failures(of: DescMethodUnary, answer: Message, protocol: Protocol): Record<string, Failing> {
  const good = toBinary(of.output, answer);
  const answering = (response: () => Response): Service => response;
  const typed = (type: string) => answering(() => new Response(raw, { headers: { "content-type": type } }));
  const error = (code: number) => answering(() => errorOf(protocol, code, raw));
  return {
    "INTERNAL with an exception's text": { service: error(13), ...failed, mayPass },
    "UNKNOWN with an exception's text": { service: error(2), ...failed, mayPass },
    ABORTED: { service: error(10), ...gaveUp, outcome: "aborted" },
    "CANCELLED though nobody did": { service: error(1), ...gaveUp, outcome: "canceled" },
    UNAUTHENTICATED: {
      service: error(16),
      code: "internal",
      outcome: "unauthenticated",
      text: "The gateway could not authenticate with the AI provider.",
    },
    UNIMPLEMENTED: {
      service: error(12),
      code: "unavailable",
      outcome: "unimplemented",
      text: "The AI provider does not offer this operation.",
    },
    NOT_FOUND: {
      service: error(5),
      code: "not_found",
      ...(of === method.storyWrite
        ? { outcome: "model_not_found", text: "The AI provider does not have this model." }
        : { outcome: "resource_not_found", text: "The AI provider does not have what the request is about." }),
    },
    "NOT_FOUND of the service's own model": {
      service: answering(() => errorOf(protocol, 5, `model_not_found: ${raw}`)),
      code: "not_found",
      outcome: "model_not_found",
      text: "The AI provider does not have this model.",
    },
    DEADLINE_EXCEEDED: {
      service: error(4),
      code: "deadline_exceeded",
      outcome: "deadline_exceeded",
      text: "The AI provider did not finish in time.",
    },
    "an answer of another type": { service: typed("text/html"), ...malformed },
    "JSON, which nobody asked for": { service: typed("application/json"), ...malformed },
    "no message": { service: answering(() => answerOf(protocol, new TextEncoder().encode(raw))), ...malformed },
    "half a message": {
      service: answering(() => answerOf(protocol, good.slice(0, -1))),
      ...malformed,
    },
    "a message of too many fields": {
      service: answering(() =>
        answerOf(
          protocol,
          new Uint8Array(150_003).map((_, at) => [0xf8, 0x7f, 1][at % 3] ?? 0),
        ),
      ),
      ...oversized,
    },
    "a message that is too large": {
      service: answering(() => answerOf(protocol, new Uint8Array(9_000_000))),
      ...oversized,
    },
    ...(protocol === "grpc-web" && {
      "a message without the end of its answer": {
        service: answering(() => {
          const frame = new Uint8Array([0, 0, 0, 0, good.byteLength, ...good]);
          return new Response(frame, { headers: { "content-type": "application/grpc-web+proto" } });
        }),
        ...truncated,
      },
    }),
  };
}

/** An agent's answer with a status that is no success. */
const agent = (status: string, errors: readonly string[] = []): Service => {
  return () => create(method.executeAgent.output, { status, result: '{"a":1}', errors: [...errors], tokensUsed: 7 });
};
const agentFailures: Record<string, Failing> = {
  "running: nobody can ask how it goes on": { service: agent("running"), ...truncated },
  failed: { service: agent("failed", [raw]), ...failed },
  cancelled: { service: agent("cancelled", [raw]), ...gaveUp, outcome: "canceled" },
  "a word that nobody knows": { service: agent(raw), ...malformed },
  "no word at all": { service: agent(""), ...malformed },
  "a success in capital letters": { service: agent("COMPLETED"), ...malformed },
};

const cases = rpcCases.flatMap((rpc) =>
  protocols.flatMap((protocol) => {
    const all: Record<string, Failing> = {
      ...failures(rpc.method, rpc.answer, protocol),
      ...(rpc.empty && {
        "a success with nothing in it": { service: () => rpc.empty ?? rpc.answer, ...empty },
      }),
      ...(rpc.method === method.executeAgent && agentFailures),
      ...(rpc.empty &&
        rpc.method !== method.executeAgent && {
          "an empty message": { service: () => create(rpc.method.output), ...empty },
        }),
    };
    return Object.entries(all).map(([what, failing]) => ({ ...rpc, protocol, what, failing }));
  }),
);

describe.each(cases)(
  "$name, of a service that answers over $protocol with $what",
  ({ method: of, request, answer, isLong, protocol, failing }) => {
    const { service, outcome, code, text, mayPass } = failing;
    const attempts = mayPass && !isLong ? `first:${outcome}, first:${outcome}` : `first:${outcome}`;

    it("another one answers", async () => {
      const { network } = aiServices({ first: service, second: () => answer });
      const { send } = testApp({ settings: { AI_PROVIDERS: aiProviders(protocol, "first", "second") }, network });
      const got = await send(pathOf(of), requestIn("connect proto", of, request));
      expect(got.headers.get("x-qingyu-attempts")).toBe(`${attempts}, second:ok`);
      expect(got.bytes).toEqual(toBinary(of.output, answer));
      expectNothingOf(got);
    });

    it("the caller is told in our words, where there is no other", async () => {
      // Every way of asking has its own proof in rpc-borders.test.ts.
      for (const way of ["connect json", "grpc-web proto"] as const) {
        const { network } = aiServices({ first: service });
        const settings = { AI_PROVIDERS: aiProviders(protocol, "first"), QINGYU_AI_CREATIVE_FALLBACK: "false" };
        const { send } = testApp({ settings, network });
        const got = await send(pathOf(of), requestIn(way, of, request));
        expect(got.headers.get("x-qingyu-attempts")).toBe(attempts);
        expect(toldIn(way, of, got)).toEqual({ code, text });
        expectNothingOf(got);
      }
    });
  },
);

/** Expects that nothing of what a service has written shows in any byte that leaves the gateway. */
function expectNothingOf({ text, headers, log }: { text: string; headers: Headers; log: readonly string[] }) {
  for (const shown of [text, decodeURIComponent(text), JSON.stringify([...headers]), ...log]) {
    expect(shown).not.toMatch(new RegExp(`${marker}|10\\.0\\.0\\.7|agent\\.py`));
  }
}
