import { at } from "../json.ts";
import { rare, repeated, slip } from "./chapter.ts";
import type { Question } from "./model.ts";

/** What a model writes where a structure is wanted, about the text that it was shown. */
export function writtenAbout({ structure = "", material, body }: Question): unknown {
  const text = textIn(material);
  return (
    written[structure]?.(text) ??
    sample(at(body, "response_format", "json_schema", "schema"), at(body, "response_format", "json_schema", "schema"))
  );
}

/** The text that a question is about: the longest that is shown. */
function textIn(material: ReadonlyMap<string, string>): string {
  return [...material.values()].toSorted((a, b) => b.length - a.length)[0] ?? "";
}

const issue = (originalText: string, more: object = {}) => ({
  ...{ type: "grammar", severity: "error", message: "此处不通顺", originalText, context: "", suggestions: ["改一改"] },
  ...{ category: "语法", rule: "重复", explanation: "两个字重了" },
  ...more,
});

const written: Readonly<Record<string, (text: string) => unknown>> = {
  Summary: () => ({ summary: "夜雨里，林远回到青石巷。", keyPoints: ["林远归来", "苏晚认出了他"] }),
  ChapterDigest: () => ({
    ...{ chapterTitle: "夜雨归人", summary: "夜雨里，林远回到青石巷。", keyPoints: ["林远归来"] },
    plotOutline: [{ title: "归来", description: "林远归来", children: [{ title: "敲门", description: "无人应门" }] }],
    characters: [{ name: "林远", role: "主角", appearance: "青衫" }],
  }),
  Proofreading: (text) => ({
    issues: [
      ...(text.includes(slip) ? [issue("的的", { context: slip, type: "spelling" })] : []),
      ...(text.includes(repeated) ? [issue(repeated, { severity: "suggestion" })] : []),
      ...(text.includes(rare) ? [issue("小吉👩‍👩‍👧笑了😀", { severity: "warning", type: "punctuation" })] : []),
    ],
  }),
  SensitiveWords: (text) => ({
    sensitiveWords: ["城隍庙", "𪚥𡚸"].flatMap((word) =>
      text.includes(word) ? [{ word, category: "other", level: "low", suggestion: "换一个词", reason: "迷信" }] : [],
    ),
  }),
  ChapterChanges: (text) => ({
    stateChanges: [
      { entityName: "林远", fieldKey: "位置", oldValue: "城外", newValue: "青石巷", evidence: text.slice(0, 10) },
    ],
    relationChanges: [
      {
        ...{ fromEntity: "林远", toEntity: "苏晚", relationType: "故人", changeType: "changed" },
        evidence: repeated,
      },
    ],
    newEntities: [{ name: "老陈", entityType: "character", firstMention: repeated, description: "船夫" }],
    events: [{ description: "林远归来", chapterPosition: "开头", involvedEntities: ["林远"], evidence: repeated }],
  }),
};

/** The same, but that nothing which is quoted stands in the text, and that places are told which are none. */
export function misquotedAbout(question: Question): unknown {
  const said = writtenAbout(question);
  const issues = at(said, "issues");
  const words = at(said, "sensitiveWords");
  const misplaced = { position: { start: 3, end: 1, line: -7, column: 0, length: 9_999_999 } };
  if (Array.isArray(issues)) {
    return {
      issues: [
        ...issues.map((each: unknown) => ({ ...Object(each), ...misplaced })),
        ...["文中没有的话", "", " ", "的 的", "\ude00", "😀😀😀"].map((quoted) => issue(quoted, misplaced)),
      ],
    };
  }
  if (Array.isArray(words)) {
    const more = ["不在文中", "", " "].map((word) => ({ word, category: "?", level: "?", suggestion: "", reason: "" }));
    return { sensitiveWords: [...words.map((each: unknown) => ({ ...Object(each), ...misplaced })), ...more] };
  }
  return said;
}

/** Some value of a JSON Schema. */
function sample(schema: unknown, root: unknown): unknown {
  const ref = at(schema, "$ref");
  if (typeof ref === "string") return sample(at(root, "$defs", ref.slice("#/$defs/".length)), root);
  switch (at(schema, "type")) {
    case "object": {
      const properties = Object.entries(Object(at(schema, "properties")));
      return Object.fromEntries(properties.map(([name, member]) => [name, sample(member, root)]));
    }
    case "array":
      return [sample(at(schema, "items"), root)];
    case "string":
      return "青羽";
    case "boolean":
      return true;
    default:
      return 1;
  }
}
