/** Allows something to at most a share of all requests. */
export interface Budget {
  /** A request came. */
  earn(): void;
  /** Takes one out where there is one. */
  spend(): boolean;
}

/** What is saved up in quiet times, at most: this many. */
const longestSavings = 10;

/**
 * A budget of `percent` of all requests, per isolate. It begins with `reserve` of them, so that the first requests of an
 * isolate are not left without.
 */
export function createBudget({ percent, reserve }: { percent: number; reserve: number }): Budget {
  // In hundredths, so that sums are exact.
  let saved = reserve * 100;
  return {
    earn() {
      saved = Math.min(longestSavings * 100, saved + percent);
    },
    spend() {
      if (saved < 100) return false;
      saved -= 100;
      return true;
    },
  };
}
