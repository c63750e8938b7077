import type { Answer, WholeAnswer } from "../../operation.ts";
import { type Running, type ShareOptions, start } from "./flight.ts";

interface Shared<Whole> {
  readonly answer: Answer<Whole>;
  /** Whether somebody else's call answers. */
  readonly isJoined: boolean;
}

/** Calls in flight, shared by those who ask for the same. */
export interface Flights {
  /**
   * The answer to what `key` stands for: from the newest flight that is under way, else from `upstream`. A stream that has begun is
   * told from its beginning and then followed live. Nobody is held up by another's slowness or leaving, except that a stream
   * goes on little faster than its fastest reader; the last one who leaves ends the call. Where a flight fails, all are told
   * so; only who has been told nothing yet and can be helped by a call of its own begins one: where the leader's time was up
   * or its stream broke.
   *
   * Throws what the upstream throws, and a `GatewayError`: `cancelled` where the caller leaves, `deadline_exceeded` where its
   * own time is up.
   */
  share<Request, Whole extends WholeAnswer>(options: ShareOptions<Request, Whole>): Promise<Shared<Whole>>;
  /** The tag of the flight that is under way for a key. */
  tagOf(key: string): string | undefined;
}

/** Looking through all flights with each new one would cost the more the busier the isolate is. */
const betweenSweepsMs = 1_000;

/** No calls yet; those of an isolate find each other by their keys. */
export function createFlights(): Flights {
  const underWay = new Map<string, Running<WholeAnswer>>();
  let nextSweepMs = 0;

  const find = (key: string) => {
    const flight = underWay.get(key);
    return flight && flight.endsMs() > Date.now() ? flight : undefined;
  };

  /** The runtime can end a leader without a word; what it left behind goes with its time. */
  function sweep(): void {
    const nowMs = Date.now();
    if (nowMs < nextSweepMs) return;
    nextSweepMs = nowMs + betweenSweepsMs;
    for (const [name, flight] of underWay) if (flight.endsMs() <= nowMs) underWay.delete(name);
  }

  function launch<Request, Whole extends WholeAnswer>(options: ShareOptions<Request, Whole>): Running<Whole> {
    const { key } = options;
    sweep();
    const flight = start(options, () => {
      if (underWay.get(key) === flight) underWay.delete(key);
    });
    underWay.set(key, flight);
    return flight;
  }

  return {
    tagOf: (key) => find(key)?.tag,
    async share<Request, Whole extends WholeAnswer>(options: ShareOptions<Request, Whole>) {
      const { key, tag = key, oldestMs = 0 } = options;
      for (;;) {
        const found = find(key);
        const isOfUse = found?.tag === tag && found.startedAtMs >= oldestMs;
        // Under one key and tag all flights are of one operation.
        const known = isOfUse ? (found as Running<Whole>) : undefined;
        const isJoined = known !== undefined;
        const outcome = await (known ?? launch(options)).join(options.call, !isJoined);
        if ("answer" in outcome) return { answer: outcome.answer, isJoined };
        if (!isJoined) throw outcome.failure;
      }
    },
  };
}
