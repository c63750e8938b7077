import type { GatewayError } from "../errors.ts";

/** A language that the gateway speaks below a path. */
export interface Surface {
  /** What its paths begin with. */
  readonly prefix: string;
  /** Whether a request to a path of no surface is in this language all the same; absent where that cannot be told. */
  readonly isSpokenIn?: (headers: Headers) => boolean;
  /** What an error comes to, as HTTP would say it, in a language that says so elsewhere. */
  readonly statusOf?: (error: GatewayError) => number;
  /** An error in its envelope. */
  readonly errorResponse: (error: GatewayError, context: ErrorContext) => Response;
}

interface ErrorContext {
  readonly request: Request;
  readonly requestId: string;
}
