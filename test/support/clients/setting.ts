import { testApp } from "../app-on-fake-network.ts";
import { ledgers } from "../ledger.ts";
import { secret } from "../tokens.ts";
import { modelSettings, models, type Question, type Reply } from "./model.ts";
import { chapterText, modelText } from "./platform-calls.ts";
import type { Send } from "./send.ts";
import { writtenAbout } from "./written.ts";

/** The front end's own origin, and those of apps. */
export const page = "https://write.qingyu.test";
export const desktopOrigins = ["wails://wails", "http://wails.localhost", "tauri://localhost", "capacitor://localhost"];

const settings = {
  ...modelSettings,
  JWT_SECRET: secret,
  CORS_ALLOWED_ORIGINS: [page, ...desktopOrigins].join(),
  QINGYU_CACHE_ENABLED: "false",
  QINGYU_PLATFORM_URL: "https://platform.test",
  QINGYU_PLATFORM_SERVICE_KEY: "service-key",
};

/** What a good model says. */
export const goodReply = (question: Question): Reply =>
  question.structure === undefined ? modelText : JSON.stringify(writtenAbout(question));

/** A gateway between clients and models that reply so, with the platform's own texts behind it. */
export function platform(
  reply: (question: Question) => Reply,
  more: Record<string, unknown> = {},
  chapter = chapterText,
) {
  const { network, questions } = models(reply);
  const internal = (path: string, body: object) =>
    network.get(`/api/v1/internal/${path}`, (c) => {
      const isKnown = c.req.header("x-ai-service-key") === "service-key";
      return isKnown ? c.json(body) : c.json({ error: "unauthorized" }, 401);
    });
  internal("documents/:id/content", { content: chapter, wordCount: Array.from(chapter).length });
  internal("projects/:id/outline", { outline: [] });
  internal("projects/:id/characters", { characters: [] });
  internal("projects/:id/context", { id: "p", title: "青羽", status: "draft", statistics: {}, settings: {} });
  const app = testApp({ network, ledgers, settings: { ...settings, ...more } });
  const sent: Response[] = [];
  const send: Send = async (url, init) => {
    const answer = await app.fetch(new URL(url, "http://localhost").href, init);
    sent.push(answer.clone());
    return answer;
  };
  return { send, questions, sent };
}
