import { isStream } from "../../collect.ts";
import { GatewayError } from "../../errors.ts";
import type { GenerationStream } from "../../generation.ts";
import type { Answer, Operation, StreamHead, WholeAnswer } from "../../operation.ts";
import type { Call } from "../../upstream.ts";
import { gathering } from "./gathering.ts";
import { createReplay, type ReplayReader } from "./replay.ts";
import { brokenOff, createWait } from "./wait.ts";

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

/** What a call in flight offers those who work for it. */
export interface Flight<Whole> {
  /** Tells of the whole answer where it came as a stream; undefined where that failed or was too long to be held. */
  onWhole(listener: (whole: Whole | undefined) => void): void;
}

/** An upstream that may be asked on behalf of a flight. */
type FlightUpstream<Whole> = (call: Call, flight: Flight<Whole>) => Promise<Answer<Whole>>;

/** What is shared, and with whom. */
export interface ShareOptions<Request, Whole extends WholeAnswer> {
  /** Keys of different operations never equal each other, except under the same tag. */
  readonly key: string;
  /** What the flight is about, where the key alone does not say it. */
  readonly tag?: string;
  /** A flight that began before this is not joined (Unix milliseconds). Any may be unless told otherwise. */
  readonly oldestMs?: number;
  readonly operation: Operation<Request, Whole>;
  readonly call: Call;
  readonly upstream: FlightUpstream<Whole>;
}

/** `failure`: the flight failed in a way that need not concern those who joined it, who may begin one of their own. */
type Outcome<Whole> = { readonly answer: Answer<Whole> } | { readonly failure: Error };

/** A call in flight as its callers see it. */
export interface Running<Whole> {
  readonly tag: string;
  readonly startedAtMs: number;
  /** Waits for the answer. Throws what the upstream throws. */
  join(call: Call, isLeader: boolean): Promise<Outcome<Whole>>;
  /** After this nobody hears of it any more, in Unix milliseconds. */
  endsMs(): number;
}

/** What is known of a flight. */
interface State<Whole> {
  /** Of an answer that comes as a stream. */
  head?: StreamHead;
  whole?: Whole;
  /** Why nobody gets the whole of a stream that may go on for its readers. */
  letGo?: GatewayError;
  hasEnded: boolean;
  error?: Error;
}

/** Begins a call for its leader and whoever joins. `onOver` is called when nobody may join any more. */
export function start<Request, Whole extends WholeAnswer>(
  { key, tag = key, operation, call: leader, upstream }: ShareOptions<Request, Whole>,
  onOver: () => void,
): Running<Whole> {
  const state: State<Whole> = { hasEnded: false };
  const replay = createReplay();
  const memory = leader.memory.another(leader.memory.endsMs);
  const listeners: ((whole: Whole | undefined) => void)[] = [];
  const waiting = new Set<() => void>();
  const changed = () => {
    for (const wake of waiting) wake();
    waiting.clear();
  };
  let endsMs = leader.deadlineMs + graceMs;
  let callers = 0;
  /** How many of them get nothing before the whole answer is there. */
  let patient = 0;
  const controller = new AbortController();
  const cancelled = Promise.withResolvers<void>();
  /** Resolved when the stream may be read on. */
  let wanted: PromiseWithResolvers<void> | undefined;

  /** The leader's work: everything here runs in its context. */
  async function run(): Promise<void> {
    void cancelled.promise.then(() => controller.abort());
    try {
      const flight: Flight<Whole> = { onWhole: (listener) => void listeners.push(listener) };
      const answer = await upstream({ ...leader, signal: controller.signal, memory }, flight);
      if (isStream(answer)) state.whole = await follow(answer);
      else state.whole = answer;
    } catch (error) {
      state.error = error instanceof Error ? error : new Error("the upstream threw something else", { cause: error });
      // It may go on where there was no memory for what it says.
      controller.abort();
    }
    if (state.head) for (const tell of listeners) tell(state.whole);
    state.hasEnded = true;
    if (callers === 0) memory.release();
    onOver();
    changed();
  }

  /** Reads a stream to its end for everybody. Gives the whole answer, unless there is too much of it. */
  async function follow(stream: GenerationStream): Promise<Whole | undefined> {
    if (!operation.collector) throw new Error(`an answer to ${operation.name} came as a stream`);
    const onLetGo = (reason: GatewayError) => {
      state.letGo = reason;
      onOver();
    };
    const gathered = gathering({ replay, collector: operation.collector(stream), memory, onLetGo });
    state.head = stream;
    changed();
    for (;;) {
      // No further ahead, so that nothing piles up that nobody reads.
      while (replay.unreadUnits() > readAheadUnits && callers > 0 && patient === 0) {
        wanted = Promise.withResolvers();
        await wanted.promise;
      }
      const batch = await stream.read();
      if (!batch) return gathered.finish();
      gathered.add(batch);
      changed();
    }
  }

  function leave(isLeader: boolean): void {
    callers--;
    if (state.hasEnded) {
      if (callers === 0) memory.release();
      return;
    }
    if (isLeader) endsMs = Math.min(endsMs, Date.now() + orphanedForMs);
    if (callers === 0) {
      onOver();
      cancelled.resolve();
    }
    wanted?.resolve();
    changed();
  }

  /** Counts a caller in until it leaves. */
  function enter(call: Call, isLeader: boolean) {
    const isLive = call.stream && call.delivery === "live";
    const reader = isLive ? replay.reader() : undefined;
    const wait = createWait({ call, isLeader, waiting, endsMs: () => endsMs, hasEnded: () => state.hasEnded });
    let hasLeft = false;
    const exit = () => {
      if (hasLeft) return;
      hasLeft = true;
      wait.stop();
      call.signal.removeEventListener("abort", exit);
      reader?.close();
      if (!isLive) patient--;
      leave(isLeader);
      wait.wake();
    };
    callers++;
    if (!isLive) {
      patient++;
      wanted?.resolve();
    }
    call.signal.addEventListener("abort", exit);
    if (call.signal.aborted) exit();
    return { reader, exit, news: wait.news };
  }

  type Waiter = ReturnType<typeof enter>;

  /** The stream's chunks for one reader. */
  function readFor(reader: ReplayReader, { news, exit }: Waiter): GenerationStream["read"] {
    return async () => {
      try {
        for (;;) {
          if (reader.isLeftBehind()) throw leftBehind();
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
  async function outcomeFor(call: Call, waiter: Waiter): Promise<Outcome<Whole>> {
    const { reader } = waiter;
    for (;;) {
      if (reader && state.head) return { answer: { ...state.head, read: readFor(reader, waiter) } };
      if (state.letGo || state.hasEnded) break;
      const failure = await waiter.news();
      if (failure) return { failure };
    }
    if (state.whole) return { answer: state.whole };
    const error = state.letGo ?? state.error ?? brokenOff();
    if (error instanceof GatewayError && error.kind === "overloaded") throw error;
    // Of a stream nothing has been told to this caller, whose own call could still fall back.
    const mayAskAnew = state.head
      ? error instanceof GatewayError && !call.signal.aborted
      : isOnlyTheLeaders(error, call);
    if (mayAskAnew) return { failure: error };
    throw error;
  }

  const running: Running<Whole> = {
    tag,
    startedAtMs: Date.now(),
    endsMs: () => endsMs,
    async join(call, isLeader) {
      const waiter = enter(call, isLeader);
      let outcome: Outcome<Whole> | undefined;
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
  return running;
}

const leftBehind = () => new GatewayError("cancelled", "The answer was read too slowly.", { code: "read_too_slowly" });
