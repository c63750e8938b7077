import { describe, expect, it } from "vitest";
import page from "../docs/qingyu.md?raw";
import profileText from "../examples/qingyu-editor-profile.json?raw";
import readme from "../README.md?raw";
import { fakeOpenAi, onlyOpenAi, sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { importedProfile } from "./support/clients/ed.ts";
import { at } from "./support/json.ts";

/*
 * What docs/qingyu.md gives to those who switch over: the editor's profile, read as the editor reads it and used as the
 * editor uses it, and names of settings. Its examples run in e2e/dev.test.ts.
 */

const key = "0123456789abcdef".repeat(4);
const operator = "operator";
const settings = {
  ...onlyOpenAi,
  GATEWAY_API_KEYS: `a:${await sha256Hex(key)}`,
  GATEWAY_ADMIN_KEYS: `me:${await sha256Hex(operator)}`,
  CORS_ALLOWED_ORIGINS: /`([^`]*wails:[^`]*)`/.exec(page)?.[1],
};
const profileJson: unknown = JSON.parse(profileText);

describe("the editor's profile", () => {
  it("is one that the editor exports and imports, without a key", () => {
    const profile = importedProfile(profileText);
    expect(profileJson).toMatchObject({
      version: 1,
      mode: "user_api",
      userProvider: { providerType: "openai-compatible", ...profile },
      providerProfiles: [{ userProvider: { providerType: "openai-compatible", ...profile } }],
    });
    expect([at(profileJson, "providerProfiles", 0, "id"), profile.apiKey]).toEqual([
      expect.stringMatching(/^[\w.-]{1,80}$/),
      "",
    ]);
  });

  async function managedKey() {
    const headers = { authorization: `Bearer ${operator}` };
    const made = await testApp({ settings }).post("/admin/keys", { tenant: "my-tenant", name: "editor" }, headers);
    return String(at(made.json(), "key"));
  }

  it.each([
    ["of the settings", async () => key],
    ["managed", managedKey],
  ])("works with a key that the editor keeps, from its web view: %s", async (_, keyOf) => {
    const userProvider = { ...Object(at(profileJson, "userProvider")), apiKey: await keyOf() };
    const configuration = { ...Object(profileJson), providerProfiles: [{ userProvider }] };
    const { baseURL, endpointPath, model, temperature, apiKey } = importedProfile(JSON.stringify(configuration));
    const { network, seen } = fakeOpenAi();
    const app = testApp({ settings, network });
    const path = new URL(baseURL + endpointPath).pathname;
    const origin = "wails://wails";
    const asks = {
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type",
    };
    const preflight = await app.send(path, { method: "OPTIONS", headers: { origin, ...asks } });
    const allowed = ["origin", "headers"].map((name) => preflight.headers.get(`access-control-allow-${name}`));
    expect([preflight.status, ...allowed]).toEqual([204, origin, expect.stringMatching(/authorization/i)]);
    const messages = [{ role: "user", content: `请只回复 OK，用于连接测试。${apiKey.length}` }];
    const body = { model, messages, temperature, max_tokens: 20_000 };
    const answer = await app.post(path, body, { authorization: `Bearer ${apiKey}`, origin });
    expect([answer.status, at(answer.json(), "choices", 0, "message", "content")]).toEqual([200, "青羽"]);
    expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
    expect(seen).toMatchObject([body]);
  });
});

it("names settings that there are", () => {
  const known = new Set([...readme.matchAll(/^\| `([a-z_.]+)` \|/gm)].map(([, name]) => name));
  const words = [...page.matchAll(/`([a-z]+\.[a-z_.]+)`/g)].map(([, word]) => word ?? "");
  const groups = new Set([...known].map((name) => name?.split(".")[0]));
  const named = words.filter((word) => groups.has(word.split(".")[0]));
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});
