import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { startWorker } from "../../bench/workerd.ts";
import type { Fared } from "./innocent.ts";
import { askOnce, openTarget, type Target } from "./target.ts";

/** Something that a caller or a provider does to the gateway. */
export interface Attack {
  /** What is done, in words. */
  readonly name: string;
  /** What its chain's only back end is; OpenAI-type unless told otherwise. */
  readonly provider?: "openai" | "ai-service";
  readonly settings?: Readonly<Record<string, string>>;
  /** Its back end is so busy that the innocent caller gets one of his own, so that only the gateway is judged. */
  readonly isApart?: true;
  readonly play: (target: Target) => Promise<void>;
}

/** What an attack did. */
export interface Damage {
  readonly name: string;
  readonly isAlive: boolean;
  /** What the attacker got: answers by status; 0 where none came. */
  readonly statuses: Readonly<Record<number, number>>;
  readonly longestMs: number;
  readonly innocent: Fared;
  /** Of V8's heap before a collection, in megabytes. */
  readonly peakHeapMb: number;
  readonly peakProcessMb: number;
}

/** The memory of an isolate on Cloudflare. */
export const heapMb = 128;
const [attacker, innocent] = ["attacker", "innocent"];
/** How long the innocent one is alone before and after. */
const calmMs = 1_000;

/** Plays an attack against the built worker, in a workerd of its own, and beside it an innocent caller. */
export async function damageOf(
  script: string,
  { name, provider = "openai", settings, isApart, play }: Attack,
): Promise<Damage> {
  const good = isApart && (await startUpstream("good"));
  const attacked = await startUpstream();
  let peakHeapMb = 0;
  const worker = await startWorker({
    script,
    bindings: {
      AI_PROVIDERS: JSON.stringify([
        ...(good ? [{ name: "good", type: "openai", baseUrl: good.url, apiKey: "sk-good" }] : []),
        { name: "attacked", type: provider, baseUrl: attacked.url, apiKey: "sk-attacked" },
      ]),
      GATEWAY_API_KEYS: [attacker, innocent].map((tenant) => `${tenant}:${sha256Hex(tenant)}`).join(","),
      ...settings,
    },
    readyPath: "/health/live",
    v8Flags: [`--max-heap-size=${heapMb}`, "--trace-gc"],
    onLog(text) {
      for (const [, used] of text.matchAll(/ms: (?:Scavenge|Mark-Compact)[^\d]*(\d+\.\d+) \(/g)) {
        peakHeapMb = Math.max(peakHeapMb, Number(used));
      }
    },
  });
  const caller = fork(join(import.meta.dirname, "innocent.ts"), [String(worker.port), innocent], { execArgv: [] });
  await new Promise((resolve) => setTimeout(resolve, calmMs));

  const target = openTarget(worker.port, attacker);
  await play(target);
  await new Promise((resolve) => setTimeout(resolve, calmMs));
  caller.send("stop");
  const fared: Fared = (await once(caller, "message"))[0];
  target.close();
  const last = await askOnce(worker.port, attacker, { method: "GET", path: "/health/live" });
  const peakProcessMb = worker.peakBytes() / 1024 / 1024;
  if (last) await worker.stop();
  for (const upstream of good ? [good, attacked] : [attacked]) upstream.stop();
  return {
    name,
    isAlive: last?.status === 200,
    statuses: target.statuses(),
    longestMs: target.longestMs(),
    innocent: fared,
    peakHeapMb,
    peakProcessMb,
  };
}

async function startUpstream(...parameters: readonly string[]) {
  const upstream = fork(join(import.meta.dirname, "upstream.ts"), parameters, { execArgv: [] });
  const [{ url }] = await once(upstream, "message");
  return { url: String(url), stop: () => upstream.disconnect() };
}

function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
