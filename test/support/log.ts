import { AsyncLocalStorage } from "node:async_hooks";

const logs = new AsyncLocalStorage<string[]>();

// Once per test file and for good. What nobody keeps goes where it would have gone.
for (const level of ["debug", "log", "info", "warn", "error"] as const) {
  const write = console[level].bind(console);
  console[level] = (...line: unknown[]) => {
    const log = logs.getStore();
    if (log) log.push(line.join(" "));
    else write(...line);
  };
}

/** Runs `run`, which gets what it and all that it begins write to the log, and nothing of what runs meanwhile. */
export function keepingLog<T>(run: (log: readonly string[]) => T): T {
  const log: string[] = [];
  return logs.run(log, run, log);
}
