import { createHmac } from "node:crypto";

/** What both ends of a load run know, and the gateway does not. */
const secret = "load-run";

export interface Question {
  readonly provider: string;
  /** Where it stands in the call is in upstream.ts; for OpenAI-type providers it is no part of the cache's key. */
  readonly tenant: string;
  readonly prompt: string;
}

/** A question as the key of what is counted of it. */
export const begunKey = ({ provider, tenant, prompt }: Question) => JSON.stringify([provider, tenant, prompt]);

/** The one right answer to a question: 64 hexadecimal digits that only the asked provider could have said to this tenant. */
export function answerTo({ provider, tenant, prompt }: Question): string {
  return createHmac("sha256", secret)
    .update(JSON.stringify([provider, tenant, prompt]))
    .digest("hex");
}
