/** What the gateway logs. */
export interface Log {
  readonly add: (text: string) => void;
  /** All that was written once so many requests have their line, or do not get it in time. */
  readonly of: (requests: number) => Promise<string>;
}

/** Longer than any line takes after its answer. */
const logPatienceMs = 2_000;

export function keepLog(): Log {
  let log = "";
  let look = () => {};
  return {
    add(text) {
      log += text;
      look();
    },
    of(requests) {
      const { promise, resolve } = Promise.withResolvers<string>();
      const timer = setTimeout(() => resolve(log), logPatienceMs);
      look = () => {
        if (requestLines(log) < requests) return;
        clearTimeout(timer);
        resolve(log);
      };
      look();
      return promise;
    },
  };
}

/** How many requests have their line in a log. */
export const requestLines = (log: string) => log.match(/"message":"request"/g)?.length ?? 0;
