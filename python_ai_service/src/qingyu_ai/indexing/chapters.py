"""Cuts a novel that is one text into its chapters."""

import re
from collections import Counter
from dataclasses import dataclass

from qingyu_ai.indexing.numerals import ARABIC, CHINESE, ENGLISH
from qingyu_ai.indexing.place import CHAPTER_UNITS, SPECIAL, Place, place_of, volume_of

_MAX_HEADING_CHARS = 60
_MIN_CHAPTERS = 2
# Scenes of one chapter have headings too; a text with several below one title is a novel from this length on.
_MIN_SUBHEADINGS = 3
_MIN_CHARS_WITH_SUBHEADINGS = 10_000

_NUMBER = f"(?:{ARABIC}|{CHINESE})"
_AFTER = r"(?:[\s:：·.．、—_–\-(（【《\]】].*)?"
_VOLUME = (
    rf"(?:第\s*{_NUMBER}\s*[卷部册冊集篇]|卷{_NUMBER}|[上中下][卷部册冊篇]|(?:volume|vol\.?|book|part)\s+(?:{ENGLISH}))"
)
# A title that follows without a space has no stop in it: 第三章雨夜, but not a sentence about the third chapter.
_TITLE = rf"(?:{_AFTER}|[^\s，。；,;]*)"
_KINDS = {
    "chapter": re.compile(
        rf"(?:正文\s*)?[【\[]?(?:{_VOLUME}{_AFTER}\s*)?(?:第\s*{_NUMBER}\s*[{CHAPTER_UNITS[0]}]{_TITLE}|chapter\s+(?:{ENGLISH}){_AFTER})",
        re.IGNORECASE,
    ),
    "section": re.compile(rf"(?:{_VOLUME}{_AFTER}\s*)?第\s*{_NUMBER}\s*[{CHAPTER_UNITS[1]}]{_TITLE}"),
    "volume": re.compile(rf"(?:正文\s*)?{_VOLUME}{_AFTER}", re.IGNORECASE),
    "special": re.compile(rf"(?:{SPECIAL}){_NUMBER}?{_AFTER}", re.IGNORECASE),
}
_MARKED = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t#]*")
_ENDS_A_SENTENCE = ("。", "，", "；", ",", ";", "”", "」", "：")


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter of a novel: its heading, blank for what stands before the first one, its text with the heading."""

    title: str
    text: str
    volume: int


@dataclass(frozen=True, slots=True)
class _Heading:
    start: int
    end: int
    title: str
    kind: str
    level: int


def split_chapters(text: str) -> list[Section]:
    """The chapters of a novel in their order, or nothing where the text is one chapter.

    Headings are lines such as 第十二章 雨夜, Chapter 12, 楔子, 尾声 or 番外, with or without Markdown's #, at
    least two; 第三节 only where there are no 章; else Markdown's headings of the highest level that has several. A
    heading with nothing below it, as in a table of contents, makes no chapter; one of a volume counts for those below.
    """
    headings = _headings(text)
    unit = "chapter" if any(heading.kind == "chapter" for heading in headings) else "section"
    if any(heading.kind == unit for heading in headings):
        levels = {heading.level for heading in headings if heading.kind == unit} - {0}
        kinds = (unit, "volume", "special")
        sections = _cut(text, [heading for heading in headings if heading.kind in kinds or heading.level in levels])
        return sections if _titled(sections) >= _MIN_CHAPTERS else []
    for level in range(1, 7):
        sections = _cut(text, [heading for heading in headings if heading.level == level])
        is_novel = _titled(sections) >= _MIN_SUBHEADINGS and len(text) > _MIN_CHARS_WITH_SUBHEADINGS
        if is_novel or (level == 1 and _titled(sections) >= _MIN_CHAPTERS):
            return sections
    return []


def first_heading(text: str) -> str:
    """The first Markdown heading of a text, or its first line where that is a heading; else blank."""
    headings = _headings(text)
    marked = next((heading.title for heading in headings if heading.level), "")
    opening = headings[0].title if headings and not text[: headings[0].start].strip() else ""
    return marked or opening


def places(sections: list[Section], volume: int) -> list[Place]:
    """Where each section stands: as its heading says, where that fits between its neighbours, else after the last one.

    Args:
        sections: A novel's, in their order.
        volume: The novel's, where it is a volume of a longer one; for sections that name none.
    """
    told = [_told(section, volume) for section in sections]
    found: list[Place] = []
    for index, place in enumerate(told):
        last = found[-1] if found else Place(volume, 0)
        following = next((other for other in told[index + 1 :] if other), None)
        # 第1200章 between 119 and 121 is a slip.
        fits = place and place > last and (following is None or following <= last or place < following)
        starts = place and place.chapter == 0 and place >= last
        found.append(place if place and (fits or starts) else Place(last.volume, last.chapter + 1))
    return found


def keys(sections: list[Section]) -> list[str]:
    """A name for each section that stays when others come: 12, 2-3 in a volume, else its title; 0 before the first."""
    seen: Counter[str] = Counter()
    found = []
    for section in sections:
        place = _told(section, 0)
        key = section.title[:_MAX_HEADING_CHARS] or "0"
        if place and place.chapter:
            key = f"{place.volume}-{place.chapter}" if place.volume else str(place.chapter)
        elif section.volume:
            key = f"{section.volume}-{key}"
        seen[key] += 1
        found.append(key if seen[key] == 1 else f"{key}~{seen[key]}")
    return found


def _told(section: Section, volume: int) -> Place | None:
    """The place that a heading tells. One after the end (尾声, 番外) follows what it stands behind instead."""
    within = section.volume or volume
    if not section.title:
        return Place(within, 0)
    place = place_of(section.title, within)
    is_after = _KINDS["special"].fullmatch(section.title) and place != Place(within, 0)
    return None if is_after else place


def _headings(text: str) -> list[_Heading]:
    headings, start = [], 0
    for line in text.splitlines(keepends=True):
        end = start + len(line)
        bare = line.strip()
        if bare and len(bare) <= _MAX_HEADING_CHARS:
            marked = _MARKED.fullmatch(bare)
            title = marked[2].strip() if marked else bare
            level = len(marked[1]) if marked else 0
            is_sentence = title.endswith(_ENDS_A_SENTENCE)
            kind = next((kind for kind, shape in _KINDS.items() if not is_sentence and shape.fullmatch(title)), "")
            if title and (kind or level):
                headings.append(_Heading(start, end, title, kind, level))
        start = end
    return headings


def _cut(text: str, headings: list[_Heading]) -> list[Section]:
    """What stands between the headings; what has no text is left out."""
    if not headings:
        return []
    sections = [Section("", text[: headings[0].start].strip(), 0)]
    volume = 0
    ends = [heading.start for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=True):
        own = volume_of(heading.title)
        volume = volume if own is None else own
        if text[heading.end : end].strip():
            sections.append(Section(heading.title, text[heading.start : end].strip(), volume))
    return [section for section in sections if section.text]


def _titled(sections: list[Section]) -> int:
    return sum(1 for section in sections if section.title)
