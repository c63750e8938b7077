/** So many digits tell a float32 from all others. */
const mostDigits = 9;

/**
 * A `float` of the contract as the decimal that its sender wrote: 0.7, not 0.699999988079071, so that all surfaces ask, answer
 * and cache alike. The shortest that is read as the same float32, but of no fewer digits than given; every decimal of up to
 * six comes back as it was.
 */
export function decimalOf(float: number, fewestDigits = 6): number {
  const float32 = Math.fround(float);
  for (let digits = fewestDigits; digits < mostDigits; digits++) {
    const short = Number(float32.toPrecision(digits));
    if (Math.fround(short) === float32) return short;
  }
  return Number(float32.toPrecision(mostDigits));
}
