import { create, type DescMessage, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import {
  type CharactersData,
  CharactersDataSchema,
  type OutlineData,
  OutlineDataSchema,
  type PlotData,
  PlotDataSchema,
} from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { fnv1a, isChinese, tokensOf } from "./embedded-writer.ts";

/**
 * An author without a model: small structures that hang together, in the task's language and always the same for it. The
 * Python service's `creative/embedded_author.py` writes the same; the contract suite compares the two.
 */

const charactersPerTitle = 20;
const wordsPerChapter = 3000;
const maxParticipants = 10;
const maxPlottedChapters = 200;
const hashedCharacters = 1000;
const eventTypes = ["铺垫", "冲突", "高潮", "转折", "结局"];

/** Five chapters along the five parts of a story. */
export function writeOutline(task: string): OutlineData {
  const say = speakerOf(task);
  const { hero, rival } = namesFor(task);
  const parts = isChinese(task)
    ? ["相遇", "追寻", "决裂", "醒悟", "归来"]
    : ["meeting", "search", "breach", "awakening", "return"];
  return create(OutlineDataSchema, {
    title: beginningOf(task.trim(), charactersPerTitle),
    genre: say("长篇小说", "novel"),
    coreTheme: say("选择与代价", "choices and their price"),
    targetAudience: say("成年读者", "adults"),
    estimatedTotalWords: wordsPerChapter * parts.length,
    chapters: parts.map((part, index) => ({
      chapterId: index + 1,
      title: say(`第${index + 1}章 ${part}`, `Chapter ${index + 1}: ${part}`),
      summary: say(`${hero}与${rival}的故事：${part}。`, `${hero} and ${rival}: ${part}.`),
      keyEvents: [say(`${hero}面对${part}`, `${hero} faces the ${part}`)],
      charactersInvolved: [hero, rival],
      conflictType: say("人物冲突", "between people"),
      emotionalTone: say("由静入动", "from calm to storm"),
      estimatedWordCount: wordsPerChapter,
      chapterGoal: say(`推进到${part}之后`, `to get beyond the ${part}`),
      cliffhanger: say("门外响起了脚步声。", "Steps sounded outside the door."),
    })),
    storyArc: { setup: [1], risingAction: [2], climax: [3], fallingAction: [4], resolution: [5] },
  });
}

/** Two people who stand against each other, in all chapters of the outline. */
export function writeCharacters(task: string, outline?: OutlineData): CharactersData {
  const say = speakerOf(task);
  const { hero, rival } = namesFor(task);
  const numbers = outline?.chapters.length ? outline.chapters.map(({ chapterId }) => chapterId) : [1];
  const people = [
    { name: hero, other: rival, role: "protagonist", age: 24, gender: say("女", "female") },
    { name: rival, other: hero, role: "antagonist", age: 31, gender: say("男", "male") },
  ];
  return create(CharactersDataSchema, {
    characters: people.map(({ name, other, role, age, gender }, index) => ({
      characterId: `character-${index + 1}`,
      name,
      roleType: role,
      importance: "major",
      age,
      gender,
      appearance: say("青衣，目光沉静。", "Plain clothes and a calm look."),
      personality: {
        traits: [say("坚韧", "tough")],
        strengths: [say("守信", "true to a word")],
        weaknesses: [say("多疑", "slow to trust")],
        coreValues: say("自由", "freedom"),
        fears: say("遗忘", "being forgotten"),
      },
      background: {
        summary: say(`${name}自小在河边长大。`, `${name} grew up by the river.`),
        family: say("父母早逝", "parents died early"),
        education: say("私塾三年", "three years of school"),
        keyExperiences: [say("一场大雨", "a great rain")],
      },
      motivation: say("找回失去的信", "to find the lost letter"),
      relationships: [
        {
          character: other,
          relationType: "rival",
          description: say("旧识，如今立场相反", "old friends on two sides"),
          dynamics: say("由敌意到理解", "from enmity to understanding"),
        },
      ],
      developmentArc: {
        startingPoint: say("回避", "avoiding"),
        turningPoints: [say("读到旧信", "reads the old letter")],
        endingPoint: say("承担", "bearing it"),
        growthTheme: say("成长", "growth"),
      },
      roleInStory: role,
      firstAppearance: numbers[0],
      chaptersInvolved: numbers,
    })),
    relationshipNetwork: {
      conflicts: [{ parties: [hero, rival] }],
      mentorships: [{ mentor: rival, student: hero }],
    },
  });
}

/** One event for each of the first 200 chapters, on one thread; the first ten characters take part in all of them. */
export function writePlot(task: string, outline?: OutlineData, characters?: CharactersData): PlotData {
  const say = speakerOf(task);
  const cast = characters?.characters.slice(0, maxParticipants).map(({ name }) => name) ?? [];
  const names = cast.length > 0 ? cast : Object.values(namesFor(task));
  const given = outline?.chapters.slice(0, maxPlottedChapters) ?? [];
  const chapters =
    given.length > 0 ? given : [{ chapterId: 1, title: beginningOf(task, charactersPerTitle), summary: "" }];
  const ids = chapters.map((_, index) => `event-${index + 1}`);
  /** The id at a place that is brought within the story. */
  const at = (index: number) => ids[Math.max(0, Math.min(index, ids.length - 1))] ?? "";
  const [first, middle, last] = [at(0), at(Math.floor(ids.length / 2)), at(ids.length - 1)];
  return create(PlotDataSchema, {
    timelineEvents: chapters.map(({ chapterId, title, summary }, index) => ({
      eventId: ids[index],
      timestamp: say(`第${index + 1}日`, `day ${index + 1}`),
      location: say("河边小城", "the town by the river"),
      title,
      description: summary || title,
      participants: names,
      eventType: eventTypes[Math.min(index, eventTypes.length - 1)],
      impact: {
        onPlot: say("局势再变", "things change again"),
        onCharacters: Object.fromEntries(names.map((name) => [name, say("更近真相", "closer to the truth")])),
        emotionalImpact: say("不安", "unrest"),
      },
      causes: index > 0 ? ids.slice(index - 1, index) : [],
      consequences: ids.slice(index + 1, index + 2),
      chapterId,
    })),
    plotThreads: [
      {
        threadId: "thread-1",
        title: say("主线", "main thread"),
        description: say("一封旧信引出的故事", "what an old letter leads to"),
        type: "main",
        events: ids,
        startingEvent: first,
        climaxEvent: middle,
        resolutionEvent: last,
        charactersInvolved: names,
      },
    ],
    conflicts: [
      {
        conflictId: "conflict-1",
        type: "人物冲突",
        parties: names,
        description: say("信该不该公开", "whether the letter may be read"),
        escalationEvents: ids.slice(0, -1),
        resolutionEvent: last,
      },
    ],
    keyPlotPoints: {
      incitingIncident: first,
      plotPoint1: at(1),
      midpoint: middle,
      plotPoint2: at(ids.length - 2),
      climax: middle,
      resolution: last,
    },
  });
}

/** The tokens that a structure took: of the task, and of the structure as JSON. */
export function tokensOfWork<Schema extends DescMessage>(
  task: string,
  schema: Schema,
  data: MessageShape<Schema>,
): number {
  return tokensOf(task).length + tokensOf(toJsonString(schema, data)).length;
}

/** Says the Chinese or the English of two texts, as the task is written. */
function speakerOf(task: string): (chinese: string, english: string) => string {
  const speaksChinese = isChinese(task);
  return (chinese, english) => (speaksChinese ? chinese : english);
}

function namesFor(task: string): { readonly hero: string; readonly rival: string } {
  const seed = fnv1a(beginningOf(task, hashedCharacters));
  const [heroes, rivals] = isChinese(task)
    ? [
        ["林青羽", "沈知微", "苏晚"],
        ["顾长风", "陆沉", "谢惊蛰"],
      ]
    : [
        ["Mara", "Elin", "Tess"],
        ["Corvin", "Aldous", "Bram"],
      ];
  return {
    hero: heroes[seed % heroes.length] ?? "",
    rival: rivals[Math.floor(seed / heroes.length) % rivals.length] ?? "",
  };
}

/** In whole characters, so that none is cut in two. */
function beginningOf(text: string, characters: number): string {
  return [...text].slice(0, characters).join("");
}
