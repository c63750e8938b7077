import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { fakeOpenAi, onlyOpenAi, sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { ownId } from "./support/ids.ts";
import { bearer, secret, signed } from "./support/tokens.ts";
import { completion } from "./upstreams/openai-answers.ts";

const path = "/v1/chat/completions";
const ask = (content: string, more: object = {}) => ({ messages: [{ role: "user", content }], ...more });

describe("the request id", () => {
  it.each([
    ["abc-DEF_1.2", "abc-DEF_1.2"],
    ["a".repeat(128), "a".repeat(128)],
    ["a".repeat(129), expect.stringMatching(/^[0-9a-f-]{36}$/)],
    ["with space", expect.stringMatching(/^[0-9a-f-]{36}$/)],
    ["", expect.stringMatching(/^[0-9a-f-]{36}$/)],
  ])("%s is taken where it fits", async (given, expected) => {
    const { headers } = await testApp().send("/health/live", { headers: { "x-request-id": given } });
    expect(headers.get("x-request-id")).toEqual(expected);
  });
});

describe("the host", () => {
  const send = (host: string, url = "/health/live") => testApp().send(url, { headers: { host } });

  it.each(["localhost", "gateway.example.:8787", "10.0.0.1:80", "[::1]", "[2001:db8::1]:8787", "a_b.svc"])(
    "may be %s",
    async (host) => expect((await send(host)).status).toBe(200),
  );

  it.each([
    "a b",
    "a/b",
    "a?b",
    "a#b",
    "u@a",
    "a\\b",
    "a\tb",
    "a, b",
    "http://a",
    "[::1",
    "a:b",
    "a:123456",
    "%41",
    "",
    " ",
  ])("is refused where it is none: %j", async (host) => {
    const { status, json, log } = await send(host);
    expect([status, json()]).toMatchObject([400, { error: { code: "invalid_value", param: "host" } }]);
    expect(JSON.parse(log[0] ?? "")).toMatchObject({ error: "invalid_value" });
  });

  it("leads nowhere else where the runtime made a URL of it", async () => {
    // What workerd makes of `POST /v1/chat/completions` with that host.
    const host = "localhost/health/live#";
    expect((await send(host, `http://${host}/v1/chat/completions`)).status).toBe(400);
  });
});

describe("the trace", () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  /** The `traceparent` that the upstream saw. */
  async function upstreamTrace(traceparent: string): Promise<string> {
    let seen = "";
    const network = new Hono().post(path, (c) => {
      seen = c.req.header("traceparent") ?? "";
      return c.json({}, 500);
    });
    await testApp({ network }).post(path, ask("trace"), { traceparent, "cache-control": "no-store" });
    return seen;
  }

  it("is continued upstream with a span of our own", async () => {
    const seen = await upstreamTrace(`00-${traceId}-b7ad6b7169203331-01`);
    expect(seen).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    expect(seen).not.toContain("b7ad6b7169203331");
  });

  it.each([
    "",
    "nonsense",
    `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    `ff-${traceId}-b7ad6b7169203331-01`,
    `00-${traceId}-b7ad6b7169203331-01-x`,
  ])("%j starts a new one", async (given) => {
    const seen = await upstreamTrace(given);
    expect(seen).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(seen).not.toContain(traceId);
  });
});

describe("the log line", () => {
  it("tells of a request what it was, who answered, and what it cost", async () => {
    const { network } = fakeOpenAi();
    const settings = { ...onlyOpenAi, GATEWAY_API_KEYS: `tenant-a:${await sha256Hex("k")}` };
    const app = testApp({ network, settings });
    const headers = { authorization: "Bearer k", "x-request-id": "req-log" };
    const line = async (more: object) => JSON.parse((await app.post(path, ask("log", more), headers)).log.at(-1) ?? "");
    const common = {
      message: "request",
      level: "info",
      requestId: "req-log",
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      method: "POST",
      route: path,
      operation: "generate",
      tenant: "tenant-a",
      keyId: (await sha256Hex("k")).slice(0, 8),
      model: "gpt-upstream",
      provider: "openai",
      status: 200,
      finishReason: "stop",
      responseBytes: expect.any(Number),
      durationMs: expect.any(Number),
    };
    const usage = { promptTokens: 11, completionTokens: 7, totalTokens: 18 };
    expect(await line({ stream: true })).toEqual({
      ...common,
      attempts: [{ provider: "openai", outcome: "ok", durationMs: expect.any(Number), upstreamRequestId: ownId }],
      cache: "miss",
      usage: { ...usage, cached: false },
      stream: true,
      firstTokenMs: expect.any(Number),
    });
    expect(await line({})).toEqual({
      ...common,
      attempts: [],
      cache: "hit",
      usage: { ...usage, cached: true },
      stream: false,
    });
  });

  it("is one per request, on every route, and names the route and not the path", async () => {
    const app = testApp();
    for (const [url, route] of [
      ["/health/live", "/health/live"],
      ["/v1/models", "/v1/models"],
      ["/v1/models/my-secret", "/v1/models/:id{.+}"],
    ]) {
      const { log } = await app.send(url ?? "");
      expect(log).toHaveLength(1);
      expect(JSON.parse(log[0] ?? "")).toMatchObject({ route });
      expect(log[0]).not.toContain("my-secret");
    }
  });

  it("is written by its own request, with what only that one met, however many run at once", async () => {
    const slowest = Promise.withResolvers<void>();
    const network = new Hono().post(path, async (c) => {
      const { user } = await c.req.json();
      if (user === "first") await slowest.promise;
      return user === "first" ? c.json({}, 400) : c.json(completion("好"));
    });
    const app = testApp({ network });
    const post = (user: string) => app.post(path, { ...ask(`at once ${user}`), user }, { "x-request-id": user });
    const first = post("first");
    const others = await Promise.all(["second", "third"].map(post));
    slowest.resolve();
    const logs = [await first, ...others].map(({ log }) => log.map((line) => JSON.parse(line)));
    expect(logs).toMatchObject([
      [{ requestId: "first", status: 400 }],
      [{ requestId: "second", status: 200 }],
      [{ requestId: "third", status: 200 }],
    ]);
  });

  it("names the error that the caller got, and every attempt", async () => {
    const network = new Hono().post(path, (c) => c.json({ error: { message: "upstream text" } }, 500));
    const { log, status } = await testApp({ network }).post(path, ask("fails"));
    expect([status, JSON.parse(log.at(-1) ?? "")]).toMatchObject([
      503,
      {
        level: "error",
        status: 503,
        error: "upstream_unavailable",
        attempts: [
          { provider: "openai", outcome: "internal" },
          { provider: "openai", outcome: "internal" },
        ],
      },
    ]);
  });
});

describe("secrets, prompts and upstream texts", () => {
  it("appear in no answer, header or log line", async () => {
    const secrets = {
      ENVIRONMENT: "production",
      OPENAI_API_KEY: "PLANTED-openai",
      ANTHROPIC_API_KEY: "PLANTED-anthropic",
      PYTHON_AI_TOKEN: "PLANTED-token",
      CACHE_KEY_SECRET: "PLANTED-0123456789abcdef0123456789abcdef",
      CACHE_ENCRYPTION_KEY: "PLANTED-fedcba9876543210fedcba9876543210",
      GATEWAY_API_KEYS: `a:${await sha256Hex("PLANTED-key")}`,
      OPENAI_BASE_URL: "https://openai.test/v1",
      AI_PROVIDERS: "openai",
    };
    const bodies = [
      () =>
        Response.json(
          { error: { message: "PLANTED text", code: "PLANTED", param: "PLANTED" } },
          { status: 400, headers: { "x-planted": "PLANTED" } },
        ),
      () => Response.json({ error: { message: "PLANTED text" } }, { status: 401 }),
      () => new Response("PLANTED html", { status: 502, headers: { "content-type": "text/html" } }),
      () => Response.json({ PLANTED: "PLANTED" }),
      () =>
        new Response('data: {"error":{"message":"PLANTED"}}\n\n', { headers: { "content-type": "text/event-stream" } }),
    ];
    for (const [index, respond] of bodies.entries()) {
      const app = testApp({ settings: secrets, network: new Hono().post(path, respond) });
      const sent = [
        await app.post(path, ask("PLANTED prompt", { stream: index === 4 }), { authorization: "Bearer PLANTED-key" }),
        await app.post(path, ask("PLANTED prompt"), { authorization: "Bearer PLANTED-other" }),
        await app.post(path, '{"messages": PLANTED', { authorization: "Bearer PLANTED-key" }),
        await app.send("/health/ready"),
      ];
      for (const { text, headers, log } of sent) {
        expect([text, ...[...headers].flat(), ...log].join("\n")).not.toContain("PLANTED");
      }
    }
  });
});

describe("health", () => {
  it("is ready without anybody being probed who cannot be", async () => {
    const app = testApp();
    const ready = await app.send("/health/ready");
    expect([ready.status, ready.json()]).toEqual([
      200,
      {
        status: "ready",
        auth: "open",
        dependencies: { openai: { status: "healthy", breaker: "closed" } },
        warnings: [],
      },
    ]);
    expect((await app.send("/health/live")).json()).toEqual({ status: "alive" });
  });

  it.each([
    ["the AI service is down and alone", { PYTHON_AI_SERVICE_URL: "http://ai.test" }, 503, "unready", "unhealthy"],
    [
      "another provider is left",
      { PYTHON_AI_SERVICE_URL: "http://ai.test", OPENAI_API_KEY: "k" },
      200,
      "degraded",
      "degraded",
    ],
  ])("is %s", async (_, settings, status, ready, health) => {
    let probes = 0;
    const network = new Hono().all("*", (c) => {
      probes++;
      return c.text("down", 503);
    });
    const app = testApp({ settings, network });
    const answer = await app.send("/health/ready");
    expect([answer.status, answer.json()]).toMatchObject([
      status,
      { status: ready, dependencies: { "ai-service": { status: "unhealthy", latencyMs: expect.any(Number) } } },
    ]);
    const platform = await app.send("/api/v1/health");
    expect([platform.status, platform.json()]).toMatchObject([status, { status: health }]);
    expect(probes).toBe(1);
  });

  it("says every problem of wrong settings, and every generation is refused until they are right", async () => {
    const app = testApp({ settings: { ENVIRONMENT: "production", OPENAI_BASE_URL: "nonsense" } });
    const ready = await app.send("/health/ready");
    expect(ready.status).toBe(503);
    expect(ready.text).toContain("OPENAI_BASE_URL");
    expect(ready.text).toContain("GATEWAY_API_KEYS");
    expect(ready.text).not.toContain("nonsense");
    for (const url of [path, "/api/v1/ai/generate", "/qingyu.ai.AIService/GenerateContent", "/v1/models"]) {
      const answer = await app.post(url, ask("x"));
      expect([answer.status, answer.headers.get("retry-after"), answer.headers.get("x-should-retry")]).toEqual([
        503,
        "60",
        "false",
      ]);
    }
    expect((await app.send("/health/live")).status).toBe(200);
  });

  it("warns of a setting that is nearly one", async () => {
    const { text } = await testApp({ settings: { ...onlyOpenAi, QINGYU_AI_MODLE: "x" } }).send("/health/ready");
    expect(text).toContain("QINGYU_AI_MODLE is not a setting; did you mean QINGYU_AI_MODEL?");
  });
});

describe("browsers", () => {
  const preflight = {
    method: "OPTIONS",
    headers: {
      origin: "https://app.example.com",
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,x-stainless-os",
    },
  };

  it("from other origins are not let in by default", async () => {
    const answer = await testApp().send(path, preflight);
    expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  it("are let in from the origins of the list, before they show a key", async () => {
    const { network } = fakeOpenAi();
    const settings = {
      ...onlyOpenAi,
      CORS_ALLOWED_ORIGINS: "https://app.example.com",
      GATEWAY_API_KEYS: `a:${await sha256Hex("k")}`,
    };
    const app = testApp({ settings, network });
    const allowed = await app.send(path, preflight);
    expect([
      allowed.status,
      allowed.headers.get("access-control-allow-origin"),
      allowed.headers.get("access-control-allow-headers"),
    ]).toEqual([204, "https://app.example.com", "authorization,x-stainless-os"]);
    const answer = await app.post(path, ask("browser"), {
      origin: "https://app.example.com",
      authorization: "Bearer k",
    });
    expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([
      200,
      "https://app.example.com",
    ]);
    expect(answer.headers.get("access-control-expose-headers")).toContain("x-qingyu-provider");
    const refused = await app.post(path, ask("browser"), { origin: "https://app.example.com" });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([
      401,
      "https://app.example.com",
    ]);
    const other = await app.send(path, {
      ...preflight,
      headers: { ...preflight.headers, origin: "https://evil.example" },
    });
    expect(other.headers.get("access-control-allow-origin")).toBeNull();
  });

  it.each([
    "https://app.example.com",
    "http://localhost:5173",
    "wails://wails",
    "http://wails.localhost",
    "tauri://localhost",
    "capacitor://localhost",
  ])("of an app at %s may use every method that there is", async (origin) => {
    const { network } = fakeOpenAi();
    const settings = { ...onlyOpenAi, CORS_ALLOWED_ORIGINS: `https://other.example, ${origin}`, JWT_SECRET: secret };
    const { send } = testApp({ settings, network });
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      const asked = {
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,x-api-key",
      };
      const answer = await send("/api/v1/ai/generate", { method: "OPTIONS", headers: { origin, ...asked } });
      const headers = Object.fromEntries(answer.headers);
      delete headers["x-request-id"];
      expect([answer.status, answer.text, headers]).toEqual([
        204,
        "",
        {
          "access-control-allow-origin": origin,
          "access-control-allow-methods": "GET,POST,PUT,PATCH,DELETE",
          "access-control-allow-headers": "authorization,x-api-key",
          "access-control-expose-headers": expect.stringContaining("x-request-id"),
          "access-control-max-age": "7200",
          vary: "Origin, Access-Control-Request-Headers",
        },
      ]);
    }
    // What an app must read to renew its token.
    const expired = await signed({ claims: { exp: 0 } });
    const refused = await send("/api/v1/ai/generate", { method: "POST", headers: { origin, ...bearer(expired) } });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([403, origin]);
    // What the platform's editor looks at before it asks for anything.
    for (const open of ["/api/v1/health", "/api/v1/ai/health", "/health/ready"]) {
      const seen = await send(open, { headers: { origin } });
      expect([seen.status, seen.headers.get("access-control-allow-origin")]).toEqual([200, origin]);
    }
    const near = await send("/api/v1/ai/generate", {
      method: "OPTIONS",
      headers: { origin: `${origin}.evil.example` },
    });
    expect(near.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("the caller's deadline", () => {
  it.each(["0", "-1", "1.5", "soon", "1e3"])("x-request-timeout-ms: %s is refused by name", async (value) => {
    const answer = await testApp().post(path, ask("deadline"), { "x-request-timeout-ms": value });
    expect([answer.status, answer.json()]).toMatchObject([400, { error: { param: "x-request-timeout-ms" } }]);
  });
});
