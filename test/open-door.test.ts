import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { onlyOpenAi, sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { completion } from "./upstreams/openai-answers.ts";

const network = new Hono().post("/v1/chat/completions", (c) => c.json(completion("好")));
const chat = "/v1/chat/completions";
const question = { messages: [{ role: "user", content: "问" }] };

const here = ["localhost", "localhost:8787", "gw.localhost", "127.0.0.1:8787", "127.8.9.1", "127.1", "[::1]:8787"];
const elsewhere = [
  "192.168.1.7:8787",
  "gateway.example.com",
  "localhost.example.com",
  "notlocalhost",
  "127.0.0.1.example.com",
  "0.0.0.0:8787",
  "[::]:8787",
  "[2001:db8::1]",
];
const edge = { "cf-ray": "8f0c1d2e3f4a5b6c-FRA" };
const blank = [undefined, "", " \t", ","];

describe("a gateway without keys in development", () => {
  it.each(here)("is open to %s", async (host) => {
    const { post, send } = testApp({ network });
    expect((await post(`http://${host}${chat}`, question)).status).toBe(200);
    const ready = await send(`http://${host}/health/ready`);
    expect([ready.status, at(ready.json(), "auth")]).toEqual([200, "open"]);
    expect((await post(`http://${host}${chat}`, question, edge)).status).toBe(503);
  });

  it.each(elsewhere)("is closed to %s, and says what to do", async (host) => {
    for (const keys of blank) {
      const { post, send } = testApp({
        network,
        settings: { ...onlyOpenAi, ENVIRONMENT: " ", GATEWAY_API_KEYS: keys },
      });
      for (const path of [chat, "/v1/models", "/api/v1/ai/generate", "/qingyu.ai.AIService/HealthCheck", "/none"]) {
        const answer = await post(`http://${host}${path}`, question);
        expect([answer.status, answer.headers.get("x-should-retry")]).toEqual([503, "false"]);
        expect(answer.text).toContain("GATEWAY_API_KEYS");
        expect(answer.headers.get("x-request-id")).not.toBeNull();
      }
      const ready = await send(`http://${host}/health/ready`);
      expect([ready.status, ready.json()]).toMatchObject([
        503,
        { status: "unready", problems: [{ setting: expect.stringContaining("GATEWAY_API_KEYS") }] },
      ]);
      expect((await send(`http://${host}/api/v1/health`)).status).toBe(503);
      expect((await send(`http://${host}/health/live`)).status).toBe(200);
    }
  });

  it("is open to whoever has a key once there is one", async () => {
    const settings = { ...onlyOpenAi, GATEWAY_API_KEYS: `a:${await sha256Hex("k")}` };
    const { post } = testApp({ network, settings });
    const url = `http://192.168.1.7:8787${chat}`;
    expect((await post(url, question, { ...edge, authorization: "Bearer k" })).status).toBe(200);
    expect((await post(url, question, edge)).status).toBe(401);
  });
});

it("is no development where its name is only like it", async () => {
  const { post } = testApp({ network, settings: { ...onlyOpenAi, ENVIRONMENT: "Development " } });
  const answer = await post(`http://localhost${chat}`, question);
  expect([answer.status, at(answer.json(), "error", "code")]).toEqual([503, "config_error"]);
});
