import { expect, it } from "vitest";
import { type ClientOf, headers } from "./asking.ts";

/** EmbedText. */
export function testEmbedding(client: ClientOf): void {
  it("embeds: unit vectors of the dimension that it names, neighbours where texts are alike", async () => {
    const texts = [
      "林青羽在长安城遇见老剑客",
      "长安城里的老剑客教林青羽",
      "股票市场今天大跌",
      "The ship left at dawn",
      "At dawn the ship sailed",
    ];
    const { embeddings } = await client().embedText({ texts, model: "any" }, { headers });
    expect(embeddings).toHaveLength(texts.length);
    for (const { vector, dimension } of embeddings) {
      expect(vector).toHaveLength(dimension);
      expect(dimension).toBe(1024);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
    }
    const again = await client().embedText({ texts: texts.slice(2) }, { headers });
    expect(again.embeddings).toEqual(embeddings.slice(2));
    const likeness = (a: number, b: number) =>
      (embeddings[a]?.vector ?? []).reduce((sum, x, index) => sum + x * (embeddings[b]?.vector[index] ?? 0), 0);
    expect(likeness(0, 1)).toBeGreaterThan(likeness(0, 2) + 0.1);
    expect(likeness(3, 4)).toBeGreaterThan(likeness(3, 2) + 0.1);
  });
}
