import * as z from "zod/mini";
import type { DocumentRef, DocumentText } from "../document.ts";
import { GatewayError } from "../errors.ts";
import { parseJson } from "../json.ts";
import { unitsOf } from "../memory-units.ts";
import { callHeaders, type Fetch, readAnswer, send } from "../providers/wire/send.ts";
import { logWarning } from "../telemetry/log.ts";
import type { Call } from "../upstream.ts";
import { UpstreamFailure } from "../upstream-failure.ts";
import { settlesWithin } from "../waiting.ts";
import { plainText } from "./plain-text.ts";

/** The platform's own store of texts. */
export interface Platform {
  /**
   * A document's text; undefined where the platform has none to give: it does not know the document, refuses, is late or
   * answers something else. What went wrong stands in the log. Throws a `GatewayError` `overloaded` where there is no memory
   * for what it says.
   */
  documentOf(ref: DocumentRef, call: Call): Promise<DocumentText | undefined>;
}

export interface PlatformOptions {
  /** Without a slash at its end; with or without `/api/v1`. */
  readonly url: string;
  readonly serviceKey?: string;
  /** Whose callers may have its texts; everybody's where absent. */
  readonly tenants?: readonly string[];
  readonly fetch: Fetch;
}

/** How long the platform may take, and how much of what a request has left: there must be time for all else. */
const mostMs = { content: 3_000, title: 1_000 };
const mostShare = { content: 0.25, title: 0.1 };

/** A longer title is none. In UTF-16 units. */
const maxTitleUnits = 300;
/** No chapter is longer, even in TipTap's JSON: to make more of it plain takes memory for each of its lines. In UTF-16 units. */
const maxContentUnits = 2_000_000;

const content = z.object({ content: z.union([z.string(), z.record(z.string(), z.json()), z.array(z.json())]) });
const outline = z.object({
  outline: z.array(z.object({ documentId: z.nullish(z.string()), title: z.nullish(z.string()) })),
});
const envelope = z.object({ code: z.union([z.literal(0), z.literal(200)]), data: z.json() });

/**
 * Reads documents from the platform's internal API, in which the gateway's key opens every document of everybody: no user
 * has a part in it. So whoever may call here and knows a document's id can have it read. The project and the user whom a
 * token names are told to the platform, which may refuse by them; which tenants are its own the settings say.
 */
export function createPlatform({ url, serviceKey, tenants, fetch }: PlatformOptions): Platform {
  const base = `${url.replace(/\/api\/v1$/, "")}/api/v1/internal/`;
  async function ask<Schema extends z.ZodMiniType>(
    path: string,
    schema: Schema,
    part: keyof typeof mostMs,
    call: Call,
  ): Promise<z.infer<Schema> | undefined> {
    const limitMs = Math.min(mostMs[part], (call.deadlineMs - Date.now()) * mostShare[part]);
    const asking = new AbortController();
    const headers = {
      accept: "application/json",
      ...callHeaders({ ...call, stream: false }),
      ...(serviceKey !== undefined && { "x-ai-service-key": serviceKey }),
    };
    const signal = AbortSignal.any([call.signal, asking.signal]);
    const read = async () => {
      const response = await send(fetch, `${base}${path}`, { headers, signal });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new Refused(response.status);
      }
      return await readAnswer(response, call, (text) => schema.parse(bare(parseJson(text))));
    };
    const answer = read().catch((error: unknown) => {
      if (error instanceof GatewayError) throw error;
      if (!signal.aborted) tell(reasonOf(error), part, call);
      return undefined;
    });
    if (await settlesWithin(answer, limitMs)) return await answer;
    const isLeft = signal.aborted;
    asking.abort();
    if (!isLeft) tell("timeout", part, call);
    return undefined;
  }

  return {
    async documentOf({ projectId, documentId }, call) {
      const id = segment(documentId);
      if (id === undefined || (tenants && !tenants.includes(call.caller.tenant))) return undefined;
      const project = projectId === undefined ? undefined : segment(projectId);
      const query = queryOf({ project_id: projectId, user_id: call.caller.user });
      const leaving = new AbortController();
      const beside = { ...call, signal: AbortSignal.any([call.signal, leaving.signal]) };
      const asked = ask(`documents/${id}/content${query}`, content, "content", call);
      const titled = project
        ? ask(`projects/${project}/outline${query}`, outline, "title", beside).catch(() => undefined)
        : undefined;
      try {
        const found = await asked;
        const isTooLong = found && unitsOf(found.content) > maxContentUnits;
        if (isTooLong) tell("oversized", "content", call);
        const text = found && !isTooLong && plainText(found.content);
        if (!text) return undefined;
        const node = (await titled)?.outline.find((each) => each.documentId === documentId);
        const title = node?.title?.trim();
        return { text, ...(title && title.length <= maxTitleUnits && { title }) };
      } finally {
        leaving.abort();
      }
    },
  };
}

/** An id as a part of a path; undefined of one that would lead elsewhere, however it is written. */
function segment(id: string): string | undefined {
  const leadsElsewhere = id.split(/[/\\]/).some((part) => /^\.*$/.test(part));
  return leadsElsewhere ? undefined : encodeURIComponent(id.toWellFormed());
}

function queryOf(said: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(said)) if (value) query.set(name, value.toWellFormed());
  return query.size > 0 ? `?${query}` : "";
}

/** What an answer holds, be it in the platform's envelope or not. Throws where the envelope tells of a failure. */
function bare(answer: unknown): unknown {
  const isEnvelope = typeof answer === "object" && answer !== null && "code" in answer && "data" in answer;
  return isEnvelope ? envelope.parse(answer).data : answer;
}

class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;

  constructor(status: number) {
    super("the platform refused");
    this.status = status;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Refused) return `status ${error.status}`;
  return error instanceof UpstreamFailure ? error.failure.reason : "malformed";
}

/** Writes down why the platform gave nothing; that it does not know a document is nothing wrong. */
function tell(reason: string, part: string, { requestId }: Call): void {
  if (reason !== "status 404") logWarning("platform_failed", { requestId, part, reason });
}
