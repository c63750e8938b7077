"""What a knowledge base keeps and how it is asked."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from qingyu_ai.embedding.embedder import Vector
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.knowledge.document import Document

BEGINNING_CHARS = 200
ENDING_CHARS = 800


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose knowledge: nothing is ever read across scopes."""

    tenant: str
    project: str

    @property
    def key(self) -> str:
        """64 hexadecimal digits that no other scope has."""
        return digest_of(self.tenant, self.project)


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document; its vector, where the model's vectors are searched, as 32-bit floats."""

    text: str
    vector: array[float] | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of an indexed document without its passages.

    Attributes:
        document: With its text cut to the beginning (200 characters).
        ending: The last 800 characters of the text.
        passages: How many it has.
        digest: Of the whole document as it was given (`Stored.of`), to see whether it changed.
    """

    document: Document
    ending: str
    passages: int
    digest: str

    @classmethod
    def of(cls, document: Document, passages: int = 0) -> Stored:
        """What will be stored of a document."""
        beginning = document.model_copy(update={"text": document.text[:BEGINNING_CHARS]})
        digest = hashlib.sha256(document.model_dump_json().encode()).hexdigest()
        return cls(beginning, document.text[-ENDING_CHARS:], passages, digest)


@dataclass(frozen=True, slots=True)
class Entry:
    """A document that is to be stored, with its passages."""

    document: Document
    passages: Sequence[Passage]


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found; what `score` counts is said by who searched, higher is nearer."""

    id: str
    text: str
    score: float
    chunk: int
    document: Document

    def scored(self, score: float) -> Hit:
        """The same passage with another score."""
        return replace(self, score=score)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which passages a search may give.

    Attributes:
        labels: Choices of labels (`document.label`); a passage must have one of each choice. An empty choice is none.
        before_chapter: The id of a chapter: neither it nor later chapters are wanted, nor what belongs to a later
            chapter. Blank or unknown: all are.
    """

    labels: Sequence[Sequence[str]] = ()
    before_chapter: str = ""


class KnowledgeStore(Protocol):
    """Documents and their passages, apart for each scope.

    Every method raises `knowledge_unavailable` where the store does not answer, and all but `remove`, `check` and
    `close` raise `knowledge_other_model` where the scope was indexed with another embedding model.
    """

    async def replace(self, scope: Scope, entries: Sequence[Entry]) -> None:
        """Puts documents in the places of those with their types and ids; when it is back, they outlive the process."""
        ...

    async def remove(self, scope: Scope, documents: Sequence[tuple[str, str]]) -> int:
        """Removes documents by type and id; how many were there."""
        ...

    async def finish(self, scope: Scope) -> None:
        """Called after the last of many writes: what makes reading fast may be done now."""
        ...

    async def documents(self, scope: Scope, *doc_types: str) -> list[Stored]:
        """All documents of some types, of all where none is named; in no order."""
        ...

    async def matching(self, scope: Scope, query: str, limit: int, wanted: Wanted) -> list[Hit]:
        """The passages that share most with a query's words, best first.

        The score is the share of the query's weight that a passage has, in part that of the passages around it, from 0
        to 1: rare words weigh much, and what is in every passage weighs nothing.
        """
        ...

    async def nearest(self, scope: Scope, vector: Vector, limit: int, wanted: Wanted) -> list[Hit]:
        """The passages whose vectors are nearest to a vector, best first; the score is the cosine."""
        ...

    async def check(self) -> None:
        """Does nothing where the store answers."""
        ...

    async def close(self) -> None:
        """Closes what is open."""
        ...


def head_of(document: Document) -> str:
    """What lexical search sees before the text of each passage: it is also found by its document's names."""
    return "\n".join((document.title, *document.alias))


def digest_of(*parts: str) -> str:
    """64 hexadecimal digits; no two lists of parts share one."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def unavailable() -> ServiceError:
    """A knowledge base that does not answer."""
    return ServiceError(Reason.KNOWLEDGE_UNAVAILABLE, "The knowledge base does not answer.")


def other_model() -> ServiceError:
    """A knowledge base that was indexed for another embedding model."""
    return ServiceError(
        Reason.KNOWLEDGE_OTHER_MODEL,
        "The knowledge base was indexed with another embedding model: set another MILVUS_COLLECTION_NAME and "
        "index again.",
    )
