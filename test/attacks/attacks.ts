import type { Attack } from "./attack.ts";
import { blame } from "./blame.ts";
import { incoming } from "./incoming.ts";
import { memory } from "./memory.ts";
import { providers } from "./providers.ts";
import { remembered } from "./remembered.ts";

/** All that callers and providers are known to have tried. */
export const attacks: readonly Attack[] = [...incoming, ...memory, ...providers, ...remembered, ...blame];
