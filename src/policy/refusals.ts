import type { Sentence } from "../error-sentences.ts";
import { GatewayError } from "../errors.ts";
import type { Refusal, Verdict } from "./books.ts";
import type { Limit } from "./holders.ts";

type Refused = Extract<Verdict, { readonly refusal: Refusal }>;

const code = "rate_limit_exceeded";

/** What a caller is told who may not take what he asks for. */
export function refused({ refusal, retryAfterMs, standing }: Refused, { isUsers }: Limit): GatewayError {
  switch (refusal) {
    case "suspended":
      return new GatewayError("quota_suspended", "Your quota is suspended.", { code: "quota_suspended" });
    case "concurrent":
      return new GatewayError("rate_limited", "You have as many requests under way as you may have.", { code });
    case "requests":
      return new GatewayError("rate_limited", "You have asked as often as you may in a minute.", {
        code,
        retryAfterMs,
      });
    case "held":
      return new GatewayError(
        "rate_limited",
        "What your requests under way may still take leaves no room for this one.",
        {
          code,
          retryAfterMs,
        },
      );
    case "tokens":
    case "cost": {
      const left = standing.tokens?.remaining ?? 0;
      const sentence: Sentence =
        refusal === "cost"
          ? "What you may spend in this month is used up, or does not suffice for this request."
          : left > 0
            ? "Your quota does not suffice: {left} tokens are left, and this request may take more (max_tokens)."
            : "Your quota is used up.";
      return new GatewayError(isUsers ? "quota_exhausted" : "quota_exceeded", sentence, {
        code: "insufficient_quota",
        retryAfterMs,
        values: { left },
      });
    }
  }
}

/** What the gate tells a flood. */
export function tooFast(): GatewayError {
  return new GatewayError("rate_limited", "You ask faster than anybody may.", { code });
}
