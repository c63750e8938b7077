import { expect } from "vitest";

/** An id that the gateway has made itself: a random UUID. */
export const ownId: unknown = expect.stringMatching(
  /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
);
