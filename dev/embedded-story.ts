const modes = new Map([
  ["continue", "Continue the author's text in its language and voice. Answer with the continuation only."],
  ["rewrite", "Rewrite the author's text as asked, in its language. Answer with the new text only."],
  ["suggest", "Suggest how the author's text can go on or become better, in its language, as a short list."],
]);
const charactersPerToken = 4;

export interface StoryParts {
  /** continue, rewrite or suggest; any other is told to the writer as it is. */
  readonly mode: string;
  readonly instruction: string;
  readonly selectedText: string;
  /** A prompt with its context already in it. */
  readonly assembledPrompt: string;
}

export interface Story {
  readonly prompt: string;
  /** Estimated, of what the caller gave; nothing else is known of a project. */
  readonly stageTokens: number;
}

/** The prompt of a story request. */
export function assembleStory({ mode, instruction, selectedText, assembledPrompt }: StoryParts): Story {
  const stage = [assembledPrompt, selectedText, instruction].filter((part) => part.trim() !== "").join("\n\n");
  const system = modes.get(mode) ?? `The author's wish: ${mode}.`;
  return { prompt: `${system}\n${stage}`, stageTokens: estimateTokens(stage) };
}

/** At most, with the tokenizers in use: one token for a wide character, else one for four. */
export function estimateTokens(text: string): number {
  const characters = [...text];
  const wide = characters.filter((character) => character >= "\u2e80").length;
  return wide + Math.ceil((characters.length - wide) / charactersPerToken);
}
