import { describe, expect, it } from "vitest";
import { loadConfig } from "../src/config/load.ts";

const usd = { input: 2.5, output: 10, currency: "USD" };

describe("AI_PRICES", () => {
  const table = {
    "gpt-4o*": { ...usd, cachedInput: "1.25" },
    "qwen-*": { input: "0.000001", output: 999_999, currency: "CNY" },
    free: { input: 0, output: "0.0", cachedInput: 0, currency: "EUR" },
  };
  const read = [
    { pattern: "gpt-4o*", currency: "USD", input: 2_500_000, output: 10_000_000, cachedInput: 1_250_000 },
    { pattern: "qwen-*", currency: "CNY", input: 1, output: 999_999_000_000 },
    { pattern: "free", currency: "EUR", input: 0, output: 0, cachedInput: 0 },
  ];
  it.each([
    ["JSON text", { AI_PRICES: JSON.stringify(table) }],
    ["a table", { AI_PRICES: table }],
    ["its strong name", { QINGYU_USAGE_PRICES: table, AI_PRICES: { "*": usd } }],
    [
      "text with references",
      { AI_PRICES: JSON.stringify({ ...table, "gpt-4o*": { ...usd, cachedInput: "${CACHED}" } }), CACHED: "1.25" },
    ],
  ])("is read exactly from %s", (_, bindings) => {
    expect(loadConfig(bindings).config?.usage.prices).toEqual(read);
  });

  it.each([undefined, "", " ", "{}", {}])("is no price where it is %j", (given) => {
    expect(loadConfig({ AI_PRICES: given }).config?.usage.prices).toEqual([]);
  });

  const wrong: [unknown, string[]][] = [
    ["free", ["is not a table"]],
    ["{", ["is not a table"]],
    [[usd], ["is not a table"]],
    [{ x: 1 }, ["entry 1: is not a table"]],
    [{ x: {} }, ["entry 1: 'input' is missing", "entry 1: 'output' is missing", "entry 1: 'currency' is missing"]],
    [
      { x: usd, y: { ...usd, input: -1, output: "1e3" } },
      ["entry 2: 'input' is not valid", "entry 2: 'output' is not valid"],
    ],
    [
      { x: { ...usd, input: true, currency: 1 } },
      ["entry 1: 'input' is not valid", "entry 1: 'currency' is not valid"],
    ],
    [{ x: { ...usd, input: 0.0000001 } }, ["entry 1: 'input' is not valid"]],
    [{ x: { ...usd, output: 1_000_000 } }, ["entry 1: 'output' is not valid"]],
    [{ x: { ...usd, currency: "usd" } }, ["entry 1: 'currency' is not valid"]],
    [
      { x: { ...usd, currency: "$" }, "a b": usd },
      ["entry 1: 'currency' is not valid", "entry 2: its name is no model and no pattern"],
    ],
    [{ x: { ...usd, cached: 1 } }, ["entry 1: unknown 'cached'"]],
    [{ x: { ...usd, input: "${" } }, ["entry 1: 'input' has a ${ that is no reference", "entry 1: 'input' is missing"]],
  ];
  it.each(wrong)("is refused with all that is wrong where it is %j", (given, reasons) => {
    const { problems } = loadConfig({ AI_PRICES: given });
    expect(problems?.map(({ reason }) => reason)).toEqual(reasons);
    expect(problems?.[0].setting).toBe("usage.prices (QINGYU_USAGE_PRICES, AI_PRICES)");
  });
});
