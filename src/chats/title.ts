const mostCharacters = 30;

/** A session's title where nobody has given it one: how its first message begins. */
export function titleFrom(message: string): string {
  const [line = ""] = message.trim().split(/\s*\n/, 1);
  // More units than that never make fewer characters.
  const characters = [...line.slice(0, 3 * mostCharacters).toWellFormed()];
  return characters.length <= mostCharacters ? characters.join("") : `${characters.slice(0, mostCharacters).join("")}…`;
}
