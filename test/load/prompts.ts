import { promptMark } from "./secrets.ts";

/** What both ends of a load run can tell from the bytes of a request: what it asks for, and which one it is. */
const form = new RegExp(`${promptMark} ([a-z]+) \\d+;`);

/** The prompt of a request for `what`: `chat`, or an RPC. */
export const promptOf = (what: string, number: number) => `${promptMark} ${what} ${number};`;

/** The prompt in a request's body, in whatever protocol; empty where there is none. */
export function promptIn(body: string): { readonly prompt: string; readonly what: string } {
  const [prompt = "", what = ""] = form.exec(body) ?? [];
  return { prompt, what };
}
