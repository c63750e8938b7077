/** Who asks, as the key or the token says that came with the request. Nothing of it is taken from a body. */
export interface Caller {
  /** Whose answers, knowledge and limits these are. */
  readonly tenant: string;
  /** The end user, where a token names one. */
  readonly user?: string;
  /** What a token says that its user may be; none for a key. */
  readonly roles: readonly string[];
  /** Which key it was, for the log; it opens nothing. Absent where none was needed, and for a token. */
  readonly keyId?: string;
}
