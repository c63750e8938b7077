"""What a writing task needs to know about its project (GetContext)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    ChapterSummary,
    CharacterInfo,
    OutlineNode,
    TimelineEvent,
    WorkspaceContext,
    WorldSettings,
)
from qingyu_ai.knowledge import cards
from qingyu_ai.knowledge.budget import Card, allowances, demand, filled
from qingyu_ai.knowledge.store import KnowledgeStore, Scope, Stored
from qingyu_ai.tokens import estimate_tokens

CONTEXT_BUDGET_TOKENS = 4000
_STRUCTURE_TOKENS = 40
_SHARES = {"chapter": 1500, "character": 1000, "timeline": 500, "outline": 500, "world": 500}
_REVIEW = "review_content"
# Chapters whose beginnings and ends are searched for names; a name of one character would be found everywhere.
_SEARCHED_CHAPTERS = 10
_LEAST_NAME_CHARS = 2


async def gather_context(
    store: KnowledgeStore, scope: Scope, chapter_id: str, task_type: str
) -> tuple[WorkspaceContext, int]:
    """The context of a task and the tokens that it takes as JSON, at most 4000.

    Each kind has a share of them, and what it does not need goes to the others. What is too long is cut (`filled`).

    * The chapters right before the one to be written, as many as fit, in their order; see `cards.chapter` for how they
      are told. A review has the chapter itself as the last one.
    * The characters of the chapter, then those seen last before it, then others.
    * The nearest nodes of the outline and the nearest events, in their order.
    * All worlds as one (`cards.merged`).

    Args:
        store: The knowledge base; what it raises is raised.
        scope: Whose.
        chapter_id: The chapter to be written; empty or unknown: all chapters are before it.
        task_type: An open set; only review_content makes a difference.
    """
    by_type: dict[str, list[Stored]] = {kind: [] for kind in _SHARES}
    for stored in await store.documents(scope, *_SHARES):
        by_type[stored.document.doc_type].append(stored)
    return assemble(by_type, chapter_id, task_type)


def assemble(by_type: dict[str, list[Stored]], chapter_id: str, task_type: str) -> tuple[WorkspaceContext, int]:
    """`gather_context` of documents that are at hand, by type and in any order."""
    here = _Here.among(sorted(by_type["chapter"], key=_in_order), chapter_id, task_type)
    relevant = [*by_type["outline"], *by_type["timeline"]]
    people = _by_presence(by_type["character"], here, relevant)
    nodes, events = (here.nearest_first(by_type[kind]) for kind in ("outline", "timeline"))
    told = {
        "world": [cards.world(each) for each in sorted(by_type["world"], key=_in_order)],
        "outline": [cards.outline(each) for each in nodes],
        "timeline": [cards.event(each) for each in events],
        "character": [cards.character(each) for each in people],
        "chapter": [cards.chapter(each, distance) for distance, each in enumerate(here.newest_first())],
    }
    budget = CONTEXT_BUDGET_TOKENS - _STRUCTURE_TOKENS
    allowed = allowances({kind: demand(own, budget) for kind, own in told.items()}, _SHARES, budget)
    fit = {
        kind: filled(own, allowed[kind], unbroken=kind == "chapter", keep_end="summary" if kind == "chapter" else "")
        for kind, own in told.items()
    }
    world = cards.merged(fit["world"])
    context = WorkspaceContext(
        previous_chapters=[ChapterSummary(**card) for card in reversed(fit["chapter"])],
        active_characters=[CharacterInfo(**card) for card in fit["character"]],
        timeline_events=[TimelineEvent(**card) for card in _again_in_order(fit["timeline"], events)],
        outline_nodes=[OutlineNode(**card) for card in _again_in_order(fit["outline"], nodes)],
        world_settings=WorldSettings(**world) if world else None,
    )
    text = context.to_json()
    return context, 0 if text == "{}" else estimate_tokens(text)


@dataclass(frozen=True, slots=True)
class _Here:
    """Where in the novel something is written.

    Attributes:
        chapter_id: The chapter that is written, as the caller names it.
        order: Its place; behind the last chapter where it is unknown.
        current: The chapter as it is, where it is known.
        before: The chapters to be told, in their order.
        after: The later ones.
        orders: The places of all chapters by id.
    """

    chapter_id: str
    order: int
    current: Stored | None
    before: Sequence[Stored]
    after: Sequence[Stored]
    orders: dict[str, int]

    @classmethod
    def among(cls, chapters: Sequence[Stored], chapter_id: str, task_type: str) -> "_Here":
        current = next((chapter for chapter in chapters if chapter.document.id == chapter_id), None)
        orders = {chapter.document.id: chapter.document.order for chapter in chapters}
        if current is None:
            return cls(chapter_id, max(orders.values(), default=0) + 1, None, chapters, (), orders)
        order = current.document.order
        before = [chapter for chapter in chapters if chapter.document.order < order]
        after = [chapter for chapter in chapters if chapter.document.order > order]
        return cls(chapter_id, order, current, [*before, current] if task_type == _REVIEW else before, after, orders)

    def newest_first(self) -> Iterable[Stored]:
        return reversed(self.before)

    def nearest_first(self, documents: Iterable[Stored]) -> list[Stored]:
        """By how far from here they belong: by their chapter's place where they have one, else by their own.

        Of two as far away, the one that is past comes first.
        """

        def distance(stored: Stored) -> tuple[int, int, int, str]:
            document = stored.document
            if document.chapter_id and document.chapter_id == self.chapter_id:
                return 0, self.order, document.order, document.id
            place = self.orders.get(document.chapter_id, document.order)
            return abs(place - self.order), place, document.order, document.id

        return sorted(documents, key=distance)


def _by_presence(characters: Sequence[Stored], here: _Here, others: Iterable[Stored]) -> list[Stored]:
    """Those of the chapter, then the last seen ones, then those never seen, then those who come only later.

    Who is in a chapter is said by its `character_ids`, and by names and aliases in what is kept of its text; also by
    outline nodes and events of the chapter.
    """
    present: dict[str, int] = {}
    for stored in others:
        if stored.document.chapter_id and stored.document.chapter_id == here.chapter_id:
            present.update(dict.fromkeys(stored.document.character_ids, 0))
    names = {
        stored.document.id: [
            name for name in (stored.document.title, *stored.document.alias) if len(name) >= _LEAST_NAME_CHARS
        ]
        for stored in characters
    }
    shown = [here.current] if here.current else []
    path = [*shown, *(chapter for chapter in here.newest_first() if chapter is not here.current)]
    first = 0 if here.current else 1
    for distance, chapter in enumerate(path, first):
        for each in chapter.document.character_ids:
            present.setdefault(each, distance)
    for distance, chapter in enumerate(islice(path, _SEARCHED_CHAPTERS), first):
        text = f"{chapter.document.title}\n{chapter.document.text}\n{chapter.ending}"
        for each, own in names.items():
            if present.get(each, distance + 1) > distance and any(name in text for name in own):
                present[each] = distance
    never = len(path) + first
    for chapter in here.after:
        for each in chapter.document.character_ids:
            present.setdefault(each, never + 1)

    def rank(stored: Stored) -> tuple[int, int, str]:
        document = stored.document
        return present.get(document.id, never), document.order, document.id

    return sorted(characters, key=rank)


def _in_order(stored: Stored) -> tuple[int, str]:
    return stored.document.order, stored.document.id


def _again_in_order(fit: Sequence[Card], documents: Iterable[Stored]) -> list[Card]:
    orders = {stored.document.id: stored.document.order for stored in documents}
    return sorted(fit, key=lambda card: (orders[card["id"]], card["id"]))
