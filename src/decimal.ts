/** A `float` of the contract as the decimal that its sender wrote: 0.7, not 0.699999988079071, so that all surfaces ask and cache alike. */
export function decimalOf(float32: number): number {
  return Number(float32.toPrecision(7));
}
