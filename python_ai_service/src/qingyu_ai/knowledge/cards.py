"""Documents as cards of GetContext's answer, with the contract's names of fields."""

from collections.abc import Sequence
from typing import Any

from qingyu_ai.knowledge.budget import Card
from qingyu_ai.knowledge.store import ENDING_CHARS, Stored

_NEAR_ENDING_CHARS = 200
# The chapters that are told by their ending: what follows them has to fit it.
_NEAR_CHAPTERS = 3
_GAP = "……"


def chapter(stored: Stored, distance: int) -> Card:
    """A chapter; `summary` is the author's, else the beginning, and of near ones the ending.

    Args:
        stored: The chapter.
        distance: 0 for the one right before what is written: the author's summary, a gap and the last 800 characters;
            without a summary the ending stands alone. The two before it end with 200 where they have no summary.
    """
    document = stored.document
    said = document.summary or told(stored)
    if distance == 0:
        is_whole = len(stored.ending) < ENDING_CHARS
        opening = [document.summary] if document.summary else [] if is_whole else [""]
        said = _GAP.join([*opening, stored.ending])
    elif distance < _NEAR_CHAPTERS and not document.summary and len(stored.ending) > _NEAR_ENDING_CHARS:
        said = _GAP + stored.ending[-_NEAR_ENDING_CHARS:]
    return {"id": document.id, "title": document.title, "summary": said, "order": document.order}


def character(stored: Stored) -> Card:
    """A person."""
    document = stored.document
    return {
        "id": document.id,
        "name": document.title or document.id,
        "alias": list(document.alias),
        "summary": told(stored),
        "traits": list(document.traits),
        "background": document.background,
    }


def event(stored: Stored) -> Card:
    """Something that happens."""
    document = stored.document
    return {
        "id": document.id,
        "title": document.title,
        "description": told(stored),
        "impact": document.impact,
        "participants": list(document.participants),
    }


def outline(stored: Stored) -> Card:
    """A node of the outline."""
    document = stored.document
    return {"id": document.id, "title": document.title, "description": told(stored), "level": document.level}


def world(stored: Stored) -> Card:
    """A world, or a part of one."""
    document = stored.document
    return {
        "id": document.id,
        "name": document.title or document.id,
        "description": told(stored),
        "settings": dict(document.settings),
    }


def merged(worlds: Sequence[Card]) -> Card | None:
    """Several worlds as the one that the contract has room for.

    The id is the first one's, the name all names, the description each one's behind its name. Where two set the same
    thing differently, the later one's setting has its world's name before it.
    """
    if len(worlds) < 2:
        return next(iter(worlds), None)
    settings: dict[str, Any] = {}
    for one in worlds:
        for name, value in one.get("settings", {}).items():
            settings[name if settings.get(name, value) == value else f"{one['name']}·{name}"] = value
    said = [f"{one['name']}：{one['description']}" for one in worlds if one.get("description")]
    return {
        "id": worlds[0]["id"],
        "name": "、".join(one["name"] for one in worlds),
        "description": "\n".join(said),
        "settings": settings,
    }


def told(stored: Stored) -> str:
    """The author's summary, else the text where it is short, else its beginning."""
    if stored.document.summary:
        return stored.document.summary
    is_whole = len(stored.ending) < ENDING_CHARS
    return stored.ending if is_whole else f"{stored.document.text}{_GAP}"
