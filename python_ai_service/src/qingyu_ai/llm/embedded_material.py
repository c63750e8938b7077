"""What the embedded writer can tell of a piece of work from its conversation.

It reads the same as the Node stand-in of `npm run dev` (dev/embedded-material.ts); a contract test compares the two.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qingyu_ai.generation import Message

_SCHEMA_LINE = re.compile(r"JSON Schema[^\n]*\n(\{[^\n]*\})")
_OWN_LENGTH = "篇幅与原文相近"
_GIVEN_LENGTH = re.compile(r"篇幅约([1-9][0-9]{0,8})字")
# A text between tags, as the gateway's tasks give it: nothing in it can look like its end.
_OPENING = re.compile(r"(?:^|\n)<([^<>/ \n]+)>\n")
# What the text itself is called; what else is there is about it.
_OWN_TAG = re.compile(r"(?:原文|正文)[0-9]*")
_LONGEST = 50_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A piece of work.

    Attributes:
        text: What it is about, instructions and everything around it left out.
        length: How long the answer is to be, in characters, where it is no structure.
        schema: What the answer is to be, where that was said.
        instructions: What was said before the schema.
    """

    text: str
    length: int | None
    schema: Mapping[str, Any] | None
    instructions: str


def asked_in(messages: Sequence[Message]) -> Asked | None:
    """Reads a conversation whose system message shows a JSON Schema or whose end says a length.

    None for every other one: it is a prompt.
    """
    system = "\n".join(message.content for message in messages if message.role == "system")
    schema = _schema_in(system)
    said = [message.content for message in messages if message.role == "user"] or [""]
    # What follows the first message says why an answer was no good.
    wish = said[-1] if schema is None else said[0]
    parts, rest = _parts_in(wish)
    own = next((text for name, text in reversed(parts) if _OWN_TAG.fullmatch(name)), parts[-1][1] if parts else None)
    text = _task_in(wish) if own is None else own
    length = _length_in(rest, text) if system else None
    if schema is None and length is None:
        return None
    return Asked(text, length, schema, system.split("JSON Schema")[0])


def _length_in(rest: str, text: str) -> int | None:
    given = _GIVEN_LENGTH.search(rest)
    if given:
        return min(int(given[1]), _LONGEST)
    return min(len(text), _LONGEST) if _OWN_LENGTH in rest else None


def _schema_in(instructions: str) -> dict[str, Any] | None:
    line = _SCHEMA_LINE.search(instructions)
    return _object(line[1]) if line else None


def _parts_in(message: str) -> tuple[list[tuple[str, str]], str]:
    """The texts between tags with their tags, one after the other, and what stands around them."""
    parts = []
    around = []
    left = message
    while opened := _OPENING.search(left):
        closing = f"\n</{opened[1]}>"
        end = left.find(closing, opened.end())
        if end == -1:
            break
        parts.append((opened[1], left[opened.end() : end]))
        around.append(left[: opened.start()])
        left = left[end + len(closing) :]
    return parts, "\n".join([*around, left])


def _task_in(material: str) -> str:
    """Material without tags is a JSON object with the author's task in it, or the text itself."""
    task = (_object(material) or {}).get("task")
    return task if isinstance(task, str) else material


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
