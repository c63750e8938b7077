/** What the upstreams say, for both sides of the wire. */

/** In every text and header of an upstream that no caller and no log may ever see. */
export const marker = "UPSTREAM-SECRET-7f3a";

/** The answer of a back end that works. */
export const goodPieces = ["好的", "答案🪶", "，完。"];
export const goodText = goodPieces.join("");

/** The beginning of an answer that goes wrong. */
export const badPieces = ["坏的", "开头🪶", "，然后"];

let known = "";

/** A text of so many characters, of three bytes each, that compresses badly; the same each time. */
export function noise(characters: number): string {
  if (known.length < characters) {
    let state = 1;
    const next = () => {
      state = (state * 48_271) % 2_147_483_647;
      return 0x4e00 + (state % 20_000);
    };
    known = Array.from({ length: characters }, () => String.fromCharCode(next())).join("");
  }
  return known.slice(0, characters);
}

/** The whole answer of the shortest stream there is (scenario `cut`). */
export const shortText = "好🪶";

export const goodModel = "upstream-model";

/** Where nobody listens. */
export const closedUrl = "http://127.0.0.1:1";

/** One request as an upstream saw it. */
export interface Visit {
  readonly method: string;
  /** Without scenario and test id. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The client's port: the same for requests over one connection. */
  readonly connection: number;
  /** Base64. */
  readonly body: string;
  /** `stalled`: the client has stopped reading; `left`: it closed the connection before its answer had ended. */
  readonly state: "open" | "stalled" | "answered" | "left";
}
