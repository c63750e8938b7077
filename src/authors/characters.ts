import { create } from "@bufbuild/protobuf";
import {
  type CharactersData,
  CharactersDataSchema,
  type CharactersRequest,
  type CharactersResponse,
  CharactersResponseSchema,
  type RelationshipNetwork,
} from "../gen/qingyu/ai/ai_service_pb.ts";
import type { Author } from "./author.ts";
import { chapterNumbers, known, missing, shared } from "./rules.ts";
import { structureAuthor } from "./structure.ts";

/** The characters of a novel. */
export const charactersAuthor: Author<CharactersRequest, CharactersResponse> = structureAuthor({
  type: CharactersDataSchema,
  instructions:
    "You design the characters of novels. Write the characters for the author's outline, in the language of the author's task. Each has a characterId of its own; others are referred to by their names, chapters by their numbers. roleType is one of protagonist, antagonist, supporting; importance one of major, minor; relationType one of friend, enemy, family, mentor, rival.",
  settle: (characters, { outline }) => settleCharacters(characters, chapterNumbers(outline)),
  answer: (characters, executionTime) => create(CharactersResponseSchema, { characters, executionTime }),
});

/** At least one, each with an id of its own and a name. Chapters and characters that do not exist are dropped. */
function settleCharacters(cast: CharactersData, numbers: ReadonlySet<number>): string[] {
  const { characters, relationshipNetwork } = cast;
  if (characters.every(({ characterId }) => characterId === "")) {
    for (const [index, character] of characters.entries()) character.characterId = `character-${index + 1}`;
  }
  const names = new Set(characters.flatMap(({ characterId, name }) => [plain(characterId), plain(name)]));
  names.delete("");
  for (const character of characters) {
    character.relationships = character.relationships.filter(({ character: other }) => names.has(plain(other)));
    if (numbers.size === 0) continue;
    character.chaptersInvolved = known(character.chaptersInvolved, numbers);
    if (numbers.has(character.firstAppearance)) continue;
    character.firstAppearance = character.chaptersInvolved.reduce((one, other) => Math.min(one, other), 2 ** 31);
    if (character.chaptersInvolved.length === 0) character.firstAppearance = 0;
  }
  if (relationshipNetwork) mendNetwork(relationshipNetwork, names);
  return [
    ...missing({ characters }),
    ...shared(
      "characters",
      "a characterId",
      characters.map(({ characterId }) => characterId),
    ),
    ...characters.flatMap(({ characterId, name }, index) => missing({ characterId, name }, `characters[${index}].`)),
  ];
}

/** What is left of an alliance or a conflict needs two who exist; a mentorship both. */
function mendNetwork(network: RelationshipNetwork, names: ReadonlySet<string>): void {
  const exists = (name: string) => names.has(plain(name));
  for (const alliance of network.alliances) alliance.members = alliance.members.filter(exists);
  for (const conflict of network.conflicts) conflict.parties = conflict.parties.filter(exists);
  network.alliances = network.alliances.filter(({ members }) => members.length > 1);
  network.conflicts = network.conflicts.filter(({ parties }) => parties.length > 1);
  network.mentorships = network.mentorships.filter(({ mentor, student }) => exists(mentor) && exists(student));
}

/** A name without differences that mean nothing. */
function plain(name: string): string {
  return name.trim().toLowerCase();
}
