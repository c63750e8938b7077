import {
  ChapterChangesSchema,
  type NewEntity,
  type RelationChange,
  type StateChange,
  type StoryEvent,
} from "../gen/qingyu/writing/structures_pb.ts";
import { inOrder, type KnownEntity, knownNames, namer, shownEntities } from "./entities.ts";
import { evidenceIn, firstMention } from "./evidence.ts";
import type { StructuredTask } from "./structured-task.ts";

export type AnalysisWish = {
  readonly text: string;
  readonly entities: readonly KnownEntity[];
};

/** What a chapter changes in the world of its story, in the order in which it is told. */
interface ChapterAnalysis {
  readonly stateChanges: readonly Omit<StateChange, "$typeName">[];
  readonly relationChanges: readonly Omit<RelationChange, "$typeName">[];
  /** Each with the sentence in which the chapter names it first. */
  readonly newEntities: readonly (Omit<NewEntity, "$typeName"> & { readonly firstMention: string })[];
  readonly events: readonly (Omit<StoryEvent, "$typeName"> & { readonly chapterPosition?: string })[];
}

const instructions = `你是小说的设定编辑，读一段正文，记下它给故事世界带来的变化，供作者更新设定。
stateChanges：人物、物品、地点、组织的状态变化，如伤势、所在地、持有物、身份、能力、心境。entityName 用已知设定里的名字，没有就照抄正文的称呼；fieldKey 是简短的属性名；oldValue 是变化前的值，正文和已知设定都没写就留空；newValue 是变化后的值。
relationChanges：两者关系的变化。relationType 是简短的关系名，如师徒、敌对；changeType 只用 new、removed、changed。
newEntities：已知设定里没有、正文里有名字的。name 照抄正文的称呼；entityType 只用 character、item、location、organization；description 用一句话说明。
events：推动情节的事件，按发生先后，每件一句话；involvedEntities 列出有名字的参与者。
evidence 从正文逐字抄一句最能说明它的原文，不超过五十字，不改写，不拼接。
每类最多十项，取最重要的；没有就给空列表。只记正文写明的，不推测。用正文的语言。`;

/** What changes in a chapter. Its evidence is quoted from the text: what stands nowhere in it is left out, not the change. */
export const analyzeChapterTask: StructuredTask<AnalysisWish, typeof ChapterChangesSchema, ChapterAnalysis> = {
  name: "analyze_chapter",
  type: ChapterChangesSchema,
  temperature: 0.2,
  // Small, since parts are worked on at the same time, and who asks does not wait for long.
  partUnits: 3_000,
  text: ({ text }) => text,
  instructions: () => instructions,
  material: ({ entities }, part) => ({ 已知设定: shownEntities(entities, part) }),
  settle(written, part) {
    written.stateChanges.splice(mostOfPart);
    written.relationChanges.splice(mostOfPart);
    written.events.splice(mostOfPart);
    // What is named nowhere in what the model has read is none of its.
    written.newEntities = written.newEntities.slice(0, mostOfPart).filter(({ name }) => part.includes(name.trim()));
    const quoted = evidenceIn(part);
    for (const change of [...written.stateChanges, ...written.relationChanges, ...written.events]) {
      change.evidence = quoted(change.evidence);
    }
    return [];
  },
  result(parts, { text, entities }) {
    const nameOf = namer(entities);
    const known = knownNames(entities);
    return {
      stateChanges: inOrder(
        parts.flatMap(({ written }) =>
          written.stateChanges.map(({ entityName, fieldKey, oldValue, newValue, evidence }) => ({
            ...{ entityName: nameOf(entityName), fieldKey: fieldKey.trim() || "状态" },
            ...{ oldValue: oldValue.trim(), newValue: newValue.trim(), evidence },
          })),
        ),
        ({ entityName, newValue }) => entityName !== "" && newValue !== "",
        ({ entityName, fieldKey, newValue }) => [entityName, fieldKey, newValue],
      ),
      relationChanges: inOrder(
        parts.flatMap(({ written }) =>
          written.relationChanges.map(({ fromEntity, toEntity, relationType, changeType, evidence }) => ({
            ...{ fromEntity: nameOf(fromEntity), toEntity: nameOf(toEntity), relationType: relationType.trim() },
            ...{ changeType: wordFor(changeTypes, changeType) ?? "changed", evidence },
          })),
        ),
        ({ fromEntity, toEntity }) => fromEntity !== "" && toEntity !== "" && fromEntity !== toEntity,
        ({ fromEntity, toEntity, relationType, changeType }) => [fromEntity, toEntity, relationType, changeType],
      ),
      newEntities: inOrder(
        parts.flatMap(({ written }) =>
          written.newEntities.map(({ name, entityType, description }) => ({
            ...{ name: name.trim(), description: description.trim() },
            entityType: wordFor(entityTypes, entityType) ?? "item",
          })),
        ),
        ({ name }) => name !== "" && !known.has(name),
        ({ name }) => [name],
      )
        .slice(0, mostNew)
        .map((entity) => ({ ...entity, firstMention: firstMention(text, entity.name) ?? "" }))
        // What the chapter does not name is none of its.
        .filter((entity) => entity.firstMention !== ""),
      events: inOrder(
        parts.flatMap(({ start, end, written }) =>
          written.events.map(({ description, involvedEntities, evidence }) => ({
            ...{ description: description.trim(), evidence },
            involvedEntities: [...new Set(involvedEntities.map(nameOf).filter((name) => name !== ""))],
            chapterPosition: positionOf(evidence, { text, start, end }),
          })),
        ),
        ({ description }) => description !== "",
        ({ description }) => [description],
      ),
    };
  },
};

/** Ten were asked for. */
const mostOfPart = 30;
/** Each is looked for in the whole text. */
const mostNew = 1_000;

/** Words by which models say what they were not given for it. */
const changeTypes: Readonly<Record<string, RegExp>> = {
  changed: /chang|updat|变|改|更/i,
  removed: /remov|delet|end|brok|解|断|消|破|结束/i,
  new: /new|add|creat|form|新|建|结/i,
};
const entityTypes: Readonly<Record<string, RegExp>> = {
  character: /char|person|people|人|角色|animal|creature|动物|妖|兽/i,
  location: /loc|place|地|场所|城|site/i,
  organization: /org|group|faction|sect|组织|势力|门派|团体|帮/i,
  item: /item|object|artifact|weapon|物|器|道具/i,
};

function wordFor(words: Readonly<Record<string, RegExp>>, said: string): string | undefined {
  const word = said.trim().toLowerCase();
  if (Object.hasOwn(words, word)) return word;
  return Object.entries(words).find(([, meant]) => meant.test(word))?.[0];
}

/** Where in a chapter something stands, in words. */
function positionOf(evidence: string, { text, start, end }: { text: string; start: number; end: number }) {
  const at = evidence === "" ? -1 : text.slice(start, end).indexOf(evidence);
  if (at === -1) return undefined;
  const share = (start + at) / text.length;
  return positions.find(([below]) => share < below)?.[1] ?? "结尾";
}

const positions = [
  [0.1, "开头"],
  [0.4, "前段"],
  [0.6, "中段"],
  [0.9, "后段"],
] as const;
