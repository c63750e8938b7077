"""Where in a novel a chapter stands, as its name says it."""

import re
from typing import NamedTuple

from qingyu_ai.indexing.numerals import ARABIC, CHINESE, ENGLISH, number_of

# A volume has fewer chapters, and a novel fewer volumes.
PER_VOLUME = 10_000
_EPILOGUE, _AFTERWARDS = 9_998, 9_999
_NUMBER = f"(?:{ARABIC}|{CHINESE})"
_VOLUME = re.compile(
    rf"第\s*(?P<number>{_NUMBER})\s*[卷部册冊集篇]|[卷](?P<after>{_NUMBER})(?![章回节節话話])|(?P<of_three>[上中下])[卷部册冊篇]"
    rf"|\b(?:vol(?:ume)?|book|part)[\s._-]*(?P<english>{ENGLISH})\b",
    re.IGNORECASE,
)
CHAPTER_UNITS = "章回话話", "节節"
_CHAPTER = re.compile(
    rf"第\s*(?P<number>{_NUMBER})\s*[{''.join(CHAPTER_UNITS)}]|\bch(?:apter)?[\s._-]*(?P<english>{ENGLISH})\b",
    re.IGNORECASE,
)
# A number that a name begins with, or is.
_LEADING = re.compile(rf"({ARABIC}|{CHINESE}(?![^\W_章回话話节節]))")
_FRONT = "楔子|序章|序幕|序言|自序|引子|引言|前言|序|prologue|preface|foreword"
_END = "尾声|尾聲|终章|終章|终幕|大结局|epilogue"
_EXTRA = "番外篇|番外|外传|外傳|后记|後記|附录|附錄|afterword|appendix"
SPECIAL = f"{_FRONT}|{_END}|{_EXTRA}"
_SPECIAL = re.compile(
    rf"(?:^|[\s\d._-])(?:(?P<front>{_FRONT})|(?P<end>{_END})|(?P<extra>{_EXTRA}))(?P<number>{_NUMBER})?(?=[^\w]|[_]|$)",
    re.IGNORECASE,
)


class Place(NamedTuple):
    """A chapter's place: the volume, 0 where none is named, and the number in it."""

    volume: int
    chapter: int

    @property
    def order(self) -> int:
        """One number that sorts as the pair does, and is the chapter's own where there are no volumes."""
        return self.volume * PER_VOLUME + self.chapter


def volume_of(name: str) -> int | None:
    """The volume that a name tells (第二卷, 卷二, 下册, Vol. 2), or None."""
    match = _VOLUME.search(name)
    if match is None:
        return None
    if match["of_three"]:
        return "上中下".index(match["of_three"]) + 1
    return _bounded(number_of(match["number"] or match["after"] or match["english"]))


def place_of(name: str, volume: int = 0) -> Place | None:
    """The place that a chapter's name tells, or None.

    第三章 and Chapter 3 are third, also as 12-第三章; else a number in front or the first digits count (03-雨夜, 廿三).
    楔子 and 序章 come before a volume's first chapter, 尾声 after its last one, 番外 and 后记 at the very end. What
    names only a volume comes before its chapters.

    Args:
        name: A heading, or the name of a file without what follows the dot.
        volume: Of a chapter that names none.
    """
    own_volume = volume_of(name)
    within = volume if own_volume is None else own_volume
    if (match := _CHAPTER.search(name)) and (number := number_of(match["number"] or match["english"])) is not None:
        return Place(within, number)
    if special := _SPECIAL.search(name):
        number = number_of(special["number"] or "") or 0
        if special["front"]:
            return Place(within, 0)
        last = _EPILOGUE if special["end"] else _AFTERWARDS
        return Place(within, last) if within else Place(last, number)
    if own_volume is not None:
        return Place(own_volume, 0)
    found = _LEADING.match(name) or re.search(ARABIC, name)
    bare = number_of(found[0]) if found else None
    return None if bare is None else Place(volume, bare)


def folder_volume(name: str) -> int:
    """The volume that a folder is: one that it names, or a number in front (02-雨夜); else 0."""
    named = volume_of(name)
    if named is not None:
        return named
    found = _LEADING.match(name)
    return (_bounded(number_of(found[0])) or 0) if found else 0


def _bounded(number: int | None) -> int | None:
    return number if number is not None and number < _EPILOGUE else None
