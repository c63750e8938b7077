import { describe, expect, it } from "vitest";
import { fakeOpenAi, testApp } from "./support/app-on-fake-network.ts";

const bodies = {
  "/v1/chat/completions": { messages: [{ role: "user", content: "Hi" }] },
  "/v1/embeddings": { input: "Hi" },
  "/api/v1/ai/cache/purge": { messages: [{ role: "user", content: "Hi" }] },
};
const steering = [
  "api_base",
  "base_url",
  "baseURL",
  "api_key",
  "API-Key",
  "api_version",
  "organization",
  "extra_headers",
  "extra_body",
  "headers",
  "custom_llm_provider",
  "fallbacks",
  "context_window_fallbacks",
  "models",
  "user_config",
  "mock_response",
  "aws_bedrock_runtime_endpoint",
  "vertex_credentials",
  "azure_ad_token",
  "langfuse_host",
  "litellm_credential_name",
  "kv_transfer_params",
  "bootstrap_host",
  "data_sources",
];
const rows = Object.entries(bodies).flatMap(([path, body]) => steering.map((param) => ({ path, body, param })));

describe("a member that would steer a server", () => {
  it.each(rows)("is refused by its name: $param to $path", async ({ path, body, param }) => {
    const { network, seen } = fakeOpenAi();
    const answer = await testApp({ network }).post(path, { ...body, [param]: "https://elsewhere.test" });
    const told = { code: "unsupported_parameter", param };
    expect([answer.status, answer.json()]).toMatchObject([
      400,
      path.startsWith("/v1") ? { error: told } : { error: told.code, param },
    ]);
    expect(seen).toEqual([]);
  });

  it("is nothing where it is null, nor where it only sounds like one", async () => {
    const { network, seen } = fakeOpenAi();
    const others = { metadata: { api_base: "x" }, user: "u", provider: { order: ["a"] }, top_k: 5, tokens_client: 1 };
    const body = { ...bodies["/v1/chat/completions"], ...others, api_base: null };
    expect((await testApp({ network }).post("/v1/chat/completions", body)).status).toBe(200);
    const { api_base: _, ...sent } = body;
    expect(seen).toMatchObject([sent]);
  });
});
