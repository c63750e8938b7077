import { create, type DescField, type DescMessage, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { isReflectMessage, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";

/** Values by the fields' names in the contract, for those that may not hold just anything. */
export type Given = Readonly<Record<string, unknown>>;

/** A message with every field set, in every message below it too, made of its descriptor so that a new field is in it. */
export function filled<Desc extends DescMessage>(type: Desc, given: Given = {}): MessageShape<Desc> {
  return made(type, given, (field) => scalarOf(field), 2);
}

/** The same with every field at its type's zero, where that can be told from one that is not there; lists have one such item. */
export function zeroed<Desc extends DescMessage>(type: Desc, given: Given = {}): MessageShape<Desc> {
  return made(type, given, ({ scalar }) => zeroOf(scalar), 1);
}

/** A message with these fields only; maps as records. */
export function only<Desc extends DescMessage>(type: Desc, given: Given): MessageShape<Desc> {
  const message = create(type);
  const fields = reflect(type, message);
  for (const field of type.fields) {
    const value = given[field.name];
    if (field.fieldKind === "map") {
      for (const [key, item] of Object.entries(value ?? {})) fields.get(field).set(key, item);
    } else if (value !== undefined) fields.set(field, value);
  }
  return message;
}

function made<Desc extends DescMessage>(
  type: Desc,
  given: Given,
  scalar: (field: DescField) => unknown,
  items: number,
): MessageShape<Desc> {
  const message = create(type);
  const fields: ReflectMessage = reflect(type, message);
  const below = (inner: DescMessage) => reflect(inner, made(inner, given, scalar, items));
  for (const field of type.fields) {
    if (field.name in given) {
      fields.set(field, given[field.name]);
      continue;
    }
    switch (field.fieldKind) {
      case "list":
        for (let item = 0; item < items; item++) {
          fields.get(field).add(field.listKind === "message" ? below(field.message) : scalar(field));
        }
        break;
      case "map":
        for (let item = 0; item < items; item++) fields.get(field).set(`${field.name}🪶${item}`, scalar(field));
        break;
      case "message":
        fields.set(field, below(field.message));
        break;
      default:
        fields.set(field, scalar(field));
    }
  }
  return message;
}

/** Text with what texts have in them, a number that no double holds, and small ones that are in every range. */
function scalarOf({ name, number, scalar }: DescField): unknown {
  switch (scalar) {
    case ScalarType.STRING:
      return `${name} 青羽🪶 "\\\n\u0000`;
    case ScalarType.INT64:
      return 9_007_199_254_740_993n;
    case ScalarType.INT32:
      return 1 + (number % 9);
    case ScalarType.FLOAT:
      return 1 / (2 + number);
    case ScalarType.BOOL:
      return true;
    default:
      throw new Error(`the contract has a new type: ${name}`);
  }
}

function zeroOf(scalar: ScalarType | undefined): unknown {
  switch (scalar) {
    case ScalarType.STRING:
      return "";
    case ScalarType.INT64:
      return 0n;
    case ScalarType.BOOL:
      return false;
    default:
      return 0;
  }
}

/** The fields of a type in which a message holds nothing. */
export function unsetIn<Desc extends DescMessage>(type: Desc, message: MessageShape<Desc>): string[] {
  const read: ReflectMessage = reflect(type, message);
  return type.fields.flatMap((field) => {
    if (!read.isSet(field)) return [field.name];
    const value: unknown = read.get(field);
    return isReflectMessage(value) ? unsetIn(value.desc, value.message).map((name) => `${field.name}.${name}`) : [];
  });
}
