import { UpstreamFailure } from "../../upstream-failure.ts";

/** A message behind its flags and its length, as Connect's streams and gRPC-Web have it. */
interface Frame {
  readonly flags: number;
  readonly data: Uint8Array;
}

export interface FrameSplitter {
  /**
   * The frames that are whole with these bytes. Throws `UpstreamFailure` wire `oversized` at the head of one that announces
   * more than it may have, before anything is held of it.
   */
  split(bytes: Uint8Array): readonly Frame[];
  /** Whether a frame has begun that is not whole yet. */
  isInside(): boolean;
}

const headBytes = 5;

export interface FrameOptions {
  readonly maxBytesOf: (flags: number) => number;
  /** Is told of how many bytes more there must be room before there is, and of how many less; may throw. */
  readonly takeRoom: (bytes: number) => void;
}

/** Cuts a body into frames, in whatever pieces it comes. What comes whole is not copied. */
export function frameSplitter({ maxBytesOf, takeRoom }: FrameOptions): FrameSplitter {
  /** Of a frame that has not come whole: its head, and room for the rest once that is known. */
  let held = new Uint8Array(headBytes);
  let heldBytes = 0;

  /** What a head says, and how many bytes the frame then has. */
  function readHead(bytes: Uint8Array, at: number) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, headBytes);
    const flags = view.getUint8(0);
    const length = view.getUint32(1);
    if (length > maxBytesOf(flags)) throw UpstreamFailure.wire("oversized");
    return { flags, frameBytes: headBytes + length };
  }

  /** Adds to what is held as much as belongs to it. Says how much that was. */
  function hold(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, held.byteLength - heldBytes);
    held.set(taken, heldBytes);
    heldBytes += taken.byteLength;
    if (heldBytes === headBytes && held.byteLength === headBytes) {
      const head = held;
      const { frameBytes } = readHead(head, 0);
      takeRoom(frameBytes);
      held = new Uint8Array(frameBytes);
      held.set(head);
    }
    return taken.byteLength;
  }

  return {
    split(bytes) {
      const frames: Frame[] = [];
      for (let at = 0; at < bytes.byteLength; ) {
        if (heldBytes === 0 && at + headBytes <= bytes.byteLength) {
          const { flags, frameBytes } = readHead(bytes, at);
          if (at + frameBytes <= bytes.byteLength) {
            frames.push({ flags, data: bytes.subarray(at + headBytes, at + frameBytes) });
            at += frameBytes;
            continue;
          }
        }
        at += hold(bytes.subarray(at));
        if (heldBytes < held.byteLength) continue;
        const whole = held;
        takeRoom(-whole.byteLength);
        held = new Uint8Array(headBytes);
        heldBytes = 0;
        frames.push({ flags: readHead(whole, 0).flags, data: whole.subarray(headBytes) });
      }
      return frames;
    },
    isInside: () => heldBytes > 0,
  };
}
