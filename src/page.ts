/** How much is read, and how much is passed over before it. */
export interface Page {
  readonly limit: number;
  readonly offset: number;
}
