"""Writes what the domain answers as the contract's messages."""

import time

from qingyu_ai.creative.story import Story
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    GenerateContentChunk,
    GenerateContentResponse,
    RAGResult,
    StoryContextResponse,
    StoryContextStats,
    TokenUsage,
)
from qingyu_ai.generation import Completion, Piece, Usage
from qingyu_ai.knowledge.store import Hit


def content_answer(completion: Completion, knowledge: str) -> GenerateContentResponse:
    """A whole answer; `knowledge` is the state of the project's facts."""
    return GenerateContentResponse(
        content=completion.content,
        tokens_used=completion.total_tokens,
        model=completion.model,
        generated_at=int(time.time()),
        finish_reason=completion.finish_reason,
        usage=_usage(completion.usage),
        knowledge=knowledge,
    )


def chunk(piece: Piece, knowledge: str) -> GenerateContentChunk:
    """A part of a streamed answer; only the last one tells of `knowledge`."""
    return GenerateContentChunk(
        delta=piece.text,
        model=piece.model,
        finish_reason=piece.finish_reason,
        usage=_usage(piece.usage),
        knowledge=knowledge if piece.finish_reason else "",
    )


def story_answer(completion: Completion, story: Story) -> StoryContextResponse:
    """What was written of a story, and what its prompt held."""
    return StoryContextResponse(
        content=completion.content,
        tokens_used=completion.total_tokens,
        model=completion.model,
        generated_at=int(time.time()),
        context_stats=StoryContextStats(
            stage_tokens=story.stage_tokens,
            outline_tokens=story.outline_tokens,
            rag_tokens=story.rag_tokens,
            total_tokens=story.stage_tokens + story.outline_tokens + story.rag_tokens,
        ),
    )


def result(hit: Hit) -> RAGResult:
    """A passage that was found."""
    document = hit.document
    said = {
        "document_id": document.id,
        "title": document.title,
        "chapter_id": document.chapter_id,
        "order": str(document.order or ""),
        "passage": str(hit.chunk),
    }
    return RAGResult(
        id=hit.id,
        content=hit.text,
        score=hit.score,
        doc_type=document.doc_type,
        metadata={name: value for name, value in said.items() if value},
    )


def _usage(usage: Usage | None) -> TokenUsage | None:
    if usage is None:
        return None
    return TokenUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
    )
