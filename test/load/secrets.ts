import { marker } from "../upstreams/texts.ts";
import { keyMark } from "./tenants.ts";

/** In every prompt. */
export const promptMark = "机密提示";

/** The key with which the gateway calls its back ends; their errors quote it. */
export const upstreamKey = `sk-${marker}`;

/** Whether a text shows what nobody may see: something of an upstream, a prompt, a key. */
export function showsSecret(text: string): boolean {
  return [marker, promptMark, keyMark].some((secret) => text.includes(secret));
}
