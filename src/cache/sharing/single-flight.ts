import { collect, isStream } from "../../collect.ts";
import { GatewayError } from "../../errors.ts";
import type { Answer, Generation, GenerationStream } from "../../generation.ts";
import type { Call } from "../../upstream.ts";
import { createReplay } from "./replay.ts";

/*
 * On Workers whatever one request has begun can end with it, without a word to the others: its I/O belongs to it alone, and
 * a promise of its own may never settle for them (docs/cache.md). So one request, the leader, does all the work in its own
 * context, held by its `waitUntil`, and what crosses over to the others are plain chunks; each of them waits with a promise
 * and a timer of its own.
 */

/** How long the runtime keeps the work of a leader who has left. */
const orphanedForMs = 30_000;
/** How much longer than the leader's own deadline its work is waited for, so that it can tell its end. */
const graceMs = 1_000;
/** How far a stream is read ahead of its fastest reader, in UTF-16 units. */
const readAheadUnits = 64 * 1024;

export interface Shared {
  readonly answer: Answer;
  /** Whether somebody else's call answers. */
  readonly isJoined: boolean;
}

/** Calls in flight, shared by those who ask for the same. */
export interface Flights {
  /**
   * The answer to what `key` stands for: from the flight that is under way, else from `upstream`. A stream that has begun is
   * told from its beginning and then followed live. Nobody is held up by another's slowness or leaving, except that a stream
   * goes on little faster than its fastest reader; the last one who leaves ends the call. Where a flight fails, all are told
   * so; only who has been told nothing yet and can be helped by a call of its own begins one: where the leader's time was up
   * or its stream broke.
   *
   * Throws what the upstream throws, and a `GatewayError`: `cancelled` where the caller leaves, `deadline_exceeded` where its
   * own time is up. `tag` says what the flight is about, where the key alone does not.
   */
  share(key: string, call: Call, upstream: (call: Call) => Promise<Answer>, tag?: string): Promise<Shared>;
  /** The tag of the flight that is under way for a key. */
  tagOf(key: string): string | undefined;
}

export function createFlights(): Flights {
  const flights = new Map<string, Flight>();

  const underWay = (key: string) => {
    const flight = flights.get(key);
    return flight && flight.endsMs() > Date.now() ? flight : undefined;
  };

  function launch(key: string, call: Call, upstream: (call: Call) => Promise<Answer>, tag = key): Flight {
    // The runtime can end a leader without a word; what it left behind goes with its time.
    const nowMs = Date.now();
    for (const [name, flight] of flights) if (flight.endsMs() <= nowMs) flights.delete(name);
    const over = () => {
      if (flights.get(key) === flight) flights.delete(key);
    };
    const flight = start(tag, call, upstream, over);
    flights.set(key, flight);
    return flight;
  }

  return {
    tagOf: (key) => underWay(key)?.tag,
    async share(key, call, upstream, tag) {
      for (;;) {
        const known = underWay(key);
        const isJoined = known !== undefined;
        const outcome = await (known ?? launch(key, call, upstream, tag)).join(call, !isJoined);
        if ("answer" in outcome) return { answer: outcome.answer, isJoined };
        if (!isJoined) throw outcome.failure;
      }
    },
  };
}

/** `failure`: the flight failed in a way that need not concern those who joined it, who may begin one of their own. */
type Outcome = { readonly answer: Answer } | { readonly failure: Error };

interface Flight {
  readonly tag: string;
  /** Waits for the answer. Throws what the upstream throws. */
  join(call: Call, isLeader: boolean): Promise<Outcome>;
  /** After this nobody hears of it any more, in Unix milliseconds. */
  endsMs(): number;
}

/** What is known of a flight. */
interface State {
  /** A whole answer, or a stream's head. */
  answer?: Generation | Omit<GenerationStream, "read">;
  hasEnded: boolean;
  error?: Error;
}

function start(tag: string, leader: Call, upstream: (call: Call) => Promise<Answer>, onOver: () => void): Flight {
  const state: State = { hasEnded: false };
  const replay = createReplay();
  const waiting = new Set<() => void>();
  const changed = () => {
    for (const wake of waiting) wake();
    waiting.clear();
  };
  let endsMs = leader.deadlineMs + graceMs;
  let callers = 0;
  const controller = new AbortController();
  const cancelled = Promise.withResolvers<void>();
  /** Resolved when a reader has caught up with what was read ahead for it. */
  let wanted: PromiseWithResolvers<void> | undefined;

  /** The leader's work: everything here runs in its context. */
  async function run(): Promise<void> {
    void cancelled.promise.then(() => controller.abort());
    try {
      const answer = await upstream({ ...leader, signal: controller.signal });
      state.answer = answer;
      if (isStream(answer)) {
        changed();
        for (let batch = await answer.read(); batch; batch = await answer.read()) {
          replay.push(batch);
          changed();
          // No further ahead, so that nothing piles up that nobody reads.
          while (replay.unreadUnits() > readAheadUnits && callers > 0) {
            wanted = Promise.withResolvers();
            await wanted.promise;
          }
        }
      }
    } catch (error) {
      state.error = error instanceof Error ? error : new Error("the upstream threw something else", { cause: error });
    }
    state.hasEnded = true;
    onOver();
    changed();
  }

  function leave(isLeader: boolean): void {
    if (state.hasEnded) return;
    callers--;
    if (isLeader) endsMs = Math.min(endsMs, Date.now() + orphanedForMs);
    if (callers === 0) {
      onOver();
      cancelled.resolve();
    }
    wanted?.resolve();
    changed();
  }

  /** Who waits for a flight, with a timer of its own; the leader's time is kept by its own call. */
  function enter(call: Call, isLeader: boolean) {
    let wake = () => {};
    let timer: ReturnType<typeof setTimeout> | undefined;
    let armedMs = Number.POSITIVE_INFINITY;
    /** Sets the timer where there is none yet, or where the flight ends sooner now: its leader has left. */
    const arm = () => {
      const limitMs = Math.min(call.deadlineMs, endsMs);
      if (isLeader || limitMs >= armedMs) return;
      if (timer !== undefined) clearTimeout(timer);
      armedMs = limitMs;
      timer = setTimeout(
        () => {
          armedMs = Number.POSITIVE_INFINITY;
          wake();
        },
        Math.max(0, limitMs - Date.now()),
      );
    };
    const reader = replay.reader();
    let hasLeft = false;
    const exit = () => {
      if (hasLeft) return;
      hasLeft = true;
      if (timer !== undefined) clearTimeout(timer);
      call.signal.removeEventListener("abort", exit);
      reader.close();
      leave(isLeader);
      // Its own wait, if it is in one, ends in its own context.
      wake();
    };
    callers++;
    call.signal.addEventListener("abort", exit);
    if (call.signal.aborted) exit();
    return {
      reader,
      exit,
      /** Waits for something new. What comes back is a failure that ends the wait. */
      async news(): Promise<Error | undefined> {
        if (call.signal.aborted) throw callerLeft();
        arm();
        await new Promise<void>((resolve) => {
          wake = resolve;
          waiting.add(resolve);
        });
        if (call.signal.aborted) throw callerLeft();
        if (isLeader || state.hasEnded) return undefined;
        const nowMs = Date.now();
        if (nowMs >= call.deadlineMs) throw timeUp();
        return nowMs >= endsMs ? brokenOff() : undefined;
      },
    };
  }

  function follow({ reader, news, exit }: ReturnType<typeof enter>): GenerationStream["read"] {
    return async () => {
      try {
        for (;;) {
          if (reader.hasUnread()) {
            wanted?.resolve();
            return reader.read();
          }
          if (state.hasEnded) {
            if (state.error) throw state.error;
            exit();
            return undefined;
          }
          const failure = await news();
          if (failure) throw failure;
        }
      } catch (error) {
        exit();
        throw error;
      }
    };
  }

  /** Whether an error is about the leader, who left or had less time, and not about the request or the providers. */
  function isOnlyTheLeaders(error: Error, call: Call): boolean {
    if (!(error instanceof GatewayError)) return false;
    const hasMoreTime = call.deadlineMs > leader.deadlineMs + graceMs && Date.now() >= leader.deadlineMs;
    return error.kind === "cancelled" || (error.kind === "deadline_exceeded" && hasMoreTime);
  }

  /** What a caller gets, who has entered. */
  async function outcomeFor(call: Call, waiter: ReturnType<typeof enter>): Promise<Outcome> {
    while (!state.answer && !state.hasEnded) {
      const failure = await waiter.news();
      if (failure) return { failure };
    }
    if (!state.answer) {
      const error = state.error ?? brokenOff();
      if (isOnlyTheLeaders(error, call)) return { failure: error };
      throw error;
    }
    if ("choices" in state.answer) return { answer: state.answer };
    const stream = { ...state.answer, read: follow(waiter) };
    if (call.stream && call.delivery === "live") return { answer: stream };
    try {
      return { answer: await collect(stream) };
    } catch (error) {
      // Nothing has been told to this caller, whose own call could still fall back.
      if (error instanceof GatewayError && !call.signal.aborted) return { failure: error };
      throw error;
    }
  }

  const flight: Flight = {
    tag,
    endsMs: () => endsMs,
    async join(call, isLeader) {
      const waiter = enter(call, isLeader);
      let outcome: Outcome | undefined;
      try {
        outcome = await outcomeFor(call, waiter);
        return outcome;
      } finally {
        if (!(outcome && "answer" in outcome && isStream(outcome.answer))) {
          waiter.exit();
          // What came of the call stands in the leader's record once it has ended.
          if (isLeader && !(outcome && "answer" in outcome) && callers === 0) await ran;
        }
      }
    },
  };
  const ran = run();
  leader.waitUntil(ran);
  return flight;
}

const callerLeft = () => new GatewayError("cancelled", "The caller left.");

const timeUp = () =>
  new GatewayError("deadline_exceeded", "The answer was not there in time.", { code: "upstream_timeout" });

const brokenOff = () => new GatewayError("upstream_bad_response", "The AI provider's answer ended too early.");
