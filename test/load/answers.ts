import { createHmac } from "node:crypto";

/** What both ends of a load run know, and the gateway does not. */
const secret = "load-run";

/** In every prompt; no log line may have it. */
export const promptMark = "机密提示";

export interface Question {
  readonly provider: string;
  /** In the request's `user`, which travels upstream and is no part of the cache's key. */
  readonly tenant: string;
  readonly prompt: string;
}

/** The one right answer to a question: 64 hexadecimal digits that only the asked provider could have said to this tenant. */
export function answerTo({ provider, tenant, prompt }: Question): string {
  return createHmac("sha256", secret)
    .update(JSON.stringify([provider, tenant, prompt]))
    .digest("hex");
}
