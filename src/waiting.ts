/** Whether work has come to an end by then, well or not. It goes on either way. */
export async function settlesWithin(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), limitMs);
  const ended = () => true;
  const hasEnded = await Promise.race([work.then(ended, ended), late]);
  clearTimeout(timer);
  return hasEnded;
}

/** Waits, at most until the signal aborts. */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => aborted.resolve(), { once: true });
  if (!signal.aborted) await settlesWithin(aborted.promise, delayMs);
}

/** What work comes to. Where it fails, or takes longer than `limitMs`, throws what `failed` makes of why; of no reason where it is late. */
export async function answerWithin<T>(
  work: Promise<T>,
  limitMs: number,
  failed: (cause?: unknown) => Error,
): Promise<T> {
  if (!(await settlesWithin(work, limitMs))) throw failed();
  try {
    return await work;
  } catch (cause) {
    throw failed(cause);
  }
}
