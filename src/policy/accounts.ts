import { askedTwice, askObjectIn } from "../ask-object.ts";
import { GatewayError } from "../errors.ts";
import { logWarning } from "../telemetry/log.ts";
import { answerWithin, settlesWithin } from "../waiting.ts";
import type { Account, Taken } from "./account.ts";
import type { Ask, Verdict } from "./books.ts";

/** How long an account may take to let a request in; its caller waits for it. */
const reservedWithinMs = 1_000;
/** How long it may take over anything else. */
const answeredWithinMs = 5_000;
/** The waits before settling is tried again, in milliseconds. The runtime ends the work of an answered request after 30 s. */
const settleAgainAfterMs = [100, 1_000, 5_000];

type Stub = DurableObjectStub<Account>;

/** The accounts, by their names. */
export interface Accounts {
  /** Asks to take something. Throws where the account fails or is late; what it may hold all the same is given back. */
  reserve(name: string, id: string, ask: Ask, waitUntil: (work: Promise<unknown>) => void): Promise<Verdict>;
  /** Says what a request has taken. Never throws: what could not be said is logged. */
  settle(name: string, id: string, taken: Taken): Promise<void>;
  /** Asks anything else. Throws 503 `limits_unavailable` where the account fails or is late. */
  ask<T>(name: string, question: (account: Stub) => PromiseLike<T>): Promise<T>;
}

/** Objects of a namespace; where none is bound every account is out of reach. */
export function accountsIn(objects: DurableObjectNamespace<Account> | undefined): Accounts {
  const askOnce = askObjectIn(objects);
  const askTwice = askedTwice(askOnce);

  const release = (name: string, id: string) => askTwice(name, (account) => account.settle(id, nothing));

  return {
    async reserve(name, id, ask, waitUntil) {
      const reserving = askTwice(name, async (account): Promise<Verdict> => await account.reserve(id, ask));
      if (await settlesWithin(reserving, reservedWithinMs)) return await reserving;
      waitUntil(reserving.then(() => release(name, id)).catch(() => {}));
      throw new Error("the account is late");
    },
    async settle(name, id, taken) {
      for (const waitMs of [...settleAgainAfterMs, undefined]) {
        const settling = askOnce(name, (account) => account.settle(id, taken));
        if (await settlesWithin(settling, answeredWithinMs)) {
          const isSettled = await settling.then(
            () => true,
            () => false,
          );
          if (isSettled) return;
        }
        if (waitMs !== undefined) await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
      logWarning("settle_failed", { reservation: id, tokens: String(taken.tokens) });
    },
    ask: (name, question) => answerWithin(askTwice(name, question), answeredWithinMs, limitsUnavailable),
  };
}

const nothing: Taken = { tokens: 0, cost: 0 };

export function limitsUnavailable(cause?: unknown): GatewayError {
  return new GatewayError("upstream_unavailable", "The limits that hold for you cannot be asked for now.", {
    code: "limits_unavailable",
    cause,
  });
}
