/** About 1.5 KB of Chinese prompt with a system message, and about 1 KB of answer. */
const promptText = "夜雨落在青石巷，檐下的灯笼忽明忽暗。少年握着那封没有署名的信，听见远处传来更鼓声。".repeat(12);
export const answerText = "他推开门，看见雨里站着一个人，斗笠压得很低，手里握着一片青色的羽毛。".repeat(10);

/** The pieces in which the mock streams the answer. */
export const answerPieces = answerText.match(/.{1,4}/gsu) ?? [];

/** The model whose stream the mock sends piece by piece; every other model's is sent at once. */
export const pacedModel = "gpt-paced";
export const paceMs = 2;
export const pacedPieces = answerPieces.slice(0, 20);

/** A chat completion's body. Bodies with different numbers are different requests of the same length. */
export function requestBody(number: number, stream: boolean, model = "gpt-4o"): string {
  return JSON.stringify({
    model,
    messages: [
      { role: "system", content: "你是一位擅长古风小说的作家。" },
      { role: "user", content: `${String(number).padStart(9, "0")} ${promptText}` },
    ],
    max_tokens: 500,
    ...(stream && { stream }),
  });
}
