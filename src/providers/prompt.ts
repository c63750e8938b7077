import type { Message } from "../generation.ts";

/** A message's text; undefined where it holds something that is not text. */
export function textOf({ content }: Message): string | undefined {
  if (content === null) return "";
  if (typeof content === "string") return content;
  const texts: string[] = [];
  for (const part of content) {
    if (part.type !== "text" || typeof part.text !== "string") return undefined;
    texts.push(part.text);
  }
  return texts.join("\n");
}

const speakers: Readonly<Record<Message["role"], string>> = {
  system: "System",
  developer: "System",
  user: "User",
  assistant: "Assistant",
  tool: "Tool",
  function: "Tool",
};

/**
 * A conversation as one prompt, for services that know no messages: a single user message as it is, else each turn under
 * its speaker's name and, where the user spoke last, an open turn for the assistant.
 */
export function renderPrompt(messages: readonly Message[]): string {
  const [only] = messages;
  if (messages.length === 1 && only?.role === "user") return textOf(only) ?? "";
  const turns = messages.map((message) => `${speakers[message.role]}: ${textOf(message) ?? ""}`);
  if (messages.at(-1)?.role !== "assistant") turns.push("Assistant:");
  return turns.join("\n\n");
}
