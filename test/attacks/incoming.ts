import type { Attack } from "./attack.ts";

/** What a caller sends. */
export const incoming: readonly Attack[] = [
  {
    name: "1 MiB of empty messages",
    play: ({ askAll }) => askAll(20, 2, () => ({ body: listOf("messages", "{}", 1_000_000) })),
  },
];

/** `{"<name>": [<item>, <item>, ...]}` of about so many bytes. */
function listOf(name: string, item: string, bytes: number): string {
  const items = Array.from({ length: Math.floor(bytes / (item.length + 1)) }, () => item);
  return `{"model":"m","${name}":[${items.join(",")}]}`;
}
