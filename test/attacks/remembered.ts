import type { Attack } from "./attack.ts";
import { promptFor } from "./scenario.ts";

/** What is done to what the gateway remembers. */
export const remembered: readonly Attack[] = [
  {
    name: "purges without end",
    settings: { QINGYU_CACHE_COORDINATE: "true" },
    play: ({ askAll }) => askAll(3_000, 16, (index) => turns[index % turns.length]?.(index) ?? {}),
  },
  {
    name: "answers as long as can be stored, which compress badly",
    settings: { QINGYU_CACHE_COORDINATE: "true" },
    play: ({ askAll }) =>
      askAll(24, 2, (index) => ({ headers: { "idempotency-key": `${index}` }, body: long(`kept ${index}`) })),
  },
];

const small = (question: string) => JSON.stringify({ messages: [{ role: "user", content: question }] });
const long = (question: string) => small(`${question} ${promptFor("long:1390000")}`);

const turns = [
  (index: number) => ({ body: small(`purged ${index % 30}`) }),
  () => ({ method: "DELETE", path: "/api/v1/ai/cache" }),
  (index: number) => ({ body: small(`purged ${index % 30}`), headers: { "cache-control": "no-cache" } }),
  (index: number) => ({ path: "/api/v1/ai/cache/purge", body: small(`purged ${index}`) }),
];
