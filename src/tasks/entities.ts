/** What is known of somebody or something of a story. */
export type KnownEntity = {
  readonly name: string;
  readonly type?: string;
  readonly aliases: readonly string[];
  readonly summary?: string;
  readonly state?: string;
};

/** So much of what is known is shown beside a part of a text. */
const maxShownUnits = 6_000;
const maxTextUnits = 300;
/** By so many of its aliases somebody is looked for in a part, by none that is longer than so many UTF-16 units. */
const [maxSought, maxSoughtUnits] = [10, 16];
/** Longer than any name: what has no other width and case to be told by. In UTF-16 units. */
const maxNameUnits = 200;

/** What a model is told of what is known, a line each: those whom the part names first, as many as there is room for. */
export function shownEntities(entities: readonly KnownEntity[], part: string): string {
  const stands = namesIn(part);
  const isNamed = ({ name, aliases }: KnownEntity) => [name, ...aliases.slice(0, maxSought)].some(stands);
  const { true: named = [], false: others = [] } = Object.groupBy(entities, (entity) => `${isNamed(entity)}`);
  const lines: string[] = [];
  let left = maxShownUnits;
  for (const entity of [...named, ...others]) {
    const line = lineOf(entity);
    left -= line.length + 1;
    if (left < 0) break;
    lines.push(line);
  }
  return lines.join("\n");
}

/** Says which names stand in a text: by all pieces of it that are as long, since to look for thousands one by one takes long. */
function namesIn(text: string): (name: string) => boolean {
  const pieces = new Map<number, Set<string>>();
  return (name) => {
    const units = name.length;
    if (units > maxSoughtUnits) return false;
    let all = pieces.get(units);
    if (!all) {
      all = new Set();
      for (let at = 0; at + units <= text.length; at++) all.add(text.slice(at, at + units));
      pieces.set(units, all);
    }
    return all.has(name);
  };
}

function lineOf({ name, type, aliases, summary, state }: KnownEntity): string {
  const told = [
    type,
    aliases.length > 0 && `又称${aliases.join("、")}`,
    summary && `简介：${summary}`,
    state && `现状：${state}`,
  ].flatMap((each) => (each ? [each.slice(0, maxTextUnits).toWellFormed().replace(/\s+/g, " ")] : []));
  return `- ${[name, ...told].join("；")}`;
}

/** Tells of a name as a text says it the name under which it is known; of one that is not known itself, without outer white space. */
export function namer(entities: readonly KnownEntity[]): (said: string) => string {
  const names = new Map<string, string>();
  for (const { name, aliases } of entities) for (const alias of aliases) names.set(plain(alias), name);
  // A name stands above somebody else's alias.
  for (const { name } of entities) names.set(plain(name), name);
  return (said) => names.get(plain(said)) ?? said.trim();
}

/** All names and aliases; whether one is there does not depend on width and case. */
export function knownNames(entities: readonly KnownEntity[]): { has(name: string): boolean } {
  const names = new Set(entities.flatMap(({ name, aliases }) => [name, ...aliases]).map(plain));
  return { has: (name) => names.has(plain(name)) };
}

/** Those that are wanted in their order; of several with the same key the first that has evidence, in the place of the first. */
export function inOrder<Entry extends object>(
  entries: readonly Entry[],
  isWanted: (entry: Entry) => boolean,
  keyOf: (entry: Entry) => readonly string[],
): Entry[] {
  const lacksEvidence = (entry: Entry) => "evidence" in entry && entry.evidence === "";
  const kept = new Map<string, Entry>();
  for (const entry of entries) {
    if (!isWanted(entry)) continue;
    const key = JSON.stringify(keyOf(entry).map(plain));
    const before = kept.get(key);
    if (!before || (lacksEvidence(before) && !lacksEvidence(entry))) kept.set(key, entry);
  }
  return [...kept.values()];
}

/** To normalize takes time by the square of the marks on a character. */
function plain(text: string): string {
  return (text.length > maxNameUnits ? text : text.normalize("NFKC")).trim().toLowerCase();
}
