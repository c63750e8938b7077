import { isHighSurrogate } from "../../pieces.ts";

/** Joins a text that comes in pieces, so that no piece ends within a character. */
export interface Characters {
  /** What can be said of a text so far: half of a surrogate pair at its end waits for what comes next. */
  whole(piece: string): string;
  /** What has waited in vain. */
  rest(): string;
}

/**
 * Servers that cut a text by tokens or bytes may say a character's two halves (UTF-16) in two pieces. JSON can carry a half,
 * UTF-8 cannot: it would become U+FFFD.
 */
export function createCharacters(): Characters {
  let half = "";
  return {
    whole(piece) {
      const text = half === "" ? piece : half + piece;
      half = "";
      if (!isHighSurrogate(text.charCodeAt(text.length - 1))) return text;
      half = text.slice(-1);
      return text.slice(0, -1);
    },
    rest() {
      const rest = half;
      half = "";
      return rest;
    },
  };
}
