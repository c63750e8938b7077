import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { bearer, goodClaims, hmac, keyPair, type Signer, secret, signed, signedText } from "./support/tokens.ts";

/** Keys that an issuer publishes: how often they are asked for, whether they hold when it is down, and whose signature counts. */

const models = "/v1/models";
const url = "https://id.test/jwks?of=all";
const settings = { ...onlyOpenAi, QINGYU_AUTH_JWT_JWKS_URL: url };

const [rsa, ec, ed, next] = await Promise.all([
  keyPair("RS256", "rsa"),
  keyPair("ES256", "ec"),
  keyPair("EdDSA", "ed"),
  keyPair("ES256", "next"),
]);

type Answering = (c: Request) => Response | Promise<Response>;
const publishing =
  (...keys: readonly object[]): Answering =>
  () =>
    Response.json({ keys });

/** A gateway that takes the tokens of an issuer whose key service does what the test says. */
function gatewayOf(answering: Answering, more: Record<string, unknown> = {}) {
  const asked: Request[] = [];
  const service = { answering };
  const network = new Hono().get("/jwks", async (c) => {
    asked.push(c.req.raw);
    return await service.answering(c.req.raw);
  });
  const { send } = testApp({ network, settings: { ...settings, ...more } });
  const ask = async (token: string, path = models) => await send(path, { headers: bearer(token) });
  return { ask, statusOf: async (token: string) => (await ask(token)).status, asked, service };
}

const tokenOf = async ({ signer }: { readonly signer: Signer }, kid?: string, claims = {}) =>
  await signed({ signer, header: { kid }, claims });

const startMs = 1_800_000_000_000;
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: startMs }));
afterEach(() => void vi.useRealTimers());
const passSeconds = (seconds: number) => vi.setSystemTime(Date.now() + 1000 * seconds);

describe("a token that is signed with a published key", () => {
  it("is let in by each of the algorithms, for one question to the key service", async () => {
    const { statusOf, asked } = gatewayOf(publishing(rsa.jwk, ec.jwk, ed.jwk));
    expect(await statusOf(await tokenOf(rsa, "rsa"))).toBe(200);
    expect(await statusOf(await tokenOf(ec, "ec"))).toBe(200);
    expect(await statusOf(await tokenOf(ed, "ed"))).toBe(200);
    expect(asked.map((request) => [request.url, Object.fromEntries(request.headers)])).toEqual([
      [url, { accept: "application/json" }],
    ]);
  });

  it("is let in without a key's id, whichever of the keys it is", async () => {
    const { statusOf } = gatewayOf(publishing(ec.jwk, { ...next.jwk, kid: undefined }, rsa.jwk));
    for (const pair of [ec, next, rsa]) expect(await statusOf(await tokenOf(pair))).toBe(200);
    expect(await statusOf(await tokenOf(ed))).toBe(401);
  });

  it("is let in beside those of a secret", async () => {
    const { statusOf } = gatewayOf(publishing(rsa.jwk), { JWT_SECRET: secret });
    expect([await statusOf(await tokenOf(rsa, "rsa")), await statusOf(await signed())]).toEqual([200, 200]);
  });

  it("is let in where other keys of the set are of no use, or its private half was published too", async () => {
    const jwk = await crypto.subtle.exportKey("jwk", ec.pair.privateKey);
    const { statusOf } = gatewayOf(
      publishing({ kty: "oct", k: "AAAA" }, { kty: "AKP" }, { n: 1 }, [], { ...jwk, kid: "ec", key_ops: undefined }),
    );
    expect(await statusOf(await tokenOf(ec, "ec"))).toBe(200);
  });
});

describe("no token is let in", () => {
  it("that another key has signed than it says", async () => {
    const { statusOf } = gatewayOf(publishing(ec.jwk, next.jwk, rsa.jwk));
    expect(await statusOf(await tokenOf(ec, "next"))).toBe(401);
    expect(await statusOf(await tokenOf(ec, "rsa"))).toBe(401);
    expect(await statusOf(await signed({ signer: ec.signer, header: { alg: "RS256", kid: "rsa" } }))).toBe(401);
  });

  it("by HS256 with what is published for the secret, be a secret set or not", async () => {
    const oct = { kty: "oct", k: btoa("an oct key that somebody published"), kid: "oct", alg: "HS256" };
    const spki = await crypto.subtle.exportKey("spki", rsa.pair.publicKey);
    if (!(spki instanceof ArrayBuffer)) throw new Error("an SPKI is bytes");
    const pem = `-----BEGIN PUBLIC KEY-----\n${btoa(String.fromCharCode(...new Uint8Array(spki)))}\n-----END PUBLIC KEY-----\n`;
    const guesses = [
      pem,
      pem.trim(),
      new Uint8Array(spki),
      JSON.stringify(rsa.jwk),
      String(rsa.jwk.n),
      atob(oct.k),
      oct.k,
    ];
    for (const more of [{}, { JWT_SECRET: secret }]) {
      const { statusOf, asked } = gatewayOf(publishing(rsa.jwk, oct), more);
      for (const guess of guesses) {
        for (const kid of ["rsa", "oct", undefined]) {
          expect(await statusOf(await tokenOf({ signer: await hmac(guess) }, kid))).toBe(401);
        }
      }
      expect(asked).toEqual([]);
    }
  });

  it("by a key that is there for something else, or for another algorithm", async () => {
    for (const more of [{ use: "enc" }, { alg: "ES384" }, { key_ops: ["encrypt"] }, { crv: "P-384" }]) {
      const { statusOf } = gatewayOf(publishing({ ...ec.jwk, ...more }));
      expect(await statusOf(await tokenOf(ec, "ec"))).toBe(401);
    }
  });

  it("by an RSA key that can be factored", async () => {
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 1024 };
    const pair = await crypto.subtle.generateKey({ ...algorithm, publicExponent: new Uint8Array([1, 0, 1]) }, true, [
      "sign",
      "verify",
    ]);
    if (!("privateKey" in pair)) throw new Error("RSA has pairs");
    const { statusOf } = gatewayOf(
      publishing({ ...(await crypto.subtle.exportKey("jwk", pair.publicKey)), kid: "weak" }),
    );
    expect(await statusOf(await tokenOf({ signer: { alg: "RS256", key: pair.privateKey } }, "weak"))).toBe(401);
  });

  it("whose claims are wrong", async () => {
    const { statusOf } = gatewayOf(publishing(ec.jwk));
    for (const claims of [{ iss: "x" }, { token_type: "refresh" }, { exp: 0 }, { nbf: 9e9 }, { user_id: 1 }]) {
      expect(await statusOf(await tokenOf(ec, "ec", claims))).toBe(401);
    }
    expect(
      await statusOf(await signedText('{"alg":"ES256","kid":"ec"}', JSON.stringify(goodClaims()), ec.signer)),
    ).toBe(200);
  });
});

describe("the key service", () => {
  it("is asked once in thirty seconds, whatever key ids come", async () => {
    const { statusOf, asked } = gatewayOf(publishing(ec.jwk));
    const strangers = async () => {
      const tokens = Array.from({ length: 20 }, (_, index) => tokenOf(next, `k${index}`));
      return await Promise.all((await Promise.all(tokens)).map(statusOf));
    };
    expect(new Set(await strangers())).toEqual(new Set([401]));
    expect(asked).toHaveLength(1);
    passSeconds(29.9);
    await strangers();
    expect(asked).toHaveLength(1);
    passSeconds(0.1);
    await strangers();
    expect(asked).toHaveLength(2);
  });

  it("is not asked for tokens that can be none", async () => {
    const { statusOf, asked } = gatewayOf(publishing(ec.jwk));
    for (const header of [
      { alg: "none" },
      { alg: "HS256" },
      { alg: "PS256" },
      { jku: "https://x" },
      { typ: "x" },
      { crit: [] },
    ]) {
      expect(await statusOf(await signed({ signer: ec.signer, header: { kid: "ec", ...header } }))).toBe(401);
    }
    expect(asked).toEqual([]);
  });

  it("rotates its keys: a new one is learned when a token names it, an old one forgotten", async () => {
    const { statusOf, asked, service } = gatewayOf(publishing(ec.jwk));
    expect(await statusOf(await tokenOf(ec, "ec"))).toBe(200);
    passSeconds(30);
    service.answering = publishing(ec.jwk, next.jwk);
    expect([await statusOf(await tokenOf(next, "next")), await statusOf(await tokenOf(ec, "ec"))]).toEqual([200, 200]);
    expect(asked).toHaveLength(2);
    // Ten minutes later it is looked at again, behind an answer that the old keys still give.
    passSeconds(600);
    service.answering = publishing(next.jwk);
    expect(await statusOf(await tokenOf(ec, "ec"))).toBe(200);
    expect(asked).toHaveLength(3);
    expect(await statusOf(await tokenOf(ec, "ec", { n: 1 }))).toBe(401);
    expect(await statusOf(await tokenOf(next, "next", { n: 1 }))).toBe(200);
  });

  it("is asked once by all who come at the same time", async () => {
    const asking = Promise.withResolvers<Response>();
    const { statusOf, asked } = gatewayOf(() => asking.promise);
    const tokens = await Promise.all(Array.from({ length: 10 }, (_, n) => tokenOf(ec, "ec", { n })));
    const statuses = Promise.all(tokens.map(statusOf));
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    asking.resolve(Response.json({ keys: [ec.jwk] }));
    expect(new Set(await statuses)).toEqual(new Set([200]));
    expect(asked).toHaveLength(1);
  });

  const chunk = new Uint8Array(16_384).fill(0x20);
  it.each<[string, Answering]>([
    ["cannot be reached", () => Promise.reject(new Error("refused"))],
    ["fails", () => new Response("{}", { status: 500 })],
    ["leads elsewhere", () => Response.redirect("https://evil.example/jwks")],
    ["has no content", () => new Response(null, { status: 204 })],
    ["answers with no JSON", () => new Response("<html>")],
    ["answers with no set", () => Response.json([])],
    ["answers with a set of none", () => Response.json({ keys: {} })],
    ["answers with bytes that are no text", () => new Response(new Uint8Array([0x7b, 0xff, 0x7d]))],
    [
      "never comes to an end",
      () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) })),
    ],
    ["announces more than is read", () => new Response(JSON.stringify({ keys: [ec.jwk], more: "m".repeat(65_536) }))],
  ])("that %s is no reason to log anybody out", async (_, answering) => {
    const { ask, statusOf, asked, service } = gatewayOf(answering);
    const token = await tokenOf(ec, "ec");
    const answer = await ask(token, "/api/v1/ai/cache");
    expect([answer.status, answer.headers.get("retry-after"), answer.headers.get("www-authenticate")]).toEqual([
      503,
      "30",
      null,
    ]);
    expect(answer.json()).toMatchObject({
      code: 5002,
      message: "暂时无法验证登录凭证，请稍后再试。",
      error: "key_service_unavailable",
    });
    expect(answer.log.some((line) => line.includes('"key_service_failed"'))).toBe(true);
    expect([await statusOf(token), await statusOf(await tokenOf(next, "next"))]).toEqual([503, 503]);
    expect(asked).toHaveLength(1);
    // Nor to let anybody in.
    expect(await statusOf(await signed())).toBe(401);
    passSeconds(30);
    service.answering = publishing(ec.jwk);
    expect(await statusOf(token)).toBe(200);
    expect(asked).toHaveLength(2);
  });

  it("that is silent is waited for three seconds", async () => {
    const { ask, asked } = gatewayOf(() => new Promise(() => {}));
    const token = await tokenOf(ec, "ec");
    const answers = Promise.all([ask(token), ask(token)]);
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    await vi.advanceTimersByTimeAsync(3_000);
    expect((await answers).map(({ status }) => status)).toEqual([503, 503]);
    expect(Date.now() - startMs).toBeLessThan(6_000);
  });

  it("that is down for a day takes nothing from those whose key is known", async () => {
    const { statusOf, asked, service } = gatewayOf(publishing(ec.jwk));
    expect(await statusOf(await tokenOf(ec, "ec"))).toBe(200);
    service.answering = () => Promise.reject(new Error("down"));
    passSeconds(86_400);
    for (const n of [1, 2, 3]) expect(await statusOf(await tokenOf(ec, "ec", { n }))).toBe(200);
    expect(asked).toHaveLength(2);
    const unknown = await tokenOf(next, "next");
    expect(await statusOf(unknown)).toBe(503);
    expect(asked).toHaveLength(2);
    passSeconds(30);
    expect(await statusOf(unknown)).toBe(503);
    expect(asked).toHaveLength(3);
    // What its key denies is denied all the same.
    expect(await statusOf(await signed({ signer: next.signer, header: { kid: "ec" } }))).toBe(401);
    service.answering = publishing(next.jwk);
    passSeconds(30);
    expect(await statusOf(unknown)).toBe(200);
  });

  it("tells nothing of itself, and hears nothing of the callers", async () => {
    const { ask, asked } = gatewayOf(() => new Response("secret-of-the-service", { status: 500 }));
    const token = await tokenOf(ec, "ec");
    const { text, log, headers } = await ask(token);
    expect(text + log.join() + JSON.stringify([...headers])).not.toMatch(/secret-of-the-service|id\.test/);
    expect(at(JSON.parse(log.at(-1) ?? ""), "status")).toBe(503);
    expect(JSON.stringify(asked.map((request) => [...request.headers]))).not.toContain(token);
  });
});
