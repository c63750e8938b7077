import type { DescMethod } from "@bufbuild/protobuf";
import type { Call } from "../../upstream.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { callHeaders, type Fetch } from "../wire/send.ts";
import { connectFailure } from "./failure.ts";
import { type CallOptions, createTransport, type Transport } from "./transport.ts";

export interface ServiceOptions {
  readonly baseUrl: string;
  readonly protocol: "connect" | "grpc-web";
  /** The service's bearer token. */
  readonly token?: string;
  readonly fetch: Fetch;
}

/** An AI service as its operations see it. */
export interface Service extends Transport {
  /** Runs a call, translates its failure, and remembers where the service lacks the method. */
  ask<T>(method: DescMethod, run: () => Promise<T>): Promise<T>;
  /** `named` is the end user whom the request names, for a caller whose token names none. */
  callOptions(call: Call, named: string | undefined): CallOptions;
  /** The header that every call has. */
  readonly authorization: Readonly<Record<string, string>>;
}

/** How long a method that the service said it lacks is not asked for again. */
const unimplementedForMs = 60_000;

/** An AI service at an address. */
export function createService({ baseUrl, protocol, token, fetch }: ServiceOptions): Service {
  const unimplementedUntilMs = new Map<DescMethod, number>();
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return {
    ...createTransport(protocol, baseUrl, fetch),
    async ask(method, run) {
      if (Date.now() < (unimplementedUntilMs.get(method) ?? 0)) throw UpstreamFailure.peer("unimplemented");
      try {
        return await run();
      } catch (error) {
        const failure = connectFailure(error, method);
        if (failure.failure.reason === "unimplemented") {
          unimplementedUntilMs.set(method, Date.now() + unimplementedForMs);
        }
        throw failure;
      }
    },
    callOptions: (call, named) => {
      const user = call.caller.user ?? named;
      return {
        signal: call.signal,
        memory: call.memory,
        timeoutMs: Math.max(1, Math.floor(call.deadlineMs - Date.now())),
        headers: {
          ...authorization,
          ...callHeaders(call),
          "x-qingyu-tenant": call.caller.tenant,
          ...(user !== undefined && { "x-qingyu-user-id": headerValue(user) }),
        },
      };
    },
    authorization,
  };
}

/** Headers carry visible ASCII; anything else is percent-encoded as in a URL, and so is what looks like it already. */
function headerValue(text: string): string {
  return /^[\x21-\x24\x26-\x7e]+$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}
