import {
  type Appearance,
  type ChapterDigest,
  ChapterDigestSchema,
  type PlotBeat,
} from "../gen/qingyu/writing/structures_pb.ts";
import type { StructuredTask } from "./structured-task.ts";

export type ChapterWish = {
  readonly text: string;
  /** How deep the outline may be. */
  readonly outlineLevel: 1 | 2 | 3;
};

/** What happens in a chapter, and on which level of the outline, from 1. */
interface PlotItem {
  readonly level: number;
  readonly title: string;
  readonly description: string;
  readonly children: readonly PlotItem[];
}

interface ChapterSummary {
  /** As the text has it; empty where it has none. */
  readonly title: string;
  readonly summary: string;
  readonly keyPoints: readonly string[];
  readonly plotOutline: readonly PlotItem[];
  readonly characters: readonly Omit<Appearance, "$typeName">[];
}

const instructions = `你是小说编辑，为作者整理一章的提要，供他日后查阅。
chapterTitle：正文写有标题就照抄，没有就留空。
summary：用连贯的叙述写明谁做了什么、为何、结果如何，按原文的先后，不加评价，不写原文没有的事，不超过四百字。
keyPoints：最重要的情节点，三到八条，每条一句话。
plotOutline：按先后列出这一章的情节，每项有简短的 title 和一两句 description。`;

const aboutLevels = {
  1: "每项的 children 一律为空列表。",
  2: "一项里有几个步骤的，把步骤写进它的 children；步骤的 children 一律为空列表。",
  3: "一项里有几个步骤的，把步骤写进它的 children；步骤里还有要紧细节的，再写进步骤的 children。",
};

const aboutCharacters = `characters：出场的人物，各列一次。name 用正文里最常用的名字，role 写他在这一章里的身份或作用，appearance 写正文里的外貌或出场方式，没写就留空。
用原文的语言回答。`;

/** A chapter in short, with its plot and who appears in it. Of one that is read in parts all points and people are kept. */
export const summarizeChapterTask: StructuredTask<ChapterWish, typeof ChapterDigestSchema, ChapterSummary> = {
  name: "summarize_chapter",
  type: ChapterDigestSchema,
  temperature: 0.3,
  partUnits: 24_000,
  text: ({ text }) => text,
  instructions: ({ outlineLevel }) => `${instructions}${aboutLevels[outlineLevel]}\n${aboutCharacters}`,
  settle: ({ summary }) => (summary.trim() === "" ? ["summary: is empty"] : []),
  digest,
  keepsParts: true,
  result(parts, { outlineLevel }) {
    const { true: digests = [], false: read = [] } = Object.groupBy(parts, ({ isOfDigest = false }) => `${isOfDigest}`);
    const told = (digests.length > 0 ? digests : read).map(({ written }) => written);
    const written = read.map((part) => part.written);
    return {
      title: written.map(({ chapterTitle }) => chapterTitle.trim()).find((title) => title !== "") ?? "",
      summary: told.map(({ summary }) => summary.trim()).join("\n\n"),
      keyPoints: [...new Set(told.flatMap(({ keyPoints }) => keyPoints.map((point) => point.trim())))].filter(isSaid),
      plotOutline: itemsOf(
        written.flatMap(({ plotOutline }) => plotOutline),
        1,
        outlineLevel,
      ),
      characters: peopleIn(written.flatMap(({ characters }) => characters)),
    };
  },
};

const isSaid = (text: string) => text !== "";

function digest({ summary, keyPoints, characters }: ChapterDigest): string {
  const people = characters.map(({ name, role }) => (role.trim() === "" ? name : `${name}（${role}）`));
  return [summary, ...keyPoints.map((point) => `- ${point}`), `人物：${people.join("、")}`].join("\n");
}

interface Written extends Pick<PlotBeat, "title" | "description"> {
  readonly children?: readonly Written[];
}

/** Of what has no words of its own, what stands under it stands in its place. */
function itemsOf(written: readonly Written[], level: number, most: number): PlotItem[] {
  return written.flatMap(({ title, description, children = [] }) => {
    const [first = "", second = ""] = [title.trim(), description.trim()].filter(isSaid);
    if (first === "") return itemsOf(children, level, most);
    const below = level < most ? itemsOf(children, level + 1, most) : [];
    return [{ level, title: first, description: second, children: below }];
  });
}

/** Each of them once, with what is said of him first. */
function peopleIn(people: readonly Appearance[]): Omit<Appearance, "$typeName">[] {
  const byName = Map.groupBy(people, ({ name }) => name.trim());
  return [...byName].flatMap(([name, all]) => {
    const first = (of: (person: Appearance) => string) => all.map((person) => of(person).trim()).find(isSaid) ?? "";
    return name === "" ? [] : [{ name, role: first(({ role }) => role), appearance: first((each) => each.appearance) }];
  });
}
