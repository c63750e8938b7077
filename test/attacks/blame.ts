import type { Attack } from "./attack.ts";
import { promptFor } from "./scenario.ts";

/** What a caller makes a provider answer to himself, for the innocent caller's model, so that the others lose it. */
export const blame: readonly Attack[] = ["status:500", "status:403", "limited:x-nothing=1", "html:200", "empty"].map(
  (scenario) => ({
    name: `failures of one tenant: ${scenario}`,
    play: ({ askAll }) =>
      askAll(200, 10, () => ({
        body: JSON.stringify({ model: "innocent", messages: [{ role: "user", content: promptFor(scenario) }] }),
        headers: { "cache-control": "no-store" },
      })),
  }),
);
