import type { JsonObject, JsonValue } from "../src/generation.ts";
import { isJsonObject } from "../src/json.ts";
import type { Asked } from "./embedded-material.ts";

/** Lists have so many elements at the root of a structure, one below it, and none so far down that it may go on for ever. */
const elements = 2;
const maxListDepth = 8;
const maxDepth = 12;
const maxValues = 2000;
const usualCharacters = 80;
const clauseCharacters = 20;
/** As many as most Chinese names have, and most words. */
const [nameCharacters, wordCharacters] = [3, 2];

const sentence = /(?:[^。！？!?….\n]|\.(?![ \n]|$))+(?:[。！？!?….]*[”’」』"'）)]*)/g;
const clause = /[^，。、；：！？…,.;:!?“”‘’「」『』"（）()\n\t\u3000]+/;
const fieldLength = /([A-Za-z]+) 不超过([1-9][0-9]{0,8})字/g;
const outerSpace = /^[ \t\r\n\u3000]+|[ \t\r\n\u3000]+$/g;

/** What a value is written for. */
interface Place {
  /** The sentence of the text that it is about, and another one. */
  readonly quoted: string;
  readonly other: string;
  /** Place in its list, from 1. */
  readonly number: number;
  readonly say: (chinese: string, english: string) => string;
}

/** What fields of known names say; all others have a sentence of the text. */
const texts: Readonly<Record<string, (place: Place) => string>> = {
  originalText: ({ quoted }) => clauseOf(quoted),
  title: ({ quoted }) => clauseOf(quoted),
  // Not every chapter has one.
  chapterTitle: () => "",
  word: ({ quoted }) => wordIn(quoted, wordCharacters),
  name: ({ quoted }) => wordIn(quoted, nameCharacters),
  entityName: ({ quoted }) => wordIn(quoted, nameCharacters),
  fromEntity: ({ quoted }) => wordIn(quoted, nameCharacters),
  toEntity: ({ other }) => wordIn(other, nameCharacters),
  involvedEntities: ({ quoted }) => wordIn(quoted, nameCharacters),
  relationType: ({ say }) => say("相识", "acquainted"),
  role: ({ say }) => say("人物", "character"),
  fieldKey: ({ say }) => say("状态", "state"),
  oldValue: ({ say }) => say("未知", "unknown"),
  message: ({ say }) => say("这里可以再斟酌。", "This could be put better."),
  explanation: ({ say }) => say("这一处读起来略显平淡。", "This reads a little flat."),
  reason: ({ say }) => say("换个说法更贴切。", "Other words fit better."),
  rule: ({ say }) => say("用词", "wording"),
  category: ({ say }) => say("用词", "wording"),
  text: ({ say }) => say("换一种说法", "another wording"),
  suggestion: ({ say }) => say("换一种说法", "another wording"),
  suggestions: ({ say }) => say("换一种说法", "another wording"),
};

/** Words of which a field has one: the first that the instructions name. */
const words: Readonly<Record<string, readonly string[]>> = {
  type: ["style", "grammar", "punctuation", "spelling", "main"],
  severity: ["suggestion"],
  category: ["other", "violence", "adult", "political"],
  level: ["low"],
  entityType: ["character"],
  changeType: ["changed"],
};

/**
 * An instance of a schema that is about a text: small, and the same for the same two. Quotes are verbatim. Undefined where the
 * schema is none that a structured task has, or asks for more than is worth writing without a model.
 */
export function writeStructure({ schema = {}, text, instructions }: Asked): string | undefined {
  const sentences = sentencesIn(text);
  const say = (chinese: string, english: string) => (/\p{Script=Han}/u.test(text) ? chinese : english);
  const placeAt = (index: number): Place => ({
    quoted: sentences[index % sentences.length] ?? "",
    other: sentences[(index + 1) % sentences.length] ?? "",
    number: index + 1,
    say,
  });
  const mostCharacters = new Map(
    [...instructions.matchAll(fieldLength)].map(([, name = "", most]) => [name, Number(most)]),
  );
  const named = new Set(instructions.match(/[A-Za-z]+/g));
  const wordFor = (key: string) =>
    Object.hasOwn(words, key) ? words[key]?.find((word) => named.has(word)) : undefined;
  let values = 0;

  function instanceOf(type: JsonValue | undefined, key: string, place: Place, depth: number): JsonValue {
    if (!isJsonObject(type) || ++values > maxValues || depth > maxDepth) throw new NotWorthWriting();
    if (type.$ref !== undefined) return instanceOf(referred(schema, type.$ref), key, place, depth + 1);
    switch (type.type) {
      case "object": {
        const properties = Object.entries(isJsonObject(type.properties) ? type.properties : {});
        return Object.fromEntries(properties.map(([name, inner]) => [name, instanceOf(inner, name, place, depth + 1)]));
      }
      case "array": {
        if (depth > maxListDepth) return [];
        const length = Math.min(elements, sentences.length);
        const places = depth > 1 ? [place] : Array.from({ length }, (_, index) => placeAt(index));
        return places.map((each) => instanceOf(type.items, key, each, depth + 1));
      }
      case "string":
        return beginningOf(wordFor(key) ?? textOf(key, place), mostCharacters.get(key) ?? Number.POSITIVE_INFINITY);
      case "integer":
        return place.number;
      case "number":
        return 0.5;
      case "boolean":
        return true;
      default:
        throw new NotWorthWriting();
    }
  }

  try {
    return JSON.stringify(instanceOf(schema, "", placeAt(0), 0));
  } catch (error) {
    if (error instanceof NotWorthWriting) return undefined;
    throw error;
  }
}

class NotWorthWriting extends Error {}

function referred({ $defs }: JsonObject, reference: JsonValue): JsonValue | undefined {
  const name = /^#\/\$defs\/([A-Za-z0-9_]+)$/.exec(String(reference))?.[1] ?? "";
  return isJsonObject($defs) ? $defs[name] : undefined;
}

function textOf(key: string, place: Place): string {
  const said = Object.hasOwn(texts, key) ? texts[key] : undefined;
  if (said) return said(place);
  if (/[a-z]Id$/.test(key)) return `${key.slice(0, -2)}-${place.number}`;
  return beginningOf(place.quoted, usualCharacters);
}

/** No two that are the same; at least one. */
function sentencesIn(text: string): string[] {
  const found = [...text.matchAll(sentence)]
    .map(([each]) => each.replace(outerSpace, ""))
    .filter((each) => each !== "");
  return found.length > 0 ? [...new Set(found)] : ["…"];
}

function clauseOf(text: string): string {
  return beginningOf(clause.exec(text)?.[0].replace(outerSpace, "") || text, clauseCharacters);
}

/** The first characters of a Chinese text, else its first word. */
function wordIn(text: string, characters: number): string {
  const first = clauseOf(text);
  return /^\p{Script=Han}/u.test(first) ? beginningOf(first, characters) : (first.split(" ")[0] ?? "");
}

function beginningOf(text: string, characters: number): string {
  return [...text].slice(0, characters).join("").replace(outerSpace, "");
}
