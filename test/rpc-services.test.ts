import { create, type Message, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it, vi } from "vitest";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { testApp } from "./support/app-on-fake-network.ts";
import { type RpcCase, rpcCases } from "./support/rpc-cases.ts";
import {
  aiProviders,
  aiServices,
  errorOf,
  type Protocol,
  pathOf,
  protocols,
  requestIn,
  type Service,
  toldIn,
} from "./support/rpcs.ts";
import { requestTo } from "./support/surfaces.ts";

/** Services as they are deployed, of which not all have all RPCs. */

const { method } = AIService;
const [unavailable, resourceExhausted, unimplemented] = [14, 8, 12];

afterEach(() => void vi.useRealTimers());

/** Answers what its deployment has, and `unimplemented` for the rest. */
const having =
  (protocol: Protocol, rpcs: readonly string[]): Service =>
  ({ rpc }) => {
    const known = rpcCases.find(({ name }) => name === rpc);
    if (!rpcs.includes(rpc)) return errorOf(protocol, unimplemented, "Method not found!");
    return known?.answer ?? create(method.generateContent.output, { content: "好", model: "m" });
  };

/** A gateway with these AI services; asks for an RPC and says what came of it. */
function chain(protocol: Protocol, services: Readonly<Record<string, Service>>) {
  const { network, asked } = aiServices(services);
  const app = testApp({ settings: { AI_PROVIDERS: aiProviders(protocol, ...Object.keys(services)) }, network });
  const ask = async ({ method: of, request }: RpcCase, headers?: Record<string, string>) => {
    const answer = await app.send(pathOf(of), requestIn("connect proto", of, request, headers));
    return { ...answer, attempts: answer.headers.get("x-qingyu-attempts") };
  };
  return { app, ask, asked: (rpc: string) => asked.filter((one) => one.rpc === rpc).map(({ service }) => service) };
}

const deployed = ["GenerateContent", "EmbedText", "HealthCheck", ...rpcCases.map(({ name }) => name)];

describe.each(protocols)("over %s", (protocol) => {
  it("a service with the eleven deployed RPCs is enough for all of them, and for streams", async () => {
    const { app, ask, asked } = chain(protocol, { old: having(protocol, deployed) });
    const { path, init } = requestTo("openai", true, `夜雨 ${protocol}`);
    expect((await app.send(path, init)).text).toContain('"content":"好"');
    expect([asked("StreamGenerateContent"), asked("GenerateContent")]).toEqual([["old"], ["old"]]);
    for (const rpc of rpcCases) expect((await ask(rpc)).bytes).toEqual(toBinary(rpc.method.output, rpc.answer));
  });

  it.each(rpcCases)("a service that lacks $name is not asked for it for a minute, and for all else", async (rpc) => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { ask, asked } = chain(protocol, {
      old: having(
        protocol,
        deployed.filter((name) => name !== rpc.name),
      ),
      new: having(protocol, deployed),
    });
    for (let turn = 0; turn < 7; turn++) {
      expect((await ask(rpc, { "cache-control": "no-store" })).attempts).toBe("old:unimplemented, new:ok");
    }
    expect(asked(rpc.name)).toEqual(["old", ...Array.from({ length: 7 }, () => "new")]);
    for (const other of rpcCases) if (other !== rpc) expect((await ask(other)).attempts).toBe("old:ok");
    vi.setSystemTime(Date.now() + 59_000);
    await ask(rpc);
    expect(asked(rpc.name).filter((name) => name === "old")).toHaveLength(1);
    vi.setSystemTime(Date.now() + 1_000);
    await ask(rpc);
    expect(asked(rpc.name).filter((name) => name === "old")).toHaveLength(2);
  });

  it.each(rpcCases)("nobody is told of a service that lacks $name but that it is not to be had", async (rpc) => {
    const { ask } = chain(protocol, { old: having(protocol, []) });
    const told = { code: "unavailable", text: "The AI provider does not offer this operation." };
    for (const _ of [1, 2]) expect(toldIn("connect proto", rpc.method, await ask(rpc))).toEqual(told);
  });

  /** Says once that it is busy, in one way or another, and then answers. */
  const busyOnce = (answer: Message, busy: () => Response): Service => {
    let visits = 0;
    return () => (++visits === 1 ? busy() : answer);
  };
  /** google.rpc.Status with a RetryInfo of so many seconds. */
  const retryInfo = (seconds: number): Record<string, string> => {
    const field = (number: number, bytes: Uint8Array) => [(number << 3) | 2, bytes.byteLength, ...bytes];
    const text = (value: string) => new TextEncoder().encode(value);
    const wait = Uint8Array.of(...field(1, Uint8Array.of(0x08, seconds)));
    const any = [...field(1, text("type.googleapis.com/google.rpc.RetryInfo")), ...field(2, wait)];
    const status = Uint8Array.of(0x08, unavailable, ...field(3, Uint8Array.from(any)));
    return { "grpc-status-details-bin": status.toBase64({ omitPadding: true }) };
  };
  const inDetails = (seconds: number) =>
    protocol === "grpc-web"
      ? errorOf(protocol, unavailable, "busy", retryInfo(seconds))
      : Response.json(
          {
            code: "unavailable",
            details: [
              {
                type: "google.rpc.RetryInfo",
                value: Uint8Array.of(0x0a, 2, 0x08, seconds).toBase64({ omitPadding: true }),
              },
            ],
          },
          { status: 503 },
        );
  const busy = [
    ["says that it is at its limit", () => errorOf(protocol, resourceExhausted, "busy"), "rate_limited", 2],
    [
      "says in a header when to come",
      () => errorOf(protocol, unavailable, "", { "retry-after": "0" }),
      "unavailable",
      2,
    ],
    ["says in a detail when to come", () => inDetails(0), "unavailable", 2],
    ["says that it is long until then", () => inDetails(6), "unavailable", 1],
    ["does not say when to come", () => errorOf(protocol, unavailable, "busy"), "unavailable", 1],
  ] as const;
  const long = rpcCases.filter(({ isLong }) => isLong);

  it.each(
    busy.flatMap(([what, response, outcome, times]) => long.map((rpc) => ({ ...rpc, what, response, outcome, times }))),
  )("a service that $what is asked for $name $times times", async ({ response, outcome, times, ...rpc }) => {
    const { ask, asked } = chain(protocol, { one: busyOnce(rpc.answer, response), two: () => rpc.answer });
    const { attempts } = await ask(rpc);
    expect(attempts).toBe(`one:${outcome}, ${times === 2 ? "one" : "two"}:ok`);
    expect(asked(rpc.name)).toEqual(["one", times === 2 ? "one" : "two"]);
  });

  it("an agent's success is one whatever errors it names, of which the caller hears nothing", async () => {
    const rpc = rpcCases.find(({ name }) => name === "ExecuteAgent");
    if (!rpc) throw new Error("no agent");
    const { output } = method.executeAgent;
    const said = { executionId: "e", status: "completed", result: "{}", tokensUsed: 7 };
    const { ask } = chain(protocol, { ai: () => create(output, { ...said, errors: ["KeyError at 10.0.0.7"] }) });
    const { bytes, headers, log } = await ask(rpc);
    expect([bytes, headers.get("x-qingyu-attempts")]).toEqual([toBinary(output, create(output, said)), "ai:ok"]);
    expect(log.join()).not.toContain("KeyError");
  });

  it.each(rpcCases)("the caller is told at once what a service takes for his own fault: $name", async (rpc) => {
    const refuse = () => errorOf(protocol, 3, "invalid task: 10.0.0.7");
    const { ask, asked } = chain(protocol, { one: refuse, two: () => rpc.answer });
    const told = { code: "invalid_argument", text: "The AI provider refused the request as invalid." };
    expect(toldIn("connect proto", rpc.method, await ask(rpc))).toEqual(told);
    expect(asked(rpc.name)).toEqual(["one"]);
  });
});
