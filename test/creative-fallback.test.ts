import { create, toBinary } from "@bufbuild/protobuf";
import { type CallOptions, type Client, Code } from "@connectrpc/connect";
import { type Context, Hono } from "hono";
import { describe, expect, it } from "vitest";
import {
  type AIService,
  OutlineResponseSchema,
  StoryContextResponseSchema,
} from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { outline } from "./support/creative.ts";
import { connectCalls, protoResponse, unimplemented, writerSettings, writers } from "./support/writers.ts";

const task = "写一部小说";
type Service = typeof AIService;
const askOutline = (client: Client<Service>, options: CallOptions) => client.generateOutline({ task }, options);
const attemptsIn = ({ headers }: { readonly headers: Headers }) => headers.get("x-qingyu-attempts");
const refusal = (code: string, status: number) => () =>
  Response.json({ code, message: "sqlalchemy at 10.0.0.7" }, { status });
const good = () => protoResponse(toBinary(OutlineResponseSchema, create(OutlineResponseSchema, { outline })));

/** A call with an AI service that answers so, and language models that would write a good outline. */
async function outlineWith(service: (method: string) => Response | undefined, providers: string, more = {}) {
  const { network, visits, methods } = writers([{ says: outline }], service);
  const call = connectCalls(network, { ...writerSettings(providers), ...more });
  return { ...(await call(askOutline)), visits, methods };
}

describe("an AI service that can", () => {
  it.each(["ai-service,openai", "openai,anthropic,ai-service"])(
    "is asked before any language model: %s",
    async (chain) => {
      const told = await outlineWith(good, chain);
      expect(attemptsIn(told)).toBe("ai-service:ok");
      expect(told.visits).toEqual([]);
    },
  );

  it("is asked before another one writes in its place", async () => {
    const providers = JSON.stringify([
      { name: "old", type: "ai-service", baseUrl: "http://old.test" },
      { name: "openai", type: "openai", baseUrl: "https://openai.test/v1", apiKey: "k" },
      { name: "new", type: "ai-service", baseUrl: "http://new.test" },
    ]);
    let asked = 0;
    const told = await outlineWith(() => (++asked === 1 ? unimplemented() : good()), providers);
    expect(attemptsIn(told)).toBe("old:unimplemented, new:ok");
    expect(told.visits).toEqual([]);
  });
});

describe("an AI service that cannot", () => {
  it.each([
    ["unimplemented", () => unimplemented()],
    ["unavailable", refusal("unavailable", 503)],
    ["internal", refusal("internal", 500)],
    ["permission_denied", refusal("permission_denied", 403)],
    ["deadline_exceeded", refusal("deadline_exceeded", 504)],
    ["empty", () => protoResponse(new Uint8Array())],
    ["malformed", () => protoResponse(Uint8Array.of(0xff))],
  ])("leads to a language model: %s", async (reason, answer) => {
    const told = await outlineWith(
      (method) => (method === "GenerateOutline" ? answer() : unimplemented()),
      "ai-service,openai",
    );
    expect(attemptsIn(told)).toBe(
      reason === "unimplemented"
        ? "ai-service:unimplemented, ai-service:unimplemented, openai:ok"
        : `ai-service:${reason}, openai:ok`,
    );
    expect(told.headers.get("x-qingyu-provider")).toBe("openai");
    expect(told.answer?.outline?.title).toBe("青羽");
  });

  it("leads to its own language model first", async () => {
    const told = await outlineWith(
      (method) => (method === "GenerateContent" ? undefined : unimplemented()),
      "ai-service,openai",
    );
    expect(attemptsIn(told)).toBe("ai-service:unimplemented, ai-service:ok");
    expect(told.methods).toEqual(["GenerateOutline", "GenerateContent"]);
  });

  it("that has failed at it is not asked to write in its own place", async () => {
    const service = (method: string) => (method === "GenerateContent" ? undefined : refusal("aborted", 409)());
    const told = await outlineWith(service, "ai-service");
    expect(attemptsIn(told)).toBe("ai-service:aborted");
    expect(told.methods).toEqual(["GenerateOutline"]);
  });

  it("is not asked for again for a while, and its language model is", async () => {
    const { network, methods } = writers([{ says: "雨停了。" }]);
    const call = connectCalls(network, writerSettings("ai-service"));
    for (const instruction of ["改", "再改"]) {
      const { answer } = await call((client, options) => client.storyWrite({ instruction }, options));
      expect(answer?.content).toBe("雨停了。");
    }
    expect(methods).toEqual(["StoryWrite", "GenerateContent", "GenerateContent"]);
  });

  it("leads nowhere where the caller himself is at fault", async () => {
    for (const code of ["invalid_argument", "failed_precondition"]) {
      const told = await outlineWith(refusal(code, 400), "ai-service,openai");
      expect(attemptsIn(told)).toBe("ai-service:invalid_request");
      expect(told.error?.code).toBe(Code.InvalidArgument);
      expect(told.visits).toEqual([]);
    }
  });

  it("is the one whom the caller hears of, unless it only lacks the operation", async () => {
    const failing = async (code: string, status: number) => {
      const { network } = writers([{ says: "no" }], (method) =>
        method === "GenerateOutline" ? refusal(code, status)() : unimplemented(),
      );
      const call = connectCalls(network, writerSettings("ai-service,openai"));
      return (await call(askOutline)).error?.code;
    };
    expect(await failing("unavailable", 503)).toBe(Code.Unavailable);
    expect(await failing("unimplemented", 501)).toBe(Code.Internal);
  });

  it("leaves the others a share of the one deadline", async () => {
    const { network, visits } = writers([{ says: outline }]);
    const silent = async ({ req }: Context) => {
      const { promise, reject } = Promise.withResolvers<Response>();
      req.raw.signal.addEventListener("abort", () => reject(new Error("aborted")));
      return await promise;
    };
    const beginning = new Hono().post("/qingyu.ai.AIService/:method", silent).route("/", network);
    const settings = { ...writerSettings("ai-service,openai"), QINGYU_DEADLINES_REQUEST_MS: "600" };
    const told = await connectCalls(beginning, settings)(askOutline);
    expect(attemptsIn(told)).toBe("ai-service:timeout, openai:ok");
    expect(visits).toHaveLength(1);
    const timeoutsOf = async (chain: string) => {
      const timeouts: number[] = [];
      const counting = new Hono().post("/qingyu.ai.AIService/:method", ({ req }) => {
        timeouts.push(Number(req.header("connect-timeout-ms")));
        return unimplemented();
      });
      await connectCalls(counting.route("/", network), writerSettings(chain))(askOutline);
      return timeouts;
    };
    const [share, again] = await timeoutsOf("ai-service,openai");
    expect(share).toBeLessThanOrEqual(72_000);
    expect(again).toBeLessThanOrEqual(72_000);
    // Who stands in for itself is nobody else.
    for (const alone of await timeoutsOf("ai-service")) expect(alone).toBeGreaterThan(100_000);
    const nobody = new Hono().post("*", silent);
    const over = await connectCalls(nobody, settings)(askOutline);
    expect(over.error?.code).toBe(Code.DeadlineExceeded);
  });
});

describe("the setting ai.creative_fallback", () => {
  it.each([
    ["", "ai-service:unavailable, openai:ok"],
    ["true", "ai-service:unavailable, openai:ok"],
    ["false", "ai-service:unavailable"],
  ])("as '%s' asks: %s", async (value, attempts) => {
    const service = (method: string) =>
      method === "GenerateOutline"
        ? Response.json({ code: "unavailable" }, { status: 503, headers: { "retry-after": "60" } })
        : unimplemented();
    const told = await outlineWith(service, "ai-service,openai", { QINGYU_AI_CREATIVE_FALLBACK: value });
    expect(attemptsIn(told)).toBe(attempts);
    expect(told.error?.code).toBe(value === "false" ? Code.Unavailable : undefined);
    expect(told.visits).toHaveLength(value === "false" ? 0 : 1);
  });

  it("as false leaves nobody where there is no AI service", async () => {
    const told = await outlineWith(unimplemented, "openai", { QINGYU_AI_CREATIVE_FALLBACK: "false" });
    expect(told.error?.code).toBe(Code.Unavailable);
    expect(told.headers.get("x-should-retry")).toBe("false");
    expect(told.visits).toEqual([]);
  });
});

describe("a provider's breaker", () => {
  it("is one for what it has and for what it stands in for", async () => {
    const failing = (method: string) => (method === "GenerateOutline" ? refusal("aborted", 409)() : undefined);
    const { network, methods } = writers([{ says: outline }], failing);
    const call = connectCalls(network, writerSettings("ai-service,openai"));
    for (let round = 0; round < 5; round++)
      expect(attemptsIn(await call(askOutline))).toBe("ai-service:aborted, openai:ok");
    expect(attemptsIn(await call(askOutline))).toBe("ai-service:breaker_open, openai:ok");
    expect(methods).toHaveLength(5);
  });
});

describe("agents, the workflow and knowledge", () => {
  const asks: Record<string, (client: Client<Service>, options: CallOptions) => Promise<unknown>> = {
    ExecuteAgent: (client, options) => client.executeAgent({ workflowType: "chat", parameters: { task } }, options),
    ExecuteCreativeWorkflow: (client, options) => client.executeCreativeWorkflow({ task }, options),
    QueryKnowledge: (client, options) => client.queryKnowledge({ query: task }, options),
    GetContext: (client, options) => client.getContext({ projectId: "p" }, options),
  };

  it.each(Object.entries(asks))("never reach a language model: %s", async (method, ask) => {
    const { network, visits, methods } = writers([{ says: outline }]);
    const call = connectCalls(network, writerSettings("ai-service,openai,anthropic"));
    const told = await call(ask);
    expect(told.error?.code).toBe(Code.Unavailable);
    expect(attemptsIn(told)).toBe("ai-service:unimplemented");
    expect(methods).toEqual([method]);
    const alone = await connectCalls(network, writerSettings("openai"))(ask);
    expect(alone.error?.code).toBe(Code.Unavailable);
    expect(visits).toEqual([]);
  });
});

describe("a story", () => {
  const ask = (client: Client<Service>, options: CallOptions) =>
    client.storyWrite({ mode: "continue", selectedText: "雨", options: { maxTokens: 3 } }, options);

  it("is passed on as the AI service writes it", async () => {
    const message = create(StoryContextResponseSchema, { content: "雨停", model: "m", contextStats: { ragTokens: 4 } });
    const { network } = writers([], () => protoResponse(toBinary(StoryContextResponseSchema, message)));
    const { answer } = await connectCalls(network, writerSettings("ai-service,openai"))(ask);
    expect(answer).toMatchObject({ content: "雨停", model: "m", tokensUsed: 0, contextStats: { ragTokens: 4 } });
  });

  it("that is empty by its caller's own limit keeps nobody away", async () => {
    const { network, visits } = writers([{ says: "", finishReason: "length" }]);
    const call = connectCalls(network, writerSettings("openai"));
    for (let round = 1; round <= 7; round++) {
      expect(attemptsIn(await call(ask))).toBe("openai:empty");
      expect(visits).toHaveLength(round);
    }
  });

  it("that is empty otherwise keeps its model's callers away in the end", async () => {
    const { network, visits } = writers([{ says: "" }]);
    const call = connectCalls(network, writerSettings("openai"));
    for (let round = 1; round <= 5; round++) await call(ask);
    expect(attemptsIn(await call(ask))).toBe("openai:breaker_open");
    expect(visits).toHaveLength(5);
  });
});
