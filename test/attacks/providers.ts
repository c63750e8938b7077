import type { Attack } from "./attack.ts";
import { promptFor } from "./scenario.ts";
import type { Target } from "./target.ts";

/** What a provider answers: scenarios of `test/upstreams/scenarios.ts`. */
export const providers: readonly Attack[] = [
  {
    name: "endless tokens",
    settings: { QINGYU_DEADLINES_REQUEST_MS: "3000" },
    play: ({ askAll }) => askAll(8, 4, () => ({ body: chat("endless-tokens", { stream: true }) })),
  },
  ...[false, true].map((stream) => ({
    name: `600 KB in one-byte chunks, ${stream ? "streamed" : "whole"}`,
    play: ({ askAll }: Target) => askAll(4, 2, () => ({ body: chat("crumbs:600000", { stream }) })),
  })),
  ...["bomb", "bomb:br"].flatMap((bomb) =>
    [false, true].map((stream) => ({
      name: `kilobytes that become 16 MiB (${bomb}), ${stream ? "streamed" : "whole"}`,
      play: ({ askAll }: Target) => askAll(16, 4, () => ({ body: chat(bomb, { stream }) })),
    })),
  ),
  {
    name: "more than was announced",
    play: ({ askAll }) => askAll(16, 4, () => ({ body: chat("misannounced") })),
  },
  ...["lines::", "lines:data:", "lines:id:1", "lines:nonsense", "events:{}", "events:7"].map((scenario) => ({
    name: `without end: ${scenario}`,
    play: ({ askAll }: Target) => askAll(16, 4, () => ({ body: chat(scenario, { stream: true }) })),
  })),
  ...(["openai", "ai-service"] as const).map((provider) => ({
    name: `100,000 events that say nothing: ${provider}`,
    provider,
    play: ({ askAll }: Target) => askAll(8, 4, () => ({ body: chat("mumbling:100000", { stream: true }) })),
  })),
  ...["choices:{}", "tool_calls:{}", "tool_calls:[]", "annotations:7"].flatMap((crowd) =>
    [false, true].map((stream) => ({
      name: `8 MB of ${crowd}, ${stream ? "streamed" : "whole"}`,
      play: ({ askAll }: Target) => askAll(8, 4, () => ({ body: chat(`crowd:${crowd}`, { stream }) })),
    })),
  ),
  ...[false, true].flatMap((stream) =>
    ["unknown-fields", "bloated:many:8000", "bloated:many:60", "bloated:deep:8000", "bloated:deep:60"].map(
      (scenario) => ({
        name: `${scenario} of an AI service, ${stream ? "streamed" : "whole"}`,
        provider: "ai-service" as const,
        play: ({ askAll }: Target) => askAll(16, 4, () => ({ body: chat(scenario, { stream }) })),
      }),
    ),
  ),
];

/** The body of a chat completion for which the provider plays a scenario. */
function chat(scenario: string, more: object = {}): string {
  return JSON.stringify({ model: "m", messages: [{ role: "user", content: promptFor(scenario) }], ...more });
}
