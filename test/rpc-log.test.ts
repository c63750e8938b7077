import { create, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { filled, type Given } from "./support/messages.ts";
import { rpcCases } from "./support/rpc-cases.ts";
import { aiProviders, aiServices, errorOf, pathOf, protocols, requestIn, type Service, ways } from "./support/rpcs.ts";

const { method } = AIService;
/** What may be said of a request, or must be a certain word; all else in both messages is text. */
const said: Given = { status: "completed", model: "qwen-max", response_format: "text" };
const isCounted: ReadonlySet<string> = new Set(["ExecuteAgent", "ExecuteCreativeWorkflow", "StoryWrite"]);
const cases = rpcCases.flatMap((rpc) => protocols.map((protocol) => ({ ...rpc, protocol })));

describe.each(cases)("the log line of $name over $protocol", ({ name, method: of, protocol }) => {
  const sent = filled(of.input, said);
  const answer = filled(of.output, said);
  const operation = name.replace(/(?!^)[A-Z]/g, "_$&").toLowerCase();

  async function linesOf(service: Service, headers?: Record<string, string>) {
    const lines: unknown[] = [];
    for (const way of ways) {
      const { network } = aiServices({ ai: service });
      const { send } = testApp({ settings: { AI_PROVIDERS: aiProviders(protocol, "ai") }, network });
      const { log } = await send(pathOf(of), requestIn(way, of, sent, headers));
      expect(log).toHaveLength(1);
      // The mark of all texts of `filled`.
      expect(log[0]).not.toMatch(/青羽|🪶|10\.0\.0\.7/);
      lines.push(JSON.parse(log[0] ?? ""));
    }
    return lines;
  }

  it("says who answered and what it cost, and nothing of what was said", async () => {
    for (const line of await linesOf(() => answer)) {
      expect(line).toMatchObject({ operation, provider: "ai", tenant: "development", status: 200, stream: false });
      expect(at(line, "attempts")).toMatchObject([{ provider: "ai", outcome: "ok" }]);
      const tokens: unknown = Reflect.get(answer, "tokensUsed");
      expect(at(line, "usage", "totalTokens")).toBe(isCounted.has(name) ? tokens : undefined);
      expect(at(line, "model")).toBe(name === "StoryWrite" ? "qwen-max" : "ai");
    }
  });

  it("has no cost where the service does not know it", async () => {
    for (const tokensUsed of [0, -1]) {
      const free = { ...fromBinary(of.output, toBinary(of.output, answer)), tokensUsed };
      for (const line of await linesOf(() => ("tokensUsed" in answer ? free : answer))) {
        expect(line).toMatchObject({ operation, status: 200 });
        expect(at(line, "usage")).toBeUndefined();
      }
    }
  });

  it("has nothing of an exception's text", async () => {
    for (const line of await linesOf(() => errorOf(protocol, 13, "青羽 at 10.0.0.7"))) {
      expect(line).toMatchObject({ operation, error: "upstream_unavailable", status: 503 });
    }
  });

  it("has nothing of a request that is refused", async () => {
    for (const line of await linesOf(() => answer, { "idempotency-key": "not a key" })) {
      expect(line).toMatchObject({ error: "invalid_value", status: 400 });
    }
  });
});

describe.each(protocols)("the model of a story over %s", (protocol) => {
  async function written(model: string, asked: string, more: Record<string, unknown> = {}) {
    const answer = create(method.storyWrite.output, { content: "雨停了。", model });
    const { network, asked: messages } = aiServices({ ai: () => answer });
    const [ai] = aiProviders(protocol, "ai");
    const { send } = testApp({ settings: { AI_PROVIDERS: [{ ...ai, ...more }] }, network });
    const request: Message = create(method.storyWrite.input, {
      instruction: "续写",
      options: { model: asked, topP: 0 },
    });
    const got = await send(pathOf(method.storyWrite), requestIn("connect proto", method.storyWrite, request));
    const sent = fromBinary(method.storyWrite.input, messages[0]?.bytes ?? new Uint8Array());
    const told = got.status === 200 ? fromBinary(method.storyWrite.output, got.bytes).model : undefined;
    return { sent: [sent.options?.model, sent.options?.topP], told, log: got.log.join(), status: got.status };
  }

  it.each([
    ["as the service says it", "qwen-max-0919", "qwen-max", "qwen-max-0919"],
    ["as it was asked for where the service does not say it", "", "qwen-max", "qwen-max"],
    ["as it was asked for where the service says something else", "KeyError at 10.0.0.7", "qwen-max", "qwen-max"],
    ["not said where nobody says it", "", "", ""],
    ["not said where the service says something else", "KeyError at 10.0.0.7", "", ""],
  ])("is %s", async (_, model, asked, told) => {
    const answer = await written(model, asked);
    expect([answer.told, answer.sent]).toEqual([told, [asked, 0]]);
    expect(answer.log).not.toContain("KeyError");
  });

  it("is the provider's own where the settings say so", async () => {
    const rules = { model: "own", models: ["qwen-*"] };
    expect(await written("", "gpt-4o", rules)).toMatchObject({ told: "own", sent: ["own", 0] });
    expect(await written("", "qwen-max", rules)).toMatchObject({ told: "qwen-max", sent: ["qwen-max", 0] });
    expect(await written("", "", rules)).toMatchObject({ told: "", sent: ["", 0] });
  });

  it("is not logged where it is none", async () => {
    const { status, log } = await written("", "从前".repeat(100_000));
    expect([status, log.length < 1000, log.includes("从前")]).toEqual([400, true, false]);
  });
});
