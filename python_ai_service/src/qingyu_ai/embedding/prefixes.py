"""What some embedding models want before a text, to know whether it asks or answers."""

import re
from dataclasses import dataclass

# As the models' cards say; models that follow instructions want whole sentences instead, and bge-m3 nothing.
_KNOWN = (
    (r"\be5\b(?!.*instruct)", "query: ", "passage: "),
    (r"\bbge-(small|base|large)-zh\b", "为这个句子生成表示以用于检索相关文章：", ""),
    (r"\bbge-(small|base|large)-en\b", "Represent this sentence for searching relevant passages: ", ""),
)


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What a query and a passage begin with before they are embedded."""

    query: str = ""
    passage: str = ""


def prefixes_of(model: str, query: str | None, passage: str | None) -> Prefixes:
    """The prefixes of a model.

    Args:
        model: Its name; known are the families e5 and bge.
        query: Taken in the place of what is known, unless it is None.
        passage: The same.
    """
    known = next((Prefixes(*pair) for name, *pair in _KNOWN if re.search(name, model.lower())), Prefixes())
    return Prefixes(known.query if query is None else query, known.passage if passage is None else passage)
