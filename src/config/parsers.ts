/** Turns a setting's text into its value; undefined where the text is not what `expected` says. */
export interface Parser<T> {
  /** What a correct value looks like, with its unit. */
  readonly expected: string;
  readonly parse: (text: string) => T | undefined;
}

/** A text of a form. */
export function text(expected: string, form: RegExp = /./s): Parser<string> {
  return { expected, parse: (value) => (form.test(value) ? value : undefined) };
}

/** A text of so many bytes, whatever they are. */
export function secret(expected: string, minBytes: number): Parser<string> {
  return { expected, parse: (value) => (new TextEncoder().encode(value).length >= minBytes ? value : undefined) };
}

/** A whole number of a unit, within these bounds. */
export function whole(unit: string, min: number, max: number): Parser<number> {
  return {
    expected: `a whole number of ${unit} from ${min} to ${max}`,
    parse: (value) => (/^\d{1,15}$/.test(value) ? within(Number(value), min, max) : undefined),
  };
}

/** A number within these bounds. */
export function decimal(min: number, max: number): Parser<number> {
  return {
    expected: `a number from ${min} to ${max}`,
    parse: (value) => (/^\d{1,15}(\.\d{1,15})?$/.test(value) ? within(Number(value), min, max) : undefined),
  };
}

function within(value: number, min: number, max: number): number | undefined {
  return value >= min && value <= max ? value : undefined;
}

/** A boolean; 1 and 0 as well. */
export function yesOrNo(): Parser<boolean> {
  return {
    expected: "true or false",
    parse: (value) => (/^(true|1)$/i.test(value) ? true : /^(false|0)$/i.test(value) ? false : undefined),
  };
}

/** One of these words. */
export function oneOf<T extends string>(...words: readonly T[]): Parser<T> {
  return { expected: words.join(" or "), parse: (value) => words.find((word) => word === value) };
}

/** Comma-separated items; white space around them and empty ones do not count. */
export function listOf<T>(item: Parser<T>): Parser<readonly T[]> {
  return {
    expected: `${item.expected}; several are separated by commas`,
    parse: (value) => {
      const items: T[] = [];
      for (const part of value.split(",").map((each) => each.trim())) {
        if (part === "") continue;
        const parsed = item.parse(part);
        if (parsed === undefined) return undefined;
        items.push(parsed);
      }
      return items;
    },
  };
}

/** A base URL without the slash at its end. Credentials, a query or a fragment have no place in it. */
export function baseUrl(): Parser<string> {
  return {
    expected: "an http or https URL without credentials, query or fragment",
    parse: (value) => {
      const url = URL.parse(value);
      if (!url || !/^https?:$/.test(url.protocol)) return undefined;
      if (url.username || url.password || /[?#]/.test(value)) return undefined;
      return url.href.replace(/\/+$/, "");
    },
  };
}

/** A URL with all that belongs to it but credentials. */
export function address(): Parser<string> {
  return {
    expected: "an http or https URL without credentials or fragment",
    parse: (value) => {
      const url = URL.parse(value);
      if (!url || !/^https?:$/.test(url.protocol)) return undefined;
      return url.username || url.password || value.includes("#") ? undefined : url.href;
    },
  };
}

/** What a browser sends as `Origin`, and an app without a host of its own; `*` is none, since keys would then work from any page. */
export function origin(): Parser<string> {
  return {
    expected: "an origin such as https://app.example.com or tauri://localhost (not *)",
    parse: (value) => (URL.parse(value)?.origin === value || appOrigin.test(value) ? value : undefined),
  };
}

/** A scheme that only one app answers to, and a host. What the web's schemes make of an origin their URLs say. */
const appOrigin = /^(?!(?:https?|wss?|ftp|file|blob|data|javascript):)[a-z][a-z0-9+.-]*:\/\/[a-z0-9.-]+(?::\d{1,5})?$/;
