import { type Message, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { rpcs } from "../src/rpcs/rpcs.ts";
import { sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { ownId } from "./support/ids.ts";
import { filled, type Given, only, unsetIn, zeroed } from "./support/messages.ts";
import { rpcCases } from "./support/rpc-cases.ts";
import { aiProviders, aiServices, pathOf, protocols, requestIn, toldIn, ways } from "./support/rpcs.ts";

/** Nine seconds, less what has passed of them. */
const shortTime: unknown = expect.stringMatching(/^(9000|8\d{3})m?$/);

/** What an answer must say to be one, and what a request may say only of a closed set. */
const answered: Given = { status: "completed", result: "{}", content: "雨停了。" };
const closed: Given = { response_format: "json_object" };

it("covers every RPC of the table", () => {
  expect(rpcCases.map(({ method }) => method)).toEqual(rpcs.map(({ method }) => method));
});

const everywhere = rpcCases.flatMap((rpc) => protocols.map((protocol) => ({ ...rpc, protocol })));

describe.each(everywhere)("$name, asked for over $protocol", ({ method, required, request, answer, protocol }) => {
  const settings = { AI_PROVIDERS: aiProviders(protocol, "ai") };

  /** What the service gets of a message, and what the caller gets of an answer: byte for byte. */
  async function expectBytes(sent: Message, said: Message, { received = sent, told = said } = {}) {
    for (const way of ways) {
      const { network, asked } = aiServices({ ai: () => said });
      const { send } = testApp({ settings, network });
      const got = await send(pathOf(method), requestIn(way, method, sent));
      expect(asked.map(({ rpc, bytes }) => [rpc, bytes])).toEqual([[method.name, toBinary(method.input, received)]]);
      const { message, code } = toldIn(way, method, got);
      expect([got.status, code]).toEqual([200, undefined]);
      expect(message && toBinary(method.output, message)).toEqual(toBinary(method.output, told));
    }
  }

  /** What of an answer no caller may see. */
  const shown = (said: Message) => ("errors" in said ? { ...said, errors: [] } : said);

  it("carries every field there and back", async () => {
    const sent = filled(method.input, closed);
    const said = filled(method.output, answered);
    expect([unsetIn(method.input, sent), unsetIn(method.output, said)]).toEqual([[], []]);
    await expectBytes(sent, said, { told: shown(said) });
  });

  it("adds nothing where nothing is set, but the number of corrections", async () => {
    await expectBytes(request, answer, { received: corrected(request) });
  });

  it("carries every zero that is one", async () => {
    const sent = zeroed(method.input, required);
    const said = zeroed(method.output, answered);
    await expectBytes(sent, said, { received: corrected(sent), told: shown(said) });
  });

  function corrected(sent: Message): Message {
    return Object.assign({ ...sent }, method === AIService.method.executeCreativeWorkflow && { maxReflections: 3 });
  }
});

/** On whose behalf each RPC is asked, by how its message says so. */
const users: Readonly<Record<string, (user: string) => Given>> = {
  ExecuteAgent: (user) => ({ parameters: { user_id: user } }),
  ExecuteCreativeWorkflow: (user) => ({ user_id: user }),
  GenerateOutline: (user) => ({ user_id: user }),
  GenerateCharacters: (user) => ({ user_id: user }),
  GeneratePlot: (user) => ({ user_id: user }),
};

describe.each(everywhere)(
  "$name's metadata over $protocol",
  ({ name, method, required, request, answer, isLong, protocol }) => {
    const trace = "0af7651916cd43dd8448eb211c80319c";
    const form =
      protocol === "connect"
        ? { "content-type": "application/proto", "connect-protocol-version": "1", "connect-timeout-ms": shortTime }
        : {
            "content-type": "application/grpc-web+proto",
            "x-grpc-web": "1",
            "accept-encoding": "identity",
            "grpc-timeout": shortTime,
          };

    it("says who asks and for how long, whatever the caller's own headers say", async () => {
      for (const way of ways) {
        const { network, asked } = aiServices({ ai: () => answer });
        const keys = `readers:${await sha256Hex("a-key")}`;
        const { send } = testApp({
          settings: { AI_PROVIDERS: aiProviders(protocol, "ai"), GATEWAY_API_KEYS: keys },
          network,
        });
        const headers = {
          authorization: "Bearer a-key",
          "x-request-id": "req-7",
          traceparent: `00-${trace}-b7ad6b7169203331-01`,
          "x-request-timeout-ms": "9000",
          "x-qingyu-tenant": "forged",
          "x-qingyu-user-id": "forged",
          "x-forwarded-for": "forged",
          cookie: "forged",
        };
        const got = await send(pathOf(method), requestIn(way, method, request, headers));
        expect(got.headers.get("x-qingyu-attempts")).toBe("ai:ok");
        expect(asked[0]?.headers).toEqual({
          ...form,
          authorization: "Bearer token-ai",
          "x-request-id": ownId,
          traceparent: expect.stringMatching(new RegExp(`^00-${trace}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`)),
          "x-qingyu-hops": expect.stringMatching(/^[0-9a-f]{16}$/),
          "x-qingyu-tenant": "readers",
        });
        expect(asked[0]?.headers["x-request-id"]).not.toBe(got.headers.get("x-request-id"));
      }
    });

    it.each([
      ["u-1", "u-1"],
      ["用户/1 🪶", "%E7%94%A8%E6%88%B7%2F1%20%F0%9F%AA%B6"],
      ["a\r\nx-qingyu-tenant: forged", "a%0D%0Ax-qingyu-tenant%3A%20forged"],
      ["", undefined],
    ])("says for which user, where a message says so: %j", async (user, expected) => {
      const { network, asked } = aiServices({ ai: () => answer });
      const { send } = testApp({ settings: { AI_PROVIDERS: aiProviders(protocol, "ai") }, network });
      const sent = only(method.input, { ...required, ...users[name]?.(user) });
      await send(pathOf(method), requestIn("connect json", method, sent, { "x-qingyu-user-id": "forged" }));
      expect(asked.map(({ headers }) => headers["x-qingyu-user-id"])).toEqual([users[name] ? expected : undefined]);
    });

    it(`has ${isLong ? "all of a request's time" : "half a minute at most"}`, async () => {
      const { network, asked } = aiServices({ ai: () => answer });
      const settings = { AI_PROVIDERS: aiProviders(protocol, "ai"), QINGYU_DEADLINES_REQUEST_MS: "100000" };
      await testApp({ settings, network }).send(pathOf(method), requestIn("connect json", method, request));
      const told = asked[0]?.headers["connect-timeout-ms"] ?? asked[0]?.headers["grpc-timeout"] ?? "";
      const mostMs = isLong ? 100_000 : 30_000;
      expect(Number.parseInt(told, 10)).toBeLessThanOrEqual(mostMs);
      expect(Number.parseInt(told, 10)).toBeGreaterThan(mostMs - 15_000);
    });

    it("has no authorization where no token is configured", async () => {
      const { network, asked } = aiServices({ ai: () => answer });
      const [ai] = aiProviders(protocol, "ai");
      const { send } = testApp({ settings: { AI_PROVIDERS: [{ ...ai, apiKey: undefined }] }, network });
      await send(pathOf(method), requestIn("connect json", method, request, { authorization: "Bearer forged" }));
      expect(asked.map(({ headers }) => headers.authorization)).toEqual([undefined]);
    });
  },
);
