"""Documents and passages as rows of Milvus, and what is filtered by.

A row belongs to a document by the document's key; what documents are filtered by is hashed too.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any

from qingyu_ai.knowledge.document import Document, label
from qingyu_ai.knowledge.store import Entry, Passage, Scope, Stored, digest_of, head_of
from qingyu_ai.knowledge.terms import terms_of


def of_scope(scope: Scope) -> str:
    """The filter for all rows of a scope."""
    return f'scope == "{scope.key}"'


def has_any(labels: Sequence[str]) -> str:
    """The filter for passages that have one of some labels."""
    return f"ARRAY_CONTAINS_ANY(labels, {json.dumps([digest_of(item) for item in labels])})"


def before(chapters: Sequence[Document], chapter_id: str) -> list[str]:
    """The filter for what `Wanted.before_chapter` lets through, where that chapter is one of `chapters`."""
    order = next((chapter.order for chapter in chapters if chapter.id == chapter_id), None)
    if order is None:
        return []
    later = [chapter.id for chapter in chapters if order and chapter.order > order]
    same = [chapter.id for chapter in chapters if order and chapter.order == order]
    own = [_own_label(chapter) for chapter in [*later, *same, chapter_id]]
    return [f"not {has_any([*own, *(label('chapter', chapter) for chapter in later)])}"]


def document_key(scope: Scope, doc_type: str, name: str) -> str:
    """The key of a document, hashed so that ids of callers need no quoting and no length limit."""
    return digest_of(scope.key, doc_type, name)


def passage_id(key: str, chunk: int) -> str:
    """The id of a document's passage, by the document's key."""
    return f"{key[:48]}{chunk:08d}"


def hashed(terms: list[str]) -> list[str]:
    """Terms as words that every version's standard analyser sees alike."""
    return [f"{zlib.crc32(term.encode()):08x}" for term in terms]


def passage_row(scope: Scope, document: Document, chunk: int, passage: Passage) -> dict[str, Any]:
    """A passage as it is written."""
    key = document_key(scope, document.doc_type, document.id)
    labels = [*document.labels(), *([_own_label(document.id)] if document.doc_type == "chapter" else [])]
    row = {
        "id": passage_id(key, chunk),
        "scope": scope.key,
        "document": key,
        "chunk": chunk,
        "labels": [digest_of(item) for item in labels],
        "text": passage.text,
        "terms": " ".join(hashed(terms_of(f"{head_of(document)}\n{passage.text}"))),
    }
    return row | {"vector": passage.vector.tolist()} if passage.vector else row


def document_row(scope: Scope, entry: Entry) -> dict[str, Any]:
    """A document as it is written."""
    stored = Stored.of(entry.document, len(entry.passages))
    kept = {
        "document": stored.document.model_dump(mode="json", exclude_defaults=True),
        "ending": stored.ending,
        "passages": stored.passages,
        "digest": stored.digest,
    }
    return {
        "id": document_key(scope, entry.document.doc_type, entry.document.id),
        "scope": scope.key,
        "doc_type": digest_of(entry.document.doc_type),
        "kept": kept,
        "nothing": [0.0, 0.0],
    }


def stored_of(row: dict[str, Any]) -> Stored:
    """A document as it is read."""
    kept = row["kept"]
    return Stored(Document.model_validate(kept["document"]), kept["ending"], kept["passages"], kept["digest"])


def _own_label(chapter_id: str) -> str:
    """The label of the chapter's own text, and of nothing else."""
    return label("text of chapter", chapter_id)
