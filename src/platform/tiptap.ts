import type { JsonObject, JsonValue } from "../generation.ts";
import { isJsonList, isJsonObject } from "../json.ts";

/** The text of a document of TipTap's (https://tiptap.dev/docs/editor/core-concepts/schema), a line for each block; undefined of what is none. */
export function tiptapText(value: JsonValue): string | undefined {
  if (isJsonList(value)) return value.length > 0 && value.every(isNode) ? linesOf(value).join("\n") : undefined;
  return isNode(value) ? linesOf([value]).join("\n") : undefined;
}

function isNode(value: JsonValue): value is JsonObject {
  return isJsonObject(value) && typeof value.type === "string" && (isJsonList(value.content) || blocks.has(value.type));
}

/** What may stand there without any content. */
const blocks: ReadonlySet<string> = new Set(["doc", "paragraph", "heading", "horizontalRule", "codeBlock"]);

/** The lines of what stands side by side: each run of texts is one, and each block has its own. */
function linesOf(nodes: readonly JsonValue[], lines: string[] = []): string[] {
  let isInLine = false;
  for (const node of nodes) {
    if (!isJsonObject(node)) continue;
    const inline = node.type === "hardBreak" ? "\n" : node.text;
    if (typeof inline === "string") {
      if (isInLine) lines.push(`${lines.pop()}${inline}`);
      else lines.push(inline);
      isInLine = true;
      continue;
    }
    isInLine = false;
    const before = lines.length;
    if (isJsonList(node.content)) linesOf(node.content, lines);
    if (lines.length === before) lines.push("");
  }
  return lines;
}
