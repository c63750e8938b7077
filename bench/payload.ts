/** About 1.5 KB of Chinese prompt with a system message, and about 1 KB of answer. */
const promptText = "夜雨落在青石巷，檐下的灯笼忽明忽暗。少年握着那封没有署名的信，听见远处传来更鼓声。".repeat(12);
export const answerText = "他推开门，看见雨里站着一个人，斗笠压得很低，手里握着一片青色的羽毛。".repeat(10);
const answerPieces = answerText.match(/.{1,4}/gsu) ?? [];

/** How the mock streams an answer; the model's name tells it which is wanted. */
export const streams = {
  /** All tokens at once. */
  burst: { model: "gpt-4o", pieces: answerPieces, paceMs: 0 },
  /** As a model writes. */
  paced: { model: "gpt-paced", pieces: answerPieces.slice(0, 60), paceMs: 5 },
  /** The same cut short, where only the first token counts. */
  brief: { model: "gpt-brief", pieces: answerPieces.slice(0, 4), paceMs: 5 },
} as const;

export type StreamKind = keyof typeof streams;

/** A chat completion's body. Bodies with different numbers are different requests of the same length. */
export function requestBody(stream: StreamKind | undefined, number = 0): string {
  return JSON.stringify({
    model: streams[stream ?? "burst"].model,
    messages: [
      { role: "system", content: "你是一位擅长古风小说的作家。" },
      { role: "user", content: `${String(number).padStart(9, "0")} ${promptText}` },
    ],
    max_tokens: 500,
    ...(stream && { stream: true }),
  });
}
