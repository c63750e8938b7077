const htmlMark = (word: string) => `<!-- ${word} -->`;
/** How the same lines look in a file of settings. */
export const envMark = (word: string) => `# ---- ${word} ----`;

/** A table in Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return `${line(head)}|${"---|".repeat(head.length)}\n${rows.map(line).join("")}`;
}

/** The text with a fresh part between the lines `<!-- name:start -->` and `<!-- name:end -->`. Throws where they are not there. */
export function withPart(text: string, name: string, fresh: string, mark = htmlMark): string {
  const start = `${mark(`${name}:start`)}\n`;
  const [from, to] = [text.indexOf(start), text.indexOf(mark(`${name}:end`))];
  if (from === -1 || to < from) throw new Error(`there are no markers for ${name}`);
  return `${text.slice(0, from + start.length)}\n${fresh}\n${text.slice(to)}`;
}
