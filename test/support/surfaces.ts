/** The surfaces that answer generations, plain and streamed. */
export const surfaces = ["openai", "qingyu", "connect"] as const;
type Surface = (typeof surfaces)[number];

/** A request of each surface, plain or streamed. */
export function requestTo(surface: Surface, stream: boolean, text: string): { path: string; init: RequestInit } {
  const json = (body: object) => ({
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  switch (surface) {
    case "openai":
      return {
        path: "/v1/chat/completions",
        init: json({ model: "asked", messages: [{ role: "user", content: text }], stream }),
      };
    case "qingyu":
      return {
        path: "/api/v1/ai/generate",
        init: json({ projectId: "p", prompt: text, options: { model: "asked", stream } }),
      };
    case "connect": {
      const body = { projectId: "p", prompt: text, options: { model: "asked" } };
      if (!stream) return { path: "/qingyu.ai.AIService/GenerateContent", init: json(body) };
      const message = new TextEncoder().encode(JSON.stringify(body));
      const framed = new Uint8Array([0, 0, 0, 0, message.byteLength, ...message]);
      const headers = { "content-type": "application/connect+json" };
      return {
        path: "/qingyu.ai.AIService/StreamGenerateContent",
        init: { method: "POST", headers, body: framed },
      };
    }
  }
}
