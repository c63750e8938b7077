import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { completion } from "./upstreams/openai-answers.ts";

const path = "/v1/chat/completions";

function recording() {
  const bodies: string[] = [];
  const network = new Hono().post(path, async (c) => {
    bodies.push(await c.req.text());
    return c.json(completion("好"));
  });
  return { bodies, ...testApp({ network, settings: onlyOpenAi }) };
}

const body = (id: string) =>
  `{"messages":[{"role":"user","content":"9007199254740993"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","n":${id},"function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"id":{"type":"integer","minimum":-9223372036854775808,"enum":[ ${id},1.5,1e3]}}}}}]}`;

describe("an integer that no double holds", () => {
  it("goes on as it came, and is part of what is asked", async () => {
    const { bodies, post } = recording();
    for (const id of ["9007199254740993", "9007199254740992", "9007199254740993"]) {
      expect((await post(path, body(id))).status).toBe(200);
    }
    expect(bodies).toHaveLength(2);
    expect(bodies[0]).toContain('"enum":[9007199254740993,1.5,1000]');
    expect(bodies[0]).toContain('"minimum":-9223372036854775808');
    expect(bodies[0]).toContain('"n":9007199254740993');
    expect(bodies[0]).toContain('"content":"9007199254740993"');
    expect(bodies[1]).toContain('"enum":[9007199254740992,');
  });

  it("is no value of a parameter that must be less", async () => {
    const { post, bodies } = recording();
    const asked = '{"messages":[{"role":"user","content":"x"}],"max_tokens":9007199254740993}';
    expect((await post(path, asked)).json()).toMatchObject({ error: { code: "invalid_value", param: "max_tokens" } });
    expect(bodies).toEqual([]);
  });

  it("may stand in a body a thousand times", async () => {
    const { post, bodies } = recording();
    const asked = (times: number) =>
      `{"messages":[{"role":"user","content":"x"}],"x":[${Array(times).fill("-9007199254740993").join(",")}]}`;
    expect((await post(path, asked(1001))).json()).toMatchObject({ error: { code: "invalid_json" } });
    expect((await post(path, asked(1000))).status).toBe(200);
    expect(bodies[0]?.match(/-9007199254740993/g)).toHaveLength(1000);
  });
});
