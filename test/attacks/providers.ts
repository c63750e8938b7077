import type { Attack } from "./attack.ts";
import { promptFor } from "./scenario.ts";

/** What a provider answers: scenarios of `test/upstreams/scenarios.ts`. */
export const providers: readonly Attack[] = [
  {
    name: "endless tokens",
    settings: { QINGYU_DEADLINES_REQUEST_MS: "3000" },
    play: ({ askAll }) => askAll(8, 4, () => ({ body: chat("endless-tokens", { stream: true }) })),
  },
];

/** The body of a chat completion for which the provider plays a scenario. */
function chat(scenario: string, more: object = {}): string {
  return JSON.stringify({ model: "m", messages: [{ role: "user", content: promptFor(scenario) }], ...more });
}
