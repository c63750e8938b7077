import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fakeOpenAi, onlyOpenAi, sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import {
  base64url,
  bearer,
  goodClaims,
  hmac,
  keyPair,
  secret,
  signed,
  signedText,
  type TokenParts,
  unixSeconds,
} from "./support/tokens.ts";

const withTokens = { ...onlyOpenAi, JWT_SECRET: secret };
const models = "/v1/models";
const { network } = fakeOpenAi();
const refusal = 'Bearer error="invalid_token"';

/** What a gateway says to a token, or to nothing. */
async function answerTo(token: string | undefined, settings: Record<string, unknown> = {}, path = models) {
  const { send } = testApp({ network, settings: { ...withTokens, ...settings } });
  return await send(path, { headers: token === undefined ? {} : bearer(token) });
}
const statusOf = async (parts: TokenParts, settings?: Record<string, unknown>) =>
  (await answerTo(await signed(parts), settings)).status;

describe("a token of the platform", () => {
  it("is let in, and the log tells whose it is and nothing of it", async () => {
    const token = await signed();
    const { status, log } = await answerTo(token);
    expect(status).toBe(200);
    const line: unknown = JSON.parse(log.at(-1) ?? "");
    expect([at(line, "tenant"), at(line, "user"), at(line, "keyId")]).toEqual(["qingyu", "u-1", undefined]);
    for (const part of token.split(".")) expect(log.join()).not.toContain(part);
  });

  it("is let in as x-api-key too", async () => {
    const { send } = testApp({ network, settings: withTokens });
    expect((await send(models, { headers: { "x-api-key": await signed() } })).status).toBe(200);
    expect((await send(models, { headers: { ...bearer("x"), "x-api-key": await signed() } })).status).toBe(401);
  });

  it.each<[string, TokenParts]>([
    ["without a type", { header: { typ: undefined } }],
    ["of the type of RFC 9068", { header: { typ: "at+jwt" } }],
    ["that says nothing of its purpose", { claims: { token_type: undefined } }],
    ["without roles", { claims: { roles: undefined } }],
    ["with no roles, as Go writes them", { claims: { roles: null } }],
    ["whose user is its subject", { claims: { user_id: undefined } }],
    ["for an audience that is not looked at", { claims: { aud: ["x"] } }],
    ["with claims that nobody knows", { claims: { "https://x.example/y": { z: [1] }, ["__proto__"]: { a: 1 } } }],
    ["without nbf and iat", { claims: { nbf: undefined, iat: undefined } }],
    ["with a fraction of a second", { claims: { exp: unixSeconds() + 60.5 } }],
    ["with a key's id, which a secret has not", { header: { kid: "any" } }],
    ["with a user of another script", { claims: { user_id: "用户-1" } }],
  ])("is let in %s", async (_, parts) => {
    expect(await statusOf(parts)).toBe(200);
  });
});

describe("a hostile token", () => {
  /** What each is must not be guessed from the answer. */
  async function expectRefused(token: string, settings: Record<string, unknown> = {}) {
    const answer = await answerTo(token, settings);
    const { headers, status } = answer;
    expect([status, headers.get("www-authenticate"), headers.get("x-should-retry")]).toEqual([401, refusal, "false"]);
    expect(at(answer.json(), "error")).toEqual({
      message: "The token is not valid.",
      type: "authentication_error",
      param: null,
      code: "invalid_token",
      request_id: headers.get("x-request-id"),
    });
    expect(answer.log).toHaveLength(1);
    expect(JSON.parse(answer.log[0] ?? "")).toMatchObject({ status: 401, error: "invalid_token" });
    for (const part of token.split(".").filter((each) => each.length > 8)) {
      expect(answer.text + answer.log.join()).not.toContain(part);
    }
  }

  it.each<[string, TokenParts]>([
    ["is of another issuer", { claims: { iss: "somebody" } }],
    ["is of a list of issuers", { claims: { iss: ["qingyu"] } }],
    ["is of no issuer", { claims: { iss: undefined } }],
    ["is there to be renewed with", { claims: { token_type: "refresh" } }],
    ["is for a purpose that is none", { claims: { token_type: "" } }],
    ["has a purpose that is no text", { claims: { token_type: ["access"] } }],
    ["never ends", { claims: { exp: undefined } }],
    ["ends at a text", { claims: { exp: "9999999999" } }],
    ["ends at null", { claims: { exp: null } }],
    ["has begun at a text", { claims: { nbf: "1" } }],
    ["was made at a text", { claims: { iat: "1" } }],
    ["is not valid yet", { claims: { nbf: unixSeconds() + 3_600 } }],
    ["names nobody", { claims: { user_id: undefined, sub: undefined } }],
    ["names an empty user", { claims: { user_id: "" } }],
    ["names a number", { claims: { user_id: 7 } }],
    ["names an object", { claims: { user_id: { toString: "u-1" } } }],
    ["names a user with a line break", { claims: { user_id: "u-1\r\nx-qingyu-tenant: other" } }],
    ["names a user with white space", { claims: { user_id: "u 1" } }],
    ["names a user with half a character", { claims: { user_id: "\ud83e" } }],
    ["names a user without end", { claims: { user_id: "u".repeat(257) } }],
    ["has roles that are a text", { claims: { roles: "admin" } }],
    ["has roles that are no texts", { claims: { roles: [{ admin: true }] } }],
    ["has roles without end", { claims: { roles: Array.from({ length: 33 }, () => "a") } }],
    ["has a role without end", { claims: { roles: ["a".repeat(65)] } }],
    ["has an algorithm that is an object", { header: { alg: { HS256: 1 } } }],
    ["has no algorithm", { header: { alg: undefined } }],
    ["has an algorithm in small letters", { header: { alg: "hs256" } }],
    ["says that it is an encrypted one", { header: { enc: "A256GCM", alg: "dir" } }],
    ["says that it is of a longer hash", { header: { alg: "HS512" } }],
    ["says that it is by public keys", { header: { alg: "RS256" } }],
    ["says that its algorithm is its prototype's", { header: { alg: "__proto__" } }],
    ["must not be understood without an extension", { header: { crit: ["exp"], exp: 1 } }],
    ["must not be understood without an extension that there is", { header: { crit: ["b64"], b64: true } }],
    ["has a payload that is not encoded", { header: { crit: ["b64"], b64: false } }],
    ["says where its keys are", { header: { jku: "https://evil.example/jwks" } }],
    ["brings its own key", { header: { jwk: { kty: "oct", k: base64url("a") } } }],
    ["says where its certificate is", { header: { x5u: "https://evil.example/cert" } }],
    ["brings its own certificate", { header: { x5c: ["MII"] } }],
    ["has a key's id that is none", { header: { kid: ["k"] } }],
    ["is of another type", { header: { typ: "dpop+jwt" } }],
    ["has a type that is no text", { header: { typ: 1 } }],
    ["has more than is read", { claims: { more: "m".repeat(8_000) } }],
  ])("that %s is refused", async (_, parts) => {
    await expectRefused(await signed(parts));
  });

  const unsigned = (alg: string) =>
    `${base64url(JSON.stringify({ alg, typ: "JWT" }))}.${base64url(JSON.stringify(goodClaims()))}.`;
  it.each<[string, () => Promise<string> | string]>([
    ["is not signed", () => unsigned("none")],
    ["is not signed, in other letters", () => unsigned("NoNe")],
    ["has an empty signature", () => unsigned("HS256")],
    ["is signed with another secret", async () => signed({ signer: await hmac("another secret that has 32 bytes") })],
    ["is signed with nothing", async () => signed({ signer: await hmac(new Uint8Array(1)) })],
    ["is signed with a public key's algorithm", async () => signed({ signer: (await keyPair("RS256")).signer })],
    ["was changed", async () => (await signed()).replace(/\.[^.]+\./, `.${base64url(JSON.stringify(goodClaims()))}x.`)],
    ["has lost its signature's end", async () => (await signed()).slice(0, -2)],
    ["has more in its signature", async () => `${await signed()}AAAA`],
    ["has four parts", async () => `${await signed()}.x`],
    ["has five parts", async () => `${await signed()}.x.y`],
    ["has two parts", async () => (await signed()).replace(/\.[^.]+$/, "")],
    ["has one part", () => base64url('{"alg":"HS256"}')],
    ["is in another base64", async () => (await signed()).replace(/\.[^.]*$/, ".++//==")],
    ["has a header that is no JSON", async () => signedText("{alg", "{}", await hmac(secret))],
    ["has a header that is a list", async () => signedText('["HS256"]', "{}", await hmac(secret))],
    ["has a header that is null", async () => signedText("null", "{}", await hmac(secret))],
    ["has a payload that is no JSON", async () => signedText('{"alg":"HS256"}', "{iss", await hmac(secret))],
    ["has a payload that is a list", async () => signedText('{"alg":"HS256"}', "[1]", await hmac(secret))],
    ["has a payload that is null", async () => signedText('{"alg":"HS256"}', "null", await hmac(secret))],
    ["has a payload that is empty", async () => signedText('{"alg":"HS256"}', "", await hmac(secret))],
    ["goes deep", async () => signedText('{"alg":"HS256"}', "[".repeat(5_000), await hmac(secret))],
    [
      "never ends",
      async () => {
        const payload = JSON.stringify(goodClaims()).replace(/"exp":\d+/, '"exp":1e999');
        return signedText('{"alg":"HS256"}', payload, await hmac(secret));
      },
    ],
    ["is as long as headers may be", async () => signed({ claims: { more: "m".repeat(60_000) } })],
    ["is dots", () => "ey..."],
    ["is no token at all", () => "undefined"],
  ])("that %s is refused", async (_, make) => {
    await expectRefused(await make());
  });

  it("that is for somebody else is refused where an audience is set", async () => {
    const settings = { QINGYU_AUTH_JWT_AUDIENCE: "gateway" };
    for (const aud of [undefined, "else", ["else"], [], { gateway: 1 }, 1, "gateway2"]) {
      await expectRefused(await signed({ claims: { aud } }), settings);
    }
    for (const aud of ["gateway", ["else", "gateway"]]) expect(await statusOf({ claims: { aud } }, settings)).toBe(200);
  });

  it("that names no tenant is refused where a claim must, and is let into no other's", async () => {
    const settings = { QINGYU_AUTH_JWT_TENANT_CLAIM: "org" };
    for (const org of [undefined, "", "a b", "a:b", 1, ["a"], "t".repeat(65), null]) {
      await expectRefused(await signed({ claims: { org } }), settings);
    }
    const { log } = await answerTo(await signed({ claims: { org: "acme" } }), settings);
    expect(JSON.parse(log.at(-1) ?? "")).toMatchObject({ tenant: "acme", user: "u-1" });
    await expectRefused(await signed(), { QINGYU_AUTH_JWT_TENANT_CLAIM: "constructor" });
  });

  it("is refused once more after one that was right", async () => {
    const { send } = testApp({ network, settings: withTokens });
    const token = await signed();
    expect((await send(models, { headers: bearer(token) })).status).toBe(200);
    expect((await send(models, { headers: bearer(`${token.slice(0, -2)}xx`) })).status).toBe(401);
    expect((await send(models, { headers: bearer(token) })).status).toBe(200);
  });
});

describe("a token's time", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: 1_800_000_000_000 }));
  afterEach(() => void vi.useRealTimers());
  const now = 1_800_000_000;

  it.each([
    // Half a minute for clocks that differ.
    [{ nbf: now + 30 }, 200],
    [{ nbf: now + 31 }, 401],
    [{ exp: now - 29 }, 200],
    [{ exp: now - 30 }, 401],
    [{ exp: now }, 200],
    [{ exp: 0 }, 401],
    [{ exp: -1 }, 401],
  ])("of %j is judged with thirty seconds of leeway: %d", async (claims, status) => {
    expect(await statusOf({ claims })).toBe(status);
  });

  it("ends for one that was just let in, too", async () => {
    const { send } = testApp({ network, settings: withTokens });
    const headers = bearer(await signed({ claims: { exp: now + 10 } }));
    const statusAt = async (seconds: number) => {
      vi.setSystemTime(1000 * (now + seconds));
      return (await send(models, { headers })).status;
    };
    expect([await statusAt(0), await statusAt(39), await statusAt(40), await statusAt(41)]).toEqual([
      200, 200, 401, 401,
    ]);
  });

  it("is said to be over only where all else is right", async () => {
    const exp = now - 60;
    const codeOf = async (parts: TokenParts) => at((await answerTo(await signed(parts))).json(), "error", "code");
    expect(await codeOf({ claims: { exp } })).toBe("token_expired");
    for (const claims of [{ token_type: "refresh" }, { iss: "x" }, { user_id: "" }, { nbf: now + 60 }]) {
      expect(await codeOf({ claims: { ...claims, exp } })).toBe("invalid_token");
    }
    expect(await codeOf({ claims: { exp }, signer: await hmac("another secret that has 32 bytes") })).toBe(
      "invalid_token",
    );
  });
});

describe("each surface says in its own words", () => {
  const wrong = "e30.e30.e30";
  const expired = async () => await signed({ claims: { exp: 0 } });
  const say = async (path: string, token?: string) => {
    const { post } = testApp({ network, settings: withTokens });
    const answer = await post(path, {}, token === undefined ? {} : bearer(token));
    return { answer, challenge: answer.headers.get("www-authenticate") };
  };

  it("the platform's envelope: 1002, 1103, and 1102 with another status, so that its clients renew the token", async () => {
    for (const path of ["/api/v1/ai/generate", "/api/v1/ai/cache", "/api/v1/nothing"]) {
      const said = [await say(path), await say(path, wrong), await say(path, await expired())];
      expect(said.map(({ answer, challenge }) => [answer.status, at(answer.json(), "code"), challenge])).toEqual([
        [401, 1002, "Bearer"],
        [401, 1103, refusal],
        [403, 1102, refusal],
      ]);
      const [, , { answer } = { answer: undefined }] = said;
      expect(answer?.json()).toEqual({
        code: 1102,
        message: "登录已过期。",
        data: null,
        error: "token_expired",
        timestamp: expect.any(Number),
        request_id: answer?.headers.get("x-request-id"),
      });
      expect(JSON.parse(answer?.log.at(-1) ?? "")).toMatchObject({ status: 403, error: "token_expired" });
    }
  });

  it("OpenAI's: 401", async () => {
    const path = "/v1/chat/completions";
    const said = [await say(path), await say(path, wrong), await say(path, await expired())];
    expect(said.map(({ answer, challenge }) => [answer.status, at(answer.json(), "error", "code"), challenge])).toEqual(
      [
        [401, "invalid_api_key", "Bearer"],
        [401, "invalid_token", refusal],
        [401, "token_expired", refusal],
      ],
    );
  });

  it("Connect's: unauthenticated", async () => {
    const path = "/qingyu.ai.AIService/GenerateContent";
    const said = [await say(path), await say(path, wrong), await say(path, await expired())];
    expect(said.map(({ answer, challenge }) => [answer.status, answer.json(), challenge])).toMatchObject([
      [401, { code: "unauthenticated" }, "Bearer"],
      [401, { code: "unauthenticated", message: "The token is not valid." }, refusal],
      [401, { code: "unauthenticated", message: "The token has expired." }, refusal],
    ]);
  });
});

describe("a gateway that takes tokens", () => {
  it("is open to nobody else, whoever set no keys and from wherever", async () => {
    const { send } = testApp({ network, settings: withTokens });
    for (const headers of [{}, bearer("anything"), { authorization: "Basic dTpw" }]) {
      expect((await send(models, { headers })).status).toBe(401);
    }
    const ready = await send("/health/ready");
    expect([ready.status, at(ready.json(), "auth")]).toEqual([200, "jwt"]);
    const far = await send(`https://gateway.example.com${models}`, {
      headers: { ...bearer(await signed()), "cf-ray": "8f0c1d2e3f4a5b6c-FRA" },
    });
    expect(far.status).toBe(200);
  });

  it("serves outside of development without keys, where its secret is long enough", async () => {
    const production = { ENVIRONMENT: "production" };
    expect(await statusOf({}, production)).toBe(200);
    const short = await answerTo(undefined, { ...production, JWT_SECRET: "s".repeat(31) }, "/health/ready");
    expect([short.status, at(short.json(), "problems", 0, "setting")]).toEqual([
      503,
      "auth.jwt.secret (QINGYU_AUTH_JWT_SECRET, JWT_SECRET)",
    ]);
    expect(short.text).not.toContain("sss");
    const warned = await answerTo(undefined, { JWT_SECRET: "s".repeat(31) }, "/health/ready");
    expect([warned.status, at(warned.json(), "warnings", 0)]).toEqual([200, expect.stringContaining("JWT_SECRET")]);
  });

  it("takes keys beside them, also one that looks like a token", async () => {
    const keys = ["k", "eyJ.looks.like-one"];
    const hashes = await Promise.all(keys.map(async (key) => `a:${await sha256Hex(key)}`));
    const settings = { GATEWAY_API_KEYS: hashes.join() };
    for (const key of keys) {
      const { status, log } = await answerTo(key, settings);
      const keyId = (await sha256Hex(key)).slice(0, 8);
      expect([status, JSON.parse(log.at(-1) ?? "")]).toMatchObject([200, { tenant: "a", keyId }]);
    }
    expect(await statusOf({}, settings)).toBe(200);
    const unknown = [await answerTo("another", settings), await answerTo("eyJ.another.x", settings)];
    expect(unknown.map((answer) => [answer.status, at(answer.json(), "error", "code")])).toEqual([
      [401, "invalid_api_key"],
      [401, "invalid_token"],
    ]);
  });

  it("is another one for another issuer", async () => {
    const settings = { QINGYU_AUTH_JWT_ISSUER: "https://id.example.com/", QINGYU_AUTH_JWT_TENANT: "acme" };
    expect(await statusOf({}, settings)).toBe(401);
    const { log } = await answerTo(await signed({ claims: { iss: "https://id.example.com/" } }), settings);
    expect(JSON.parse(log.at(-1) ?? "")).toMatchObject({ status: 200, tenant: "acme" });
  });
});

it("nothing that can be sent as a key or a token is more than refused", async () => {
  const { send } = testApp({ network, settings: { ...withTokens, QINGYU_AUTH_JWT_JWKS_URL: "https://id.test/jwks" } });
  const part = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'eyJ0._-=/{}"') }),
    fc.json().map(base64url),
    fc
      .record({ alg: fc.constantFrom("HS256", "RS256", "none", null), kid: fc.jsonValue() })
      .map((header) => base64url(JSON.stringify(header))),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { maxLength: 5 }),
      fc.constantFrom("Bearer ", "bearer  ", ""),
      async (parts, scheme) => {
        const authorization = `${scheme}${parts.join(".")}`;
        const { status } = await send(models, { headers: { authorization } });
        // Here no key service answers.
        expect([401, 503]).toContain(status);
      },
    ),
    { numRuns: 300 },
  );
});
