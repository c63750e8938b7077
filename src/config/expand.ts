const reference = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/** What `${NAME}` and `${NAME:-default}` in a value stand for. */
export type Expanded =
  | { readonly outcome: "value"; readonly value: string }
  /** A name without default is missing, or nothing is left: as if the setting were not there. */
  | { readonly outcome: "unset" }
  /** There is a `${` that is no reference, or that a replacement brought in. */
  | { readonly outcome: "malformed" };

/** Replaces references once, not recursively. `lookUp` gives a name's value, undefined where it is missing or blank. */
export function expand(text: string, lookUp: (name: string) => string | undefined): Expanded {
  let isComplete = true;
  const value = text.replace(reference, (_, name: string, fallback?: string) => {
    const found = lookUp(name) ?? fallback;
    isComplete &&= found !== undefined;
    return found ?? "";
  });
  if (!isComplete || value.trim() === "") return { outcome: "unset" };
  return value.includes("${") ? { outcome: "malformed" } : { outcome: "value", value };
}
