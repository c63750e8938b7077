"""Cuts texts into passages.

Own code, since the splitters of the field end Chinese sentences where they see a quotation mark.
"""

import re

_PASSAGE_CHARS = 400
# A sentence with the quotation marks and brackets that close it, or the rest of a line.
_SENTENCE = re.compile(r"[^。！？!?.…\n]*(?:[。！？!?.…]+[”’」』）)\"']*|\n+|$)")


def split(text: str) -> list[str]:
    """Cuts a text into passages of at most 400 characters, between paragraphs where it can, else between sentences.

    Joined, they are the text but for white space at their ends.
    """
    passages: list[str] = []
    current = ""
    for unit in _units(text):
        if current and len(current) + len(unit) > _PASSAGE_CHARS:
            passages.append(current)
            current = ""
        current += unit
    passages.append(current)
    return [passage.strip() for passage in passages if passage.strip()]


def _units(text: str) -> list[str]:
    """Paragraphs; of those that are too long, sentences; of those that are too long, cuts."""
    units = []
    for paragraph in re.findall(r"[^\n]*\n+|[^\n]+$", text):
        sentences = [paragraph] if len(paragraph) <= _PASSAGE_CHARS else _SENTENCE.findall(paragraph)
        for sentence in sentences:
            units += [sentence[at : at + _PASSAGE_CHARS] for at in range(0, len(sentence), _PASSAGE_CHARS)]
    return units
