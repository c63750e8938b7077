/** An abort signal that follows its parent and has a time limit which can be moved while work goes on. */
export interface Limit {
  readonly signal: AbortSignal;
  /** Moves the limit to this Unix time in milliseconds. */
  moveTo(atMs: number): void;
  /** Ends the limit; given a reason, also aborts what still runs under the signal. */
  release(reason?: Error): void;
}

/**
 * Starts a limit that ends at `atMs` (Unix milliseconds). `onLimit` makes the reason that the signal then carries; when the
 * parent aborts, its reason is carried on. The timer is re-armed only when it fires early, so that moving the limit with
 * each token costs nothing.
 */
export function startLimit(parent: AbortSignal, atMs: number, onLimit: () => Error): Limit {
  const controller = new AbortController();
  let limitMs = atMs;
  let armedMs = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let ended = false;

  const end = (reason?: unknown) => {
    if (ended) return;
    ended = true;
    if (timer !== undefined) clearTimeout(timer);
    parent.removeEventListener("abort", endWithParent);
    if (reason !== undefined) controller.abort(reason);
  };
  const endWithParent = () => end(parent.reason);
  const arm = () => {
    if (timer !== undefined) clearTimeout(timer);
    armedMs = limitMs;
    timer = setTimeout(fire, Math.max(0, limitMs - Date.now()));
  };
  const fire = () => {
    if (Date.now() < limitMs) arm();
    else end(onLimit());
  };

  parent.addEventListener("abort", endWithParent);
  if (parent.aborted) endWithParent();
  else arm();
  return {
    signal: controller.signal,
    moveTo(toMs) {
      limitMs = toMs;
      if (!ended && toMs < armedMs) arm();
    },
    release: end,
  };
}
