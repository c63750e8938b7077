import { askedTwice, askObjectIn } from "../ask-object.ts";
import type { Encryption } from "../cache/storage/encryption.ts";
import type { Digest } from "../cache/storage/key.ts";
import { ownerName } from "../caller.ts";
import { GatewayError } from "../errors.ts";
import { isJsonObject, parseJson } from "../json.ts";
import type { Results } from "../kept-results.ts";
import { logWarning } from "../telemetry/log.ts";
import { turnFor } from "../turn.ts";
import { answerWithin } from "../waiting.ts";
import type { ResultKeeper } from "./result-object.ts";

export interface ResultsOptions {
  /** Absent where nothing is kept. */
  readonly objects?: DurableObjectNamespace<ResultKeeper>;
  readonly digest: Digest;
  readonly encryption: Encryption;
}

/** How long a result may take to be kept; its caller waits for it. */
const keptWithinMs = 2_000;
const foundWithinMs = 5_000;
/** A longer one is not kept. */
const maxResultBytes = 4 * 1024 * 1024;
/** What is made of a result that is asked for again: it comes sealed, is opened, and becomes text, then values, then text. */
const bytesPerKeptByte = 6;

/** Results in the objects of a namespace, sealed on their way there. */
export function createResults({ objects, digest, encryption }: ResultsOptions): Results {
  const ask = askedTwice(askObjectIn(objects));

  return {
    async ids(owner, count, under) {
      const numbers = Array.from({ length: count }, (_, index) => index);
      if (under === undefined) return numbers.map(() => crypto.randomUUID());
      const { tenant, user = null } = owner;
      return await Promise.all(numbers.map(async (index) => uuidOf(await digest([tenant, user, ...under, index]))));
    },
    async keep(owner, { id, partIds, value }) {
      if (!objects) return undefined;
      const keeping = (async () => {
        const bytes = new TextEncoder().encode(JSON.stringify(value));
        if (bytes.byteLength > maxResultBytes) throw new Error("the result is too long");
        const sealed = await encryption.seal(bytes, owner.tenant, sealedFor(id));
        return await ask(ownerName(owner), (keeper) => keeper.keep({ id, partIds, sealed }));
      })();
      try {
        return await answerWithin(keeping, keptWithinMs, () => new Error("the result was not kept"));
      } catch {
        logWarning("result_write_failed", { result: id });
        return undefined;
      }
    },
    async find(owner, id, memory) {
      const found = await answerWithin(
        ask(ownerName(owner), async (keeper) => await keeper.find(id)),
        foundWithinMs,
        unavailable,
      );
      const sealedBytes = found?.sealed.byteLength ?? 0;
      memory.take(bytesPerKeptByte * sealedBytes);
      await turnFor(sealedBytes, memory.turn);
      // What was sealed under another secret is none.
      const bytes = found && (await encryption.open(found.sealed, owner.tenant, sealedFor(found.id)));
      const value = bytes && parseJson(new TextDecoder().decode(bytes));
      if (!found || !isJsonObject(value)) return undefined;
      return { value, createdAtMs: found.createdMs, expiresAtMs: found.expiresMs };
    },
  };
}

const sealedFor = (id: string) => `result:${id}`;

/** The first bytes of a digest in base64url in the form of a random UUID (RFC 9562). */
function uuidOf(digest: string): string {
  const bytes = Uint8Array.fromBase64(digest, { alphabet: "base64url" }).subarray(0, 16);
  const hex = bytes.toHex();
  const variant = "89ab"[(bytes[8] ?? 0) & 3];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function unavailable(cause?: unknown): GatewayError {
  logWarning("results_unavailable", { reason: cause === undefined ? "late" : "failed" });
  return new GatewayError("upstream_unavailable", "What was kept cannot be asked for now.", {
    code: "results_unavailable",
    cause,
  });
}
