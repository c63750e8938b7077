"""Structures without a model: small instances of a JSON Schema that quote the text that they are about.

It writes the same as the Node stand-in of `npm run dev` (dev/embedded-structure.ts); a contract test compares the two.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qingyu_ai.llm.embedded_material import Asked
from qingyu_ai.tokens import HAN

# Lists have so many elements at the root, one below it, and none so far down that it may go on for ever.
_ELEMENTS = 2
_MAX_LIST_DEPTH = 8
_MAX_DEPTH = 12
_MAX_VALUES = 2000
_USUAL_CHARS = 80
_CLAUSE_CHARS = 20
# As many as most Chinese names have.
_NAME_CHARS = 3
_WORD_CHARS = 2

_SENTENCE = re.compile(r"(?:[^。！？!?….\n]|\.(?![ \n]|\Z))+[。！？!?….]*[”’」』\"'）)]*")
_CLAUSE = re.compile(r"[^，。、；：！？…,.;:!?“”‘’「」『』\"（）()\n\t\u3000]+")
_HAN = re.compile(f"[{HAN}]")
_REFERENCE = re.compile(r"#/\$defs/([A-Za-z0-9_]+)")
_FIELD_LENGTH = re.compile(r"([A-Za-z]+) 不超过([1-9][0-9]{0,8})字")
_ID = re.compile(r"[a-z]Id\Z")
_OUTER_SPACE = " \t\r\n\u3000"


@dataclass(frozen=True, slots=True)
class _Place:
    """What a value is written for: a sentence of the text, another one, its number in its list from 1, the language."""

    quoted: str
    other: str
    number: int
    is_chinese: bool


def _said(chinese: str, english: str) -> Callable[[_Place], str]:
    return lambda place: chinese if place.is_chinese else english


def _word(chars: int) -> Callable[[_Place], str]:
    return lambda place: _word_in(place.quoted, chars)


def _clause(place: _Place) -> str:
    return _clause_of(place.quoted)


# What fields of known names say; all others have a sentence of the text.
_TEXTS: Mapping[str, Callable[[_Place], str]] = {
    "originalText": _clause,
    "title": _clause,
    # Not every chapter has one.
    "chapterTitle": _said("", ""),
    "word": _word(_WORD_CHARS),
    "name": _word(_NAME_CHARS),
    "entityName": _word(_NAME_CHARS),
    "fromEntity": _word(_NAME_CHARS),
    "toEntity": lambda place: _word_in(place.other, _NAME_CHARS),
    "involvedEntities": _word(_NAME_CHARS),
    "relationType": _said("相识", "acquainted"),
    "role": _said("人物", "character"),
    "fieldKey": _said("状态", "state"),
    "oldValue": _said("未知", "unknown"),
    "message": _said("这里可以再斟酌。", "This could be put better."),
    "explanation": _said("这一处读起来略显平淡。", "This reads a little flat."),
    "reason": _said("换个说法更贴切。", "Other words fit better."),
    "rule": _said("用词", "wording"),
    "category": _said("用词", "wording"),
    "text": _said("换一种说法", "another wording"),
    "suggestion": _said("换一种说法", "another wording"),
    "suggestions": _said("换一种说法", "another wording"),
}

# Words of which a field has one: the first that the instructions name.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "type": ("style", "grammar", "punctuation", "spelling", "main"),
    "severity": ("suggestion",),
    "category": ("other", "violence", "adult", "political"),
    "level": ("low",),
    "entityType": ("character",),
    "changeType": ("changed",),
}


def write_structure(asked: Asked) -> str | None:
    """An instance of a schema that is about a text: small, and the same for the same two. Quotes are verbatim.

    None where the schema is none that a structured task has, or asks for more than is worth writing without a model.
    """
    try:
        value = _Instance(asked).of(asked.schema, "")
    except _NotWorthWritingError:
        return None
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _NotWorthWritingError(Exception):
    pass


class _Instance:
    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._sentences = _sentences_in(asked.text)
        self._is_chinese = _HAN.search(asked.text) is not None
        self._most_chars = {name: int(most) for name, most in _FIELD_LENGTH.findall(asked.instructions)}
        self._named = frozenset(re.findall(r"[A-Za-z]+", asked.instructions))
        self._values = 0

    def of(self, schema: object, key: str, place: _Place | None = None, depth: int = 0) -> object:
        place = place or self._place(0)
        self._values += 1
        if not isinstance(schema, dict) or self._values > _MAX_VALUES or depth > _MAX_DEPTH:
            raise _NotWorthWritingError
        if "$ref" in schema:
            return self.of(self._referred(schema["$ref"]), key, place, depth + 1)
        match schema.get("type"):
            case "object":
                properties = schema.get("properties")
                named = properties.items() if isinstance(properties, dict) else ()
                return {name: self.of(inner, name, place, depth + 1) for name, inner in named}
            case "array":
                return [self.of(schema.get("items"), key, each, depth + 1) for each in self._places(place, depth)]
            case "string":
                return _beginning_of(self._word_for(key) or _text_of(key, place), self._most_chars.get(key))
            case "integer":
                return place.number
            case "number":
                return 0.5
            case "boolean":
                return True
        raise _NotWorthWritingError

    def _places(self, place: _Place, depth: int) -> list[_Place]:
        if depth > _MAX_LIST_DEPTH:
            return []
        return [place] if depth > 1 else [self._place(at) for at in range(min(_ELEMENTS, len(self._sentences)))]

    def _place(self, index: int) -> _Place:
        quoted, other = (self._sentences[at % len(self._sentences)] for at in (index, index + 1))
        return _Place(quoted, other, index + 1, self._is_chinese)

    def _word_for(self, key: str) -> str | None:
        return next((word for word in _WORDS.get(key, ()) if word in self._named), None)

    def _referred(self, reference: object) -> object:
        name = _REFERENCE.fullmatch(str(reference))
        definitions = (self._asked.schema or {}).get("$defs")
        return definitions.get(name[1]) if name and isinstance(definitions, dict) else None


def _text_of(key: str, place: _Place) -> str:
    said = _TEXTS.get(key)
    if said:
        return said(place)
    if _ID.search(key):
        return f"{key[:-2]}-{place.number}"
    return _beginning_of(place.quoted, _USUAL_CHARS)


def _sentences_in(text: str) -> list[str]:
    """No two that are the same; at least one."""
    found = [each.strip(_OUTER_SPACE) for each in _SENTENCE.findall(text)]
    return list(dict.fromkeys(filter(None, found))) or ["…"]


def _clause_of(text: str) -> str:
    clause = _CLAUSE.search(text)
    return _beginning_of((clause[0].strip(_OUTER_SPACE) if clause else "") or text, _CLAUSE_CHARS)


def _word_in(text: str, chars: int) -> str:
    """The first characters of a Chinese text, else its first word."""
    first = _clause_of(text)
    return _beginning_of(first, chars) if _HAN.match(first) else first.split(" ")[0]


def _beginning_of(text: str, chars: int | None) -> str:
    return text[:chars].strip(_OUTER_SPACE)
