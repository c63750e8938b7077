import type { GatewayError } from "../errors.ts";

/** A language that the gateway speaks below a path. */
export interface Surface {
  /** What its paths begin with. */
  readonly prefix: string;
  /** An error in its envelope. */
  readonly errorResponse: (error: GatewayError, context: ErrorContext) => Response;
}

interface ErrorContext {
  readonly request: Request;
  readonly requestId: string;
}
