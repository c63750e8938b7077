import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";

describe("/docs", () => {
  const files = {
    "/docs/swagger-ui.css": ["text/css", "public, max-age=3600"],
    "/docs/page.css": ["text/css", "no-cache"],
    "/docs/swagger-ui-bundle.js": ["text/javascript", "public, max-age=3600"],
    "/docs/init.js": ["text/javascript", "no-cache"],
  };

  it.each([
    ["with keys", { ...onlyOpenAi, GATEWAY_API_KEYS: `a:${"0".repeat(64)}` }],
    ["not configured", { ENVIRONMENT: "production" }],
  ])("is an open page whose every part comes from here: %s", async (_, settings) => {
    const app = testApp({ settings });
    const page = await app.send("/docs");
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    const parts = [...page.text.matchAll(/<(?:link|script)[^>]* (?:src|href)="([^"]+)"/g)].map(([, part]) => part);
    expect(parts).toEqual(["data:,", ...Object.keys(files)]);
    for (const [path, [type, caching]] of Object.entries(files)) {
      const { status, headers, text } = await app.send(path);
      expect([path, status, headers.get("content-type")?.split(";")[0]]).toEqual([path, 200, type]);
      expect([headers.get("cache-control"), headers.get("x-content-type-options")]).toEqual([caching, "nosniff"]);
      // Longer than a link that was checked out as the path which it leads to.
      expect(text.length).toBeGreaterThan(100);
    }
  });

  it("allows nothing inline and no other site", async () => {
    const { headers, text } = await testApp().send("/docs");
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; .*connect-src 'self'/);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(text).not.toMatch(/<script>|<style|style=|\son\w+=|https?:|"\/\//);
    expect((await testApp().send("/docs/init.js")).text).toContain("validatorUrl: null");
  });

  it("spares a browser what it has", async () => {
    const app = testApp();
    const path = "/docs/swagger-ui-bundle.js";
    const etag = (await app.send(path)).headers.get("etag") ?? "";
    expect(etag).not.toBe("");
    const again = await app.send(path, { headers: { "if-none-match": etag } });
    expect([again.status, again.text.length]).toEqual([304, 0]);
  });

  it("hands out nothing else of its package", async () => {
    for (const path of [
      "/docs.html",
      "/docs/package.json",
      "/docs/../package.json",
      "/docs/%2e%2e/index.html",
      "/swagger-ui-bundle.js",
    ])
      expect([path, (await testApp().send(path)).status]).toEqual([path, 404]);
  });

  it.each(["/docs", "/openapi.json", ...Object.keys(files)])("refuses to have %s written", async (path) => {
    const { status, headers } = await testApp().post(path, {});
    expect([status, headers.get("allow")]).toEqual([405, "GET"]);
  });

  it("is not there where its files are not", async () => {
    const { ASSETS: _, ...bindings } = env;
    const { app } = testApp();
    const request = new Request("http://localhost/docs/swagger-ui.css");
    const answer = await app.fetch(request, bindings as Env, createExecutionContext());
    expect([answer.status, await answer.json()]).toMatchObject([404, { error: { code: "not_found" } }]);
  });
});
