/** So many digits always tell one float32 from all others. */
const mostDigits = 9;

/**
 * The decimal that a float32 was meant to be: the shortest that is read as the same float32, of at least so many digits.
 * Every decimal of up to six digits comes back as it was written.
 */
export function decimalOf(float32: number, fewestDigits = 6): number {
  for (let digits = fewestDigits; digits < mostDigits; digits++) {
    const short = Number(float32.toPrecision(digits));
    if (Math.fround(short) === float32) return short;
  }
  return Number(float32.toPrecision(mostDigits));
}
