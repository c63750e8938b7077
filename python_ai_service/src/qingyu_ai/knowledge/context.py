"""What a writing task needs to know about its project (GetContext)."""

from collections.abc import Iterable
from typing import Any, TypeVar

from protobuf import Message

from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    ChapterSummary,
    CharacterInfo,
    OutlineNode,
    TimelineEvent,
    WorkspaceContext,
    WorldSettings,
)
from qingyu_ai.knowledge.document import Document
from qingyu_ai.knowledge.store import KnowledgeStore, Scope
from qingyu_ai.tokens import estimate_tokens

CONTEXT_BUDGET_TOKENS = 4000
_REVIEW = "review_content"
M = TypeVar("M", bound=Message[Any])


async def gather_context(
    store: KnowledgeStore, scope: Scope, chapter_id: str, task_type: str
) -> tuple[WorkspaceContext, int]:
    """The context of a task and the tokens that it takes, at most 4000.

    The world comes first, then the characters of the chapter (all where none are known to appear in it), the chapters
    before it from the last one back, the outline and the timeline; what no longer fits is left out. A review has the
    chapter itself among the chapters.

    Args:
        store: The knowledge base; what it raises is raised.
        scope: Whose.
        chapter_id: The chapter to be written; empty or unknown: all chapters are before it.
        task_type: An open set; only review_content makes a difference.
    """
    chapters = sorted(await _of_type(store, scope, "chapter"), key=lambda chapter: chapter.order)
    current = next((chapter for chapter in chapters if chapter.id == chapter_id), None)
    if current:
        reach = current.order + (1 if task_type == _REVIEW else 0)
        chapters = [chapter for chapter in chapters if chapter.order < reach]
    purse = _Purse(CONTEXT_BUDGET_TOKENS)
    worlds = [_world(document) for document in await _of_type(store, scope, "world")]
    context = WorkspaceContext(world_settings=next(iter(purse.buy(worlds)), None))
    characters = _active(await _of_type(store, scope, "character"), current)
    context.active_characters = purse.buy(_character(document) for document in characters)
    newest_first = purse.buy(_chapter(document) for document in reversed(chapters))
    context.previous_chapters = newest_first[::-1]
    outline = sorted(await _of_type(store, scope, "outline"), key=lambda node: node.order)
    context.outline_nodes = purse.buy(_outline(document) for document in outline)
    events = sorted(await _of_type(store, scope, "timeline"), key=lambda event: event.order)
    context.timeline_events = purse.buy(_event(document) for document in events)
    return context, purse.spent_tokens


async def _of_type(store: KnowledgeStore, scope: Scope, doc_type: str) -> list[Document]:
    """Documents with a summary: where they have none, their beginning."""
    documents = [stored.document for stored in await store.documents(scope, doc_type)]
    return [document.model_copy(update={"summary": document.summary or document.text}) for document in documents]


class _Purse:
    """A budget of tokens."""

    def __init__(self, tokens: int) -> None:
        self._left = tokens
        self.spent_tokens = 0

    def buy(self, messages: Iterable[M]) -> list[M]:
        """The first messages, as far as the budget goes."""
        bought = []
        for message in messages:
            cost = estimate_tokens(message.to_json())
            if cost > self._left:
                break
            self._left -= cost
            self.spent_tokens += cost
            bought.append(message)
        return bought


def _active(characters: list[Document], current: Document | None) -> list[Document]:
    named = set(current.character_ids) if current else set()
    return [character for character in characters if character.id in named] or characters


def _chapter(document: Document) -> ChapterSummary:
    return ChapterSummary(id=document.id, title=document.title, summary=document.summary, order=document.order)


def _character(document: Document) -> CharacterInfo:
    return CharacterInfo(
        id=document.id,
        name=document.title or document.id,
        alias=list(document.alias),
        summary=document.summary,
        traits=list(document.traits),
        background=document.background,
    )


def _event(document: Document) -> TimelineEvent:
    return TimelineEvent(
        id=document.id,
        title=document.title,
        description=document.summary,
        impact=document.impact,
        participants=list(document.participants),
    )


def _outline(document: Document) -> OutlineNode:
    return OutlineNode(id=document.id, title=document.title, description=document.summary, level=document.level)


def _world(document: Document) -> WorldSettings:
    return WorldSettings(
        id=document.id, name=document.title, description=document.summary, settings=dict(document.settings)
    )
