import { describe, expect, it } from "vitest";
import { fakeOpenAi, onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { bearer, secret, signed } from "./support/tokens.ts";

const path = "/api/v1/ai/chat";
const settings = { ...onlyOpenAi, JWT_SECRET: secret };

async function userNamed(user = crypto.randomUUID()) {
  const headers = bearer(await signed({ claims: { user_id: user } }));
  const { network, seen } = fakeOpenAi();
  const app = testApp({ network, settings });
  return { app, seen, headers, user };
}

describe("x", () => {
  it("works", async () => {
    const { app, headers, seen } = await userNamed();
    const one = await app.post(path, { message: "你好\n再见" }, headers);
    console.log(one.status, one.text);
    const sessionId = at(one.json(), "data", "sessionId");
    const two = await app.post(`${path}/stream`, { message: "再来", sessionId }, headers);
    console.log(two.status, two.text, two.log);
    console.log(JSON.stringify(seen));
    const page = await app.send(`${path}/sessions/${sessionId}`, { headers });
    console.log(page.text);
    const list = await app.send(`${path}/sessions`, { headers });
    console.log(list.text);
    const gone = await app.send(`${path}/sessions/${sessionId}`, { headers, method: "DELETE" });
    console.log(gone.text);
    expect(1).toBe(1);
  });
});
