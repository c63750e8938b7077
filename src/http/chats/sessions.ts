import { type Context, type Handler, Hono } from "hono";
import type { Config } from "../../config/config.ts";
import type { Gateway } from "../../upstream.ts";
import type { Walk } from "../call.ts";
import { requireValid } from "../invalid.ts";
import { readJson } from "../json-body.ts";
import { languageOf } from "../language.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { inEnvelope, type Said } from "../qingyu/form.ts";
import { pageOf } from "../qingyu/page.ts";
import { historyAnswer, sessionAnswer } from "./messages.ts";
import { makeSessionRequest, messagesQuery, renameSessionRequest, sessionsQuery } from "./requests.ts";

/** A caller's chat sessions, below `/api/v1/ai/chat/sessions`. Nothing of it costs anything. */
export function sessionRoutes(config: Config, { chats }: Pick<Gateway, "chats">): Hono<Walk> {
  const routes = new Hono<Walk>();
  const answering =
    (said: Said, answer: (c: Context<Walk>) => Promise<object | null>): Handler<Walk> =>
    async (c) => {
      return c.json(inEnvelope(await answer(c), languageOf(c.req.raw.headers), c.get("record").requestId, said));
    };
  const idOf = (c: Context<Walk>) => c.req.param("id") ?? "";

  routes.get(
    "/",
    answering("found", async (c) => {
      const { projectId, ...asked } = requireValid(sessionsQuery, c.req.query());
      const caller = c.get("caller");
      const sessions = await chats.list(caller, pageOf(asked, 20), projectId || undefined);
      return sessions.map((session) => sessionAnswer(session, caller));
    }),
  );
  routes.post(
    "/",
    answering("done", async (c) => {
      const { title, projectId } = await readJson(c.req.raw, makeSessionRequest, config, c.get("memory"));
      const caller = c.get("caller");
      const wish = { title: title?.trim() || undefined, projectId: projectId || undefined };
      return sessionAnswer(await chats.make(caller, wish), caller);
    }),
  );
  routes.all("/", allowOnly("GET", "POST"));

  routes.put(
    "/:id",
    answering("done", async (c) => {
      const { title } = await readJson(c.req.raw, renameSessionRequest, config, c.get("memory"));
      const caller = c.get("caller");
      return sessionAnswer(await chats.rename(caller, idOf(c), title.trim()), caller);
    }),
  );
  routes.get(
    "/:id",
    answering("found", async (c) => {
      const page = pageOf(requireValid(messagesQuery, c.req.query()), 50);
      const caller = c.get("caller");
      return historyAnswer(await chats.read(caller, idOf(c), page, c.get("memory")), page, caller);
    }),
  );
  routes.delete(
    "/:id",
    answering("done", async (c) => {
      await chats.remove(c.get("caller"), idOf(c));
      return null;
    }),
  );
  routes.all("/:id", allowOnly("GET", "PUT", "DELETE"));
  return routes;
}
