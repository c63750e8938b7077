import { GatewayError } from "../../errors.ts";
import type { GenerationChunk } from "../../generation.ts";
import { overloaded, type Share } from "../../in-flight.ts";
import { bytesPerUnit } from "../../memory-units.ts";
import type { Collector } from "../../operation.ts";
import { maxEntryBytes } from "../storage/codec.ts";
import type { Replay } from "./replay.ts";

/** What is held of a stream while it comes: for its readers, and for the whole answer. */
export interface Gathering<Whole> {
  /** Throws a `GatewayError` `overloaded` where there is no memory even for what is still to be read. */
  add(batch: readonly GenerationChunk[]): void;
  /** The whole answer; undefined where it was let go. Throws where it is not complete. */
  finish(): Whole | undefined;
}

export interface GatheringOptions<Whole> {
  readonly replay: Replay;
  readonly collector: Collector<Whole>;
  readonly memory: Share;
  /** From now on nobody gets the whole any more, nor the beginning. */
  readonly onLetGo: (reason: GatewayError) => void;
}

/** More of a stream could not be stored. */
const maxHeldUnits = maxEntryBytes;
/** How far a reader may be behind after that: those who waited for the whole may have set the pace. */
const maxUnreadUnits = 2 * maxHeldUnits;
/** The same where memory is short, more than the stream is read ahead. */
const fewUnreadUnits = 128 * 1024;
/** A stream whose reader keeps up goes on however little memory there is. */
const uncountedUnits = 16 * 1024;

/**
 * Holds all of a stream as long as it could be stored and there is memory for it, and then what its readers have still to
 * read, so that the isolate serves others.
 */
export function gathering<Whole>({ replay, collector, memory, onLetGo }: GatheringOptions<Whole>): Gathering<Whole> {
  let whole: Collector<Whole> | undefined = collector;
  let countedBytes = 0;

  function letGo(mostUnreadUnits: number, reason: GatewayError): void {
    replay.forgetBeginning(mostUnreadUnits);
    if (whole) onLetGo(reason);
    whole = undefined;
  }

  /** Whether there is memory for what has been added and not been counted yet; gives back what is held no longer. */
  function mayHold(): boolean {
    const bytes = (whole ? 2 : 1) * bytesPerUnit * replay.heldUnits();
    if (!memory.mayTake(bytes - countedBytes)) return false;
    countedBytes = bytes;
    return true;
  }

  return {
    add(batch) {
      replay.push(batch);
      for (const chunk of batch) whole?.add(chunk);
      if (whole && replay.heldUnits() > maxHeldUnits) letGo(maxUnreadUnits, tooLarge());
      if (mayHold()) return;
      letGo(fewUnreadUnits, overloaded());
      if (!mayHold() && replay.heldUnits() > uncountedUnits) throw overloaded();
    },
    finish: () => whole?.finish(),
  };
}

const tooLarge = () => new GatewayError("upstream_bad_response", "The AI provider's answer is too large.");
