import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";

/** A message, and the JSON of it that the platform's clients read and write, made by hand of the same values. */
export interface Sample {
  readonly message: Message;
  readonly json: Record<string, unknown>;
}

interface SampleOptions {
  /** Values in the place of those that are made up, by the fields' names in the contract. */
  readonly instead?: Readonly<Record<string, unknown>>;
  /** What a member is called; as in the contract where absent. */
  readonly nameOf?: (field: DescField) => string;
}

/** A message with something in every field, however deep. */
export function sampleOf(type: DescMessage, { instead = {}, nameOf = ({ name }) => name }: SampleOptions = {}): Sample {
  const init: Record<string, unknown> = {};
  const json: Record<string, unknown> = {};
  for (const field of type.fields) {
    const made = field.name in instead ? alike(instead[field.name]) : valueOfField(field, nameOf);
    init[field.localName] = made.value;
    json[nameOf(field)] = made.json;
  }
  return { message: create(type, init), json };
}

interface Made {
  readonly value: unknown;
  readonly json: unknown;
}

const alike = (value: unknown): Made => ({ value, json: value });

function valueOfField(field: DescField, nameOf: (field: DescField) => string): Made {
  const made = oneOf(field, nameOf);
  if (field.fieldKind === "map") return { value: { 键: made.value }, json: { 键: made.json } };
  if (field.fieldKind === "list") return { value: [made.value, made.value], json: [made.json, made.json] };
  return made;
}

function oneOf({ name, message, scalar }: DescField, nameOf: (field: DescField) => string): Made {
  if (message) {
    const { message: value, json } = sampleOf(message, { nameOf });
    if (message.name === "Alliance") return { value, json: json.members };
    if (message.name === "Conflict") return { value, json: json.parties };
    return { value, json };
  }
  switch (scalar) {
    case ScalarType.STRING:
      return alike(`${name}“值”🪶`);
    case ScalarType.BOOL:
      return alike(true);
    case ScalarType.INT32:
      return alike(7);
    case ScalarType.FLOAT:
      return { value: Math.fround(8.1), json: 8.1 };
    default:
      throw new Error(`no sample of ${name}`);
  }
}
