import { collect, isStream } from "../answer.ts";
import { GatewayError } from "../errors.ts";
import type { Answer, Generation, GenerationChunk, GenerationStream } from "../generation.ts";
import type { Call } from "../upstream.ts";
import { createTape } from "./tape.ts";

/*
 * On Workers whatever one request has begun can end with it, without a word to the others: its I/O belongs to it alone, and
 * a promise of its own may never settle for them (shared/platform.md). So one request, the leader, does all the work in its
 * own context, held by its `waitUntil`, and what crosses over to the others are plain chunks; each of them waits with a
 * promise and a timer of its own.
 */

/** How long the runtime keeps the work of a leader who has left. */
const orphanedForMs = 30_000;
/** How much longer than the leader's own deadline its work is waited for, so that it can tell its end. */
const graceMs = 1_000;

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
   * goes on as fast as its fastest reader; the last one who leaves ends the call. Where a flight fails, all are told so;
   * only who has been told nothing yet and can be helped by a call of its own begins one: where the leader's time was up or
   * its stream broke.
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
    const flight = takeOff(tag, call, upstream, over);
    flights.set(key, flight);
    return flight;
  }

  return {
    tagOf: (key) => underWay(key)?.tag,
    async share(key, call, upstream, tag) {
      for (;;) {
        const known = underWay(key);
        const isJoined = known !== undefined;
        const flight = known ?? launch(key, call, upstream, tag);
        try {
          return { answer: await flight.board(call, !isJoined), isJoined };
        } catch (error) {
          if (!(isJoined && error instanceof Stranded)) throw error instanceof Stranded ? error.cause : error;
        }
      }
    },
  };
}

/** A flight failed in a way that need not concern its passengers; the cause is what those are told whom it does concern. */
class Stranded extends Error {
  override readonly name = "Stranded";
  override readonly cause: Error;
  constructor(cause: Error) {
    super("the flight failed", { cause });
    this.cause = cause;
  }
}

interface Flight {
  readonly tag: string;
  /** Who boards is told the answer. Throws `Stranded` and what the upstream throws. */
  board(call: Call, isLeader: boolean): Promise<Answer>;
  /** After this nobody hears of it any more, in Unix milliseconds. */
  endsMs(): number;
}

/** What is known of a flight. */
interface State {
  /** A whole answer, or a stream's head. */
  answer?: Generation | Omit<GenerationStream, "chunks">;
  hasLanded: boolean;
  error?: Error;
}

function takeOff(tag: string, call: Call, upstream: (call: Call) => Promise<Answer>, onOver: () => void): Flight {
  const state: State = { hasLanded: false };
  const tape = createTape();
  const waiting = new Set<() => void>();
  const changed = () => {
    for (const wake of [...waiting]) wake();
  };
  let isWanted = Promise.withResolvers<void>();
  let endsMs = call.deadlineMs + graceMs;
  let aboard = 0;
  const cancelled = Promise.withResolvers<void>();

  /** The leader's work: everything here runs in its context. */
  async function fly(): Promise<void> {
    const controller = new AbortController();
    void cancelled.promise.then(() => controller.abort());
    try {
      const answer = await upstream({ ...call, signal: controller.signal });
      state.answer = answer;
      if (isStream(answer)) {
        changed();
        const chunks = answer.chunks[Symbol.asyncIterator]();
        for (;;) {
          // No faster than somebody reads, so that nothing piles up that nobody wants.
          await isWanted.promise;
          isWanted = Promise.withResolvers();
          const { done, value } = await chunks.next();
          if (done) break;
          tape.push(value);
          changed();
        }
      }
    } catch (error) {
      state.error = error instanceof Error ? error : new Error("the upstream threw something else", { cause: error });
    }
    state.hasLanded = true;
    onOver();
    changed();
  }

  function leave(isLeader: boolean): void {
    if (state.hasLanded) return;
    aboard--;
    if (isLeader) endsMs = Math.min(endsMs, Date.now() + orphanedForMs);
    if (aboard === 0) {
      onOver();
      cancelled.resolve();
      // A stream that nobody wants any more is asked on, so that its end comes through.
      isWanted.resolve();
    }
    changed();
  }

  /** Waits for something new. Throws where the passenger's own time is up or its caller has left. */
  async function news({ signal, deadlineMs }: Call, isLeader: boolean): Promise<void> {
    if (signal.aborted) throw new GatewayError("cancelled", "The caller left.");
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.add(resolve);
    // The leader's time is kept by its own call.
    const timer = isLeader ? undefined : setTimeout(resolve, Math.min(deadlineMs, endsMs) - Date.now());
    await promise;
    clearTimeout(timer);
    waiting.delete(resolve);
    if (signal.aborted) throw new GatewayError("cancelled", "The caller left.");
    if (state.hasLanded || isLeader) return;
    const nowMs = Date.now();
    if (nowMs >= deadlineMs) throw timeUp();
    if (nowMs >= endsMs) throw new Stranded(brokenOff());
  }

  async function* follow(passenger: Call, isLeader: boolean, onEnd: () => void): AsyncGenerator<GenerationChunk> {
    const reader = tape.reader();
    try {
      for (;;) {
        const chunk = reader.read();
        if (chunk) {
          yield chunk;
        } else if (state.hasLanded) {
          if (state.error) throw state.error;
          return;
        } else {
          isWanted.resolve();
          await news(passenger, isLeader);
        }
      }
    } catch (error) {
      throw error instanceof Stranded ? error.cause : error;
    } finally {
      reader.close();
      onEnd();
    }
  }

  /** Whether an error is about the leader, who left or had less time, and not about the request or the providers. */
  function isOnlyTheLeaders(error: Error, passenger: Call): boolean {
    if (!(error instanceof GatewayError)) return false;
    const hasMoreTime = passenger.deadlineMs > call.deadlineMs + graceMs && Date.now() >= call.deadlineMs;
    return error.kind === "cancelled" || (error.kind === "deadline_exceeded" && hasMoreTime);
  }

  const flight: Flight = {
    tag,
    endsMs: () => endsMs,
    async board(passenger, isLeader) {
      aboard++;
      let isAboard = true;
      const getOff = () => {
        if (!isAboard) return;
        isAboard = false;
        passenger.signal.removeEventListener("abort", getOff);
        leave(isLeader);
      };
      passenger.signal.addEventListener("abort", getOff);
      if (passenger.signal.aborted) getOff();
      try {
        while (!state.answer && !state.hasLanded) await news(passenger, isLeader);
        if (!state.answer) {
          const error = state.error ?? brokenOff();
          throw isOnlyTheLeaders(error, passenger) ? new Stranded(error) : error;
        }
        if (!("choices" in state.answer)) {
          const stream = { ...state.answer, chunks: follow(passenger, isLeader, getOff) };
          if (passenger.stream && passenger.delivery === "live") return stream;
          return await collect(stream).catch((error: unknown) => {
            // Nothing has been told to this caller, whose own call could still fall back.
            throw error instanceof GatewayError && !passenger.signal.aborted ? new Stranded(error) : error;
          });
        }
        return state.answer;
      } catch (error) {
        getOff();
        // What came of the call stands in the leader's record once it has ended.
        if (isLeader && aboard === 0) await flown;
        throw error;
      }
    },
  };
  const flown = fly();
  call.waitUntil(flown);
  return flight;
}

const timeUp = () =>
  new GatewayError("deadline_exceeded", "The answer was not there in time.", { code: "upstream_timeout" });

const brokenOff = () => new GatewayError("upstream_bad_response", "The AI provider's answer ended too early.");
