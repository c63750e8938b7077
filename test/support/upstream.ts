import { inject } from "vitest";
import { closedUrl, marker, type Visit } from "../upstreams/texts.ts";

export type Kind = "openai" | "connect" | "grpc-web";

/** A back end of its own for one test, which plays one scenario (test/upstreams/scenarios.ts). */
export interface Upstream {
  readonly url: string;
  /** Who came, as soon as one of them is in this state. */
  readonly seen: (until?: Visit["state"]) => Promise<readonly Visit[]>;
  /** Who came where its redirects lead. */
  readonly robbed: () => Promise<readonly Visit[]>;
}

export function upstream(scenario: string): Upstream {
  const id = crypto.randomUUID();
  const base = inject("upstreamsUrl");
  const ask = async (who: string, until?: string): Promise<readonly Visit[]> => {
    const response = await fetch(`${base}/seen/${who}${until === undefined ? "" : `?until=${until}`}`);
    return await response.json();
  };
  return {
    url: scenario === "refused" ? closedUrl : `${base}/${encodeURIComponent(scenario)}/${id}`,
    seen: (until) => ask(id, until),
    robbed: () => ask(`thief-${id}`),
  };
}

/** The upstream as an entry of the setting `ai.providers`. */
export function provider(name: string, kind: Kind, { url }: Upstream, more: Record<string, unknown> = {}) {
  const entry = { name, apiKey: `sk-${marker}`, ...more };
  return kind === "openai"
    ? { ...entry, type: "openai", baseUrl: `${url}/v1` }
    : { ...entry, type: "ai-service", baseUrl: url, protocol: kind };
}

/** A request's body as JSON. */
export function jsonBody(visit: Visit | undefined): unknown {
  return JSON.parse(new TextDecoder().decode(bodyBytes(visit)));
}

export function bodyBytes(visit: Visit | undefined): Uint8Array {
  return Uint8Array.fromBase64(visit?.body ?? "");
}
