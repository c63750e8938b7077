const tag = /<(\/?)([a-z][a-z0-9]*)(?:[\s/][^<>]*)?>/iy;
/** What begins or ends a line. */
const blocks =
  /^(?:address|article|aside|blockquote|br|dd|div|dl|dt|figure|footer|h[1-6]|header|hr|li|main|ol|p|pre|section|table|tr|ul)$/;
/** What holds nothing to be read. */
const unseen: ReadonlySet<string> = new Set(["script", "style", "head", "template", "title"]);

/** The text of a piece of HTML, a line for each block. What is no tag stays as it is. */
export function htmlText(html: string): string {
  const lower = html.toLowerCase();
  const pieces: string[] = [];
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf("<", at);
    pieces.push(html.slice(at, open === -1 ? html.length : open).replace(/[\r\n\t ]+/g, " "));
    if (open === -1) break;
    if (html.startsWith("<!--", open)) {
      at = nextIn(html, "-->", open) + "-->".length;
      continue;
    }
    tag.lastIndex = open;
    const found = tag.exec(html);
    if (!found) {
      pieces.push("<");
      at = open + 1;
      continue;
    }
    const [whole, end, written = ""] = found;
    const name = written.toLowerCase();
    if (blocks.test(name)) pieces.push("\n");
    at = open + whole.length;
    if (end === "" && unseen.has(name)) at = nextIn(lower, `</${name}`, at);
  }
  const lines = withCharacters(pieces.join("")).split("\n");
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join("\n");
}

/** Where such words come next; the end where they do not. */
function nextIn(text: string, words: string, from: number): number {
  const at = text.indexOf(words, from);
  return at === -1 ? text.length : at;
}

const named: Readonly<Record<string, string>> = {
  ...{ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " ", ensp: " ", emsp: " " },
  ...{ hellip: "…", mdash: "—", ndash: "–", middot: "·", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”" },
};

/** Characters in the place of their references; those that nobody writes in prose stay as they are. */
function withCharacters(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z]{2,8}));/gi, (reference, hex, decimal, name) => {
    if (typeof name === "string") return named[name.toLowerCase()] ?? reference;
    const code = typeof hex === "string" ? Number.parseInt(hex, 16) : Number(decimal);
    const isCharacter = code >= 0x20 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    return isCharacter ? String.fromCodePoint(code) : "";
  });
}
