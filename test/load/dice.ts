export interface Dice {
  /** From 0 up to 1. */
  (): number;
  pick<T>(choices: readonly T[]): T;
}

/** The same numbers each time for the same seed (mulberry32). */
export function dice(seed: number): Dice {
  let state = seed;
  const roll = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const pick = <T>(choices: readonly T[]): T => {
    const choice = choices[Math.floor(roll() * choices.length)];
    if (choice === undefined) throw new Error("nothing to pick from");
    return choice;
  };
  return Object.assign(roll, { pick });
}
