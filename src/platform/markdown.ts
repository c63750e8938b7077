/** The text of Markdown as novels are written in, without its marks; of a plain text that is the text itself. */
export function markdownText(markdown: string): string {
  return markdown
    .split("\n")
    .map((line) => (rule.test(line) ? "" : withoutMarks(line.replace(prefix, ""))))
    .join("\n");
}

const rule = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,}|`{3,}[a-z]*)\r?$/i;
const prefix = /^ {0,3}(?:#{1,6}[ \t]+|>[ \t]?)/;

function withoutMarks(line: string): string {
  return line
    .replace(/!?\[([^[\]]{0,1000})\]\([^()\s]{0,1000}\)/g, "$1")
    .replace(/(\*\*|__)(?=\S)([^*_]{1,1000})\1/g, "$2");
}
