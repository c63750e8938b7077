import { env } from "cloudflare:workers";
import { fakeOpenAi, onlyOpenAi, type Sent, type TestAppOptions, testApp } from "./app-on-fake-network.ts";
import { at } from "./json.ts";
import { bearer, secret, signed } from "./tokens.ts";

export const chatPath = "/api/v1/ai/chat";
export const sessionsPath = `${chatPath}/sessions`;
/** Nothing is cached, so that whoever asks the same is seen to ask. */
export const chatSettings = { ...onlyOpenAi, JWT_SECRET: secret, QINGYU_CACHE_ENABLED: "false" };

export const signIn = async (user: string) => bearer(await signed({ claims: { user_id: user, roles: ["admin"] } }));

export const chatsOf = (user: string) => env.CHATS.get(env.CHATS.idFromName(JSON.stringify(["qingyu", user])));

/** A user whom no other test has, before an OpenAI that answers 青羽 unless another network is given. */
export async function person({ settings, user = crypto.randomUUID(), ...options }: PersonOptions = {}) {
  const { network, seen } = fakeOpenAi();
  const app = testApp({ network, ...options, settings: { ...chatSettings, ...settings } });
  const own = await signIn(user);
  const ask = async (method: string, path: string, body?: object, headers?: Record<string, string>) =>
    await app.send(path, {
      method,
      headers: { "content-type": "application/json", ...own, ...headers },
      body: body && JSON.stringify(body),
    });
  const get = async (path: string) => await ask("GET", path);
  return {
    ...{ user, seen, ask, get },
    post: async (path: string, body: object, headers?: Record<string, string>) =>
      await ask("POST", path, body, headers),
    say: async (body: object, headers?: Record<string, string>) => await ask("POST", chatPath, body, headers),
    sessions: async () => at((await get(sessionsPath)).json(), "data"),
    /** What was said in a session, without ids and times. */
    said: async (id: unknown) => {
      const messages = at((await get(`${sessionsPath}/${id}`)).json(), "data", "messages", "messages");
      if (!Array.isArray(messages)) throw new Error("there is no such session");
      return messages.map(({ role, content, metadata: { interrupted } }) => ({
        [role]: content,
        ...(interrupted && { interrupted }),
      }));
    },
  };
}

interface PersonOptions extends Omit<TestAppOptions, "settings"> {
  readonly settings?: Record<string, unknown>;
  readonly user?: string;
}

export const sessionIn = (sent: Sent) => at(sent.json(), "data", "sessionId");

/** What was said in each of a provider's prompts, without what the gateway says itself. */
export function promptsIn(seen: readonly Record<string, unknown>[]): unknown[] {
  return seen.map(({ messages }) =>
    (Array.isArray(messages) ? messages : []).filter(({ role }) => role !== "system").map(({ content }) => content),
  );
}
