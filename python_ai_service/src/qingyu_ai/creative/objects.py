"""Finds JSON objects in what a language model wrote around them."""

import json
import re
from collections.abc import Iterator
from typing import Any

_MAX_OBJECTS = 20
_MAX_ATTEMPTS = 1000
# Line breaks within strings are no JSON, but what is meant is plain.
_DECODER = json.JSONDecoder(strict=False)
# A string without an end goes on to the text's.
_BRACE_OR_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[{}]', re.DOTALL)
# As DeepSeek, Qwen and others write what they think; the opening tag may have been part of the prompt.
_THINK_ENDS = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_THINK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The whole objects of a text that stand in no other one, in their order; twenty at most.

    A text, or what follows a thought, that is nothing but an object is that object, whatever its strings hold. What a
    model thought aloud is no answer. An object that is broken is skipped with all that is in it.
    """
    after_thought = _THINK_ENDS.search(text)
    for begin in (0, after_thought.end() if after_thought else 0):
        whole = _object_at(text, len(text) - len(text[begin:].lstrip()))
        if whole and not text[whole[1] :].strip():
            yield whole[0]
            return
    said, at, found = _without_thoughts(text), 0, 0
    for _ in range(_MAX_ATTEMPTS):
        at = said.find("{", at)
        if at < 0 or found == _MAX_OBJECTS:
            return
        if read := _object_at(said, at):
            found += 1
            yield read[0]
            at = read[1]
        else:
            at = _end_of_broken(said, at)


def where_broken(text: str) -> str:
    """Why the first object of a text cannot be read, without anything of the text; empty where there is none."""
    said = _without_thoughts(text)
    at = said.find("{")
    if at < 0:
        return ""
    try:
        _DECODER.raw_decode(said, at)
    except json.JSONDecodeError as error:
        return f"{error.msg} at line {error.lineno} column {error.colno}"
    except (ValueError, RecursionError):
        return "it is nested too deeply"
    return ""


def _object_at(text: str, at: int) -> tuple[dict[str, Any], int] | None:
    """The object that begins at a place, and where it ends."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    return (value, end) if isinstance(value, dict) else None


def _end_of_broken(text: str, at: int) -> int:
    """Where to go on: after the brace where no key follows it (it was prose), else where the object would end."""
    if not text[at + 1 : at + 200].lstrip().startswith('"'):
        return at + 1
    depth = 0
    for token in _BRACE_OR_STRING.finditer(text, at):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0 and token[0] == "}":
            return token.end()
    return len(text)


def _without_thoughts(text: str) -> str:
    """What is left without thoughts. One without an end goes on to the end, one without a beginning is all before."""
    kept: list[str] = []
    at = 0
    is_thought = False
    for tag in _THINK.finditer(text):
        if not tag[1] and not is_thought:
            kept.append(text[at : tag.start()])
        elif tag[1] and not is_thought:
            kept.clear()
        is_thought = not tag[1]
        at = tag.end()
    return "\n".join(kept if is_thought else [*kept, text[at:]])
