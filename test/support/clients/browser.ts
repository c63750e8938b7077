import type { Send } from "./send.ts";

/** What a page may send anywhere without asking first (https://fetch.spec.whatwg.org/#cors-safelisted-request-header). */
const simpleTypes = /^(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)(;|$)/;
const simpleHeaders = ["accept", "accept-language", "content-language"];
const simpleMethods = ["GET", "HEAD", "POST"];

/** Sends as a page of this origin does to another one: asks first where it must, and may not see what it is not allowed to. */
export function browser(origin: string, send: Send): Send {
  return async (url, sent = {}) => {
    const method = sent.method ?? "GET";
    const headers = new Headers(sent.headers);
    const unusual = [...headers].filter(([name, value]) => {
      return name === "content-type" ? !simpleTypes.test(value) : !simpleHeaders.includes(name);
    });
    if (unusual.length > 0 || !simpleMethods.includes(method)) {
      const names = unusual.map(([name]) => name).toSorted();
      const asking = { origin, "access-control-request-method": method };
      const asked = await send(url, {
        method: "OPTIONS",
        headers: names.length > 0 ? { ...asking, "access-control-request-headers": names.join(",") } : asking,
      });
      await asked.body?.cancel();
      const listed = (name: string) => (asked.headers.get(name) ?? "").toLowerCase().split(/\s*,\s*/);
      requireAllowed(asked, origin);
      if (!asked.ok) throw new TypeError(`preflight answered ${asked.status}`);
      const allowed = listed("access-control-allow-headers");
      const refused = names.filter(
        (name) => !allowed.includes(name) && !(allowed.includes("*") && name !== "authorization"),
      );
      if (refused.length > 0) throw new TypeError(`preflight does not allow ${refused.join()}`);
      const isAllowed = listed("access-control-allow-methods").includes(method.toLowerCase());
      if (!simpleMethods.includes(method) && !isAllowed) throw new TypeError(`preflight does not allow ${method}`);
    }
    headers.set("origin", origin);
    const answer = await send(url, { ...sent, headers });
    requireAllowed(answer, origin);
    return answer;
  };
}

function requireAllowed({ headers }: Response, origin: string): void {
  const allowed = headers.get("access-control-allow-origin");
  if (allowed !== "*" && allowed !== origin) throw new TypeError(`a page of ${origin} may not see it`);
}
