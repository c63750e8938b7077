import type { RequestRecord } from "../record.ts";

/** What a body is made of, piece by piece; the last one may be empty or come beside `done`. */
export interface Pieces<Piece extends string | Uint8Array> {
  /** All that has come since the last time, perhaps nothing. */
  next(): Promise<Next<Piece>>;
}

type Next<Piece> = IteratorYieldResult<Piece> | Last<Piece>;

interface Last<Piece> extends IteratorReturnResult<Piece | undefined> {
  /** The answer ends here although it is not complete. What there is to say of it is in the last piece. */
  readonly isBroken?: true;
}

export interface StreamedBodyOptions<Piece extends string | Uint8Array> {
  readonly pieces: Pieces<Piece>;
  /** Makes one write of the pieces that leave together. */
  readonly join: (pieces: readonly Piece[]) => Uint8Array;
  readonly record: RequestRecord;
  /** The caller has stopped reading. */
  readonly onLeave: () => void;
  /** What comes within so long after a write waits until then, in milliseconds, so that it leaves together; 0 for as short as it can be. */
  readonly batchMs: number;
  /** When what has not been read is given up, in Unix milliseconds. */
  readonly endsMs: number;
  /** Absent where nothing is sent into a silence. */
  readonly heartbeat?: Heartbeat;
}

interface Heartbeat {
  readonly bytes: Uint8Array;
  /** The silence after which it is sent, in milliseconds. */
  readonly afterMs: number;
  /** Whether there has been such a silence before the body began. */
  readonly isDue: boolean;
}

/** A batch is at least so long, since a write costs more than all else that is done for a token, and bursts come in pieces. */
const shortestMs = 1;
/**
 * While there is something in each, every batch is twice as long as the one before, up to a frame of a screen: where
 * hundreds of streams share a thread, each waits longer for its turn than a short batch lasts.
 */
const longestBurstMs = 16;
/**
 * So long after its last bytes a body that fails ends abnormally: a reader that has not understood them must not take it for
 * the whole. Without a pause workerd loses the bytes with the body; a millisecond is not enough where there is much to do.
 */
const partingMs = 50;
/** A write that has come to so much waits for no more, in bytes or UTF-16 units. */
export const maxWriteLength = 64 * 1024;

/**
 * A body that is sent as fast as the caller reads, in few writes; over HTTP it ends only where its pieces are complete.
 * `record.written` settles with its end.
 */
export function streamedBody<Piece extends string | Uint8Array>(
  options: StreamedBodyOptions<Piece>,
): ReadableStream<Uint8Array> {
  const { pieces, join, record, onLeave, endsMs, heartbeat } = options;
  const usualMs = options.batchMs || shortestMs;
  const longestMs = options.batchMs || longestBurstMs;
  let batchMs = usualMs;
  const ended = Promise.withResolvers<void>();
  record.written = ended.promise;
  record.responseBytes = 0;
  let sentBytes = 0;
  let lastSentMs = Date.now();
  let batchEndsMs = 0;
  let beatTimer: ReturnType<typeof setTimeout> | undefined;
  let endTimer: ReturnType<typeof setTimeout> | undefined;
  /** Asked for already, but not there in time to leave with what came before it. */
  let coming: Promise<Next<Piece>> | undefined;
  /** What went wrong is known, so that a caller who leaves has not brought it about. */
  let hasFailed = false;

  function send(controller: ReadableStreamDefaultController<Uint8Array>, bytes: Uint8Array): void {
    controller.enqueue(bytes);
    lastSentMs = Date.now();
    sentBytes += bytes.byteLength;
    record.responseBytes = sentBytes;
  }

  function startBeating(controller: ReadableStreamDefaultController<Uint8Array>, { bytes, afterMs }: Heartbeat): void {
    const beat = () => {
      const silentMs = Date.now() - lastSentMs;
      if (silentMs < afterMs) {
        beatTimer = setTimeout(beat, afterMs - silentMs);
        return;
      }
      // A caller that does not read would only collect them.
      if ((controller.desiredSize ?? -1) >= 0) send(controller, bytes);
      else lastSentMs = Date.now();
      beatTimer = setTimeout(beat, afterMs);
    };
    beatTimer = setTimeout(beat, afterMs);
  }

  function end(): void {
    if (beatTimer !== undefined) clearTimeout(beatTimer);
    if (endTimer !== undefined) clearTimeout(endTimer);
    ended.resolve();
  }

  /** Ends the body as what it is: whole, or broken off. */
  async function finish(controller: ReadableStreamDefaultController<Uint8Array>, isBroken = false): Promise<void> {
    if (isBroken) {
      hasFailed = true;
      if (beatTimer !== undefined) clearTimeout(beatTimer);
      await new Promise((resolve) => setTimeout(resolve, partingMs));
    }
    end();
    // Of an error of our own the runtime's log would tell more.
    if (isBroken) controller.error(new Error("the answer has failed"));
    else controller.close();
  }

  function take(): Promise<Next<Piece>> {
    const taken = coming ?? pieces.next();
    coming = undefined;
    return taken;
  }

  /** Adds what else comes until the batch ends. Gives the last, if that has come. */
  async function takeBatch(taken: Piece[], firstLength: number): Promise<Last<Piece> | undefined> {
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), batchEndsMs - Date.now());
    let last: Last<Piece> | undefined;
    for (let length = firstLength; !last && length < maxWriteLength; ) {
      const asked = take();
      const result = await Promise.race([asked, late.promise]);
      if (!result) {
        coming = asked;
        break;
      }
      if (result.done) last = result;
      if (result.value === undefined) continue;
      taken.push(result.value);
      length += result.value.length;
    }
    clearTimeout(timer);
    return last;
  }

  const source: UnderlyingSource<Uint8Array> = {
    start(controller) {
      const giveUp = () => {
        record.error = "read_too_slowly";
        onLeave();
        end();
        controller.error(new Error("the answer was read too slowly"));
      };
      endTimer = setTimeout(giveUp, endsMs - Date.now());
      if (!heartbeat) return;
      if (heartbeat.isDue) send(controller, heartbeat.bytes);
      startBeating(controller, heartbeat);
    },
    async pull(controller) {
      let result = await take();
      while (!result.done && result.value.length === 0) result = await take();
      let last = result.done ? result : undefined;
      if (result.value !== undefined) {
        const taken = [result.value];
        const isInTime = Date.now() < batchEndsMs;
        if (isInTime && !last) last = await takeBatch(taken, result.value.length);
        batchMs = isInTime ? Math.min(2 * batchMs, longestMs) : usualMs;
        send(controller, join(taken));
        batchEndsMs = lastSentMs + batchMs;
      }
      if (last) await finish(controller, last.isBroken);
    },
    cancel() {
      if (!hasFailed) record.error = "cancelled";
      onLeave();
      end();
    },
  };
  // Nothing is read ahead for the caller, so that what comes meanwhile leaves together.
  return new ReadableStream(source, { highWaterMark: 0 });
}
