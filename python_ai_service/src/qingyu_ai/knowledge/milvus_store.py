"""The knowledge base in a Milvus server."""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from qingyu_ai.embedding.embedder import Vector
from qingyu_ai.knowledge.document import Document, label
from qingyu_ai.knowledge.milvus import AsyncMilvusClient, MilvusException
from qingyu_ai.knowledge.milvus_schema import Creator
from qingyu_ai.knowledge.ranking import fit, weights_of
from qingyu_ai.knowledge.store import (
    Entry,
    Hit,
    Passage,
    Scope,
    Stored,
    Wanted,
    digest_of,
    head_of,
    other_model,
    unavailable,
)
from qingyu_ai.knowledge.terms import query_terms, terms_of
from qingyu_ai.recent import Recent

_log = logging.getLogger(__name__)
# They log whole stack traces with the filter of a search; what went wrong is in the exception too.
for _name in ("pymilvus", "grpc._server"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

_CALL_TIMEOUT_S = 10.0
_OPEN_TIMEOUT_S = 5.0
_ROWS_PER_WRITE = 256
_ROWS_PER_READ = 4_000
_CANDIDATES = 100
# How common a term is in a scope is told from some of its passages, and looked up again after a while.
_SAMPLED = 200
_SAMPLE_KEPT_S = 600.0
_SAMPLES_KEPT = 256
# The id of the row that says what the collections are.
_ABOUT = "about"
_LAYOUT = 2
_HEX = "0123456789abcdef"


class MilvusStore:
    """See `KnowledgeStore`. Opened on first use and again after a failure, so that it comes and goes with Milvus.

    Args:
        uri: An http URL.
        collection: What the names of its collections begin with; made on the first write.
        model: The embedding model; a collection belongs to one.
        token: A token, or user and password with a colon between; blank for none.
        db_name: The server's database; blank for its default.
    """

    def __init__(self, uri: str, collection: str, model: str, *, token: str = "", db_name: str = "") -> None:
        self._uri = uri
        self._access = {"token": token, "db_name": db_name}
        self._older = collection
        self._documents = f"{collection}_documents"
        self._passages = f"{collection}_passages"
        self._about = {"layout": _LAYOUT, "model": model}
        self._opened: _Opened | None = None
        self._opening = asyncio.Lock()
        self._samples = Recent[_Sample](_SAMPLES_KEPT, _SAMPLE_KEPT_S)

    async def replace(self, scope: Scope, entries: Sequence[Entry]) -> None:
        """See `KnowledgeStore`. Each document is whole or, where the process ends, must be indexed again."""
        async with self._connected() as client:
            vector = next((passage.vector for entry in entries for passage in entry.passages), None)
            await self._ensure_collections(client, len(vector) if vector else None)
            before = await self._lengths(client, scope, [_key(scope, entry.document) for entry in entries])
            rows = [
                _passage_row(scope, entry.document, chunk, passage)
                for entry in entries
                for chunk, passage in enumerate(entry.passages)
            ]
            for start in range(0, len(rows), _ROWS_PER_WRITE):
                await client.upsert(self._passages, rows[start : start + _ROWS_PER_WRITE], timeout=_CALL_TIMEOUT_S)
            left_over = [
                _passage_id(key, chunk)
                for entry in entries
                for key in [_key(scope, entry.document)]
                for chunk in range(len(entry.passages), before.get(key, 0))
            ]
            await self._delete(client, self._passages, left_over)
            kept = [_document_row(scope, entry) for entry in entries]
            await client.upsert(self._documents, kept, timeout=_CALL_TIMEOUT_S)

    async def remove(self, scope: Scope, documents: Sequence[tuple[str, str]]) -> int:
        """See `KnowledgeStore`."""
        keys = [digest_of(scope.key, *document) for document in documents]
        async with self._connected() as client:
            if not await client.has_collection(self._documents, timeout=_CALL_TIMEOUT_S):
                return 0
            lengths = await self._lengths(client, scope, keys)
            passages = [_passage_id(key, chunk) for key, length in lengths.items() for chunk in range(length)]
            await self._delete(client, self._passages, passages)
            await self._delete(client, self._documents, list(lengths))
        return len(lengths)

    async def finish(self, scope: Scope) -> None:
        """See `KnowledgeStore`. What is not flushed is searched row by row."""
        self._samples.forget(scope.key)
        async with self._connected() as client:
            for name in (self._passages, self._documents):
                if await client.has_collection(name, timeout=_CALL_TIMEOUT_S):
                    await client.flush(name, timeout=6 * _CALL_TIMEOUT_S)

    async def documents(self, scope: Scope, *doc_types: str) -> list[Stored]:
        """See `KnowledgeStore`."""
        wanted = _of(scope)
        if doc_types:
            wanted += f" and doc_type in {json.dumps([digest_of(doc_type) for doc_type in doc_types])}"
        async with self._connected() as client:
            if not await self._has_collections(client):
                return []
            rows = await self._all_rows(client, wanted, "")
        return [_stored(row) for row in rows]

    async def matching(self, scope: Scope, query: str, limit: int, wanted: Wanted) -> list[Hit]:
        """See `KnowledgeStore`. Candidates by the server's BM25, then as close a look as in a local file."""
        terms = _hashed(query_terms(query))
        if not terms:
            return []
        async with self._connected() as client:
            if not await self._has_collections(client):
                return []
            sample = await self._sample(client, scope)
            weights = weights_of(terms, sample.counts, sample.passages)
            found = await client.search(
                self._passages,
                data=[" ".join(terms)],
                anns_field="sparse",
                filter=await self._filter(client, scope, wanted),
                limit=_CANDIDATES,
                output_fields=["document", "chunk", "text", "terms"],
                timeout=_CALL_TIMEOUT_S,
            )
            scored = [(_fit(weights, hit["entity"]["terms"].split()), hit["entity"]) for hit in found[0]]
            scored.sort(key=lambda pair: -pair[0])
            return await self._hits(client, scope, scored[:limit])

    async def nearest(self, scope: Scope, vector: Vector, limit: int, wanted: Wanted) -> list[Hit]:
        """See `KnowledgeStore`."""
        async with self._connected() as client:
            if not await self._has_collections(client, len(vector)):
                return []
            found = await client.search(
                self._passages,
                data=[vector],
                anns_field="vector",
                filter=await self._filter(client, scope, wanted),
                limit=limit,
                output_fields=["document", "chunk", "text"],
                timeout=_CALL_TIMEOUT_S,
            )
            return await self._hits(client, scope, [(hit["distance"], hit["entity"]) for hit in found[0]])

    async def check(self) -> None:
        """See `KnowledgeStore`."""
        async with self._connected() as client:
            await client.has_collection(self._documents, timeout=_CALL_TIMEOUT_S)

    async def close(self) -> None:
        """See `KnowledgeStore`."""
        opened, self._opened = self._opened, None
        if opened:
            await opened.client.close()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncMilvusClient]:
        try:
            async with self._opening:
                if self._opened is None:
                    self._opened = _Opened(AsyncMilvusClient(self._uri, timeout=_OPEN_TIMEOUT_S, **self._access))
            yield self._opened.client
        except (MilvusException, grpc.RpcError, OSError, ValueError) as error:
            # Its words may hold addresses, names of classes and the filter.
            _log.warning("knowledge base failed: %s", type(error).__name__)
            await self.close()
            raise unavailable() from None

    async def _has_collections(self, client: AsyncMilvusClient, dimension: int | None = None) -> bool:
        """Whether the collections are there, ready to be read; checks that they are for this model and dimension."""
        opened = self._opened
        if opened is None or opened.dimension is None:
            if not await client.has_collection(self._documents, timeout=_CALL_TIMEOUT_S):
                if await client.has_collection(self._older, timeout=_CALL_TIMEOUT_S):
                    # Of a version that kept documents and passages in one collection.
                    raise other_model()
                return False
            if not await client.has_collection(self._passages, timeout=_CALL_TIMEOUT_S):
                return False
            for name in (self._documents, self._passages):
                await client.load_collection(name, timeout=_CALL_TIMEOUT_S)
            rows = await client.query(
                self._documents, filter=f'id == "{_ABOUT}"', output_fields=["kept"], timeout=_CALL_TIMEOUT_S
            )
            if not rows:
                return False
            if rows[0]["kept"] != self._about:
                raise other_model()
            described = await client.describe_collection(self._passages, timeout=_CALL_TIMEOUT_S)
            sizes = (field["params"].get("dim") for field in described["fields"] if field["name"] == "vector")
            if opened is None:
                return True
            opened.dimension = next(sizes, 0)
        if dimension not in (None, opened.dimension):
            raise other_model()
        return True

    async def _ensure_collections(self, client: AsyncMilvusClient, dimension: int | None) -> None:
        create = Creator(self._uri, self._access)
        # The asynchronous client waits for an index in a way that not every server knows.
        if not await client.has_collection(self._passages, timeout=_CALL_TIMEOUT_S):
            await asyncio.to_thread(create.passages, self._passages, dimension)
        if not await client.has_collection(self._documents, timeout=_CALL_TIMEOUT_S):
            await asyncio.to_thread(create.documents, self._documents)
        if not await self._has_collections(client, dimension):
            about = {"id": _ABOUT, "scope": _ABOUT, "doc_type": "", "kept": self._about, "nothing": [0.0, 0.0]}
            await client.upsert(self._documents, [about], timeout=_CALL_TIMEOUT_S)

    async def _lengths(self, client: AsyncMilvusClient, scope: Scope, keys: list[str]) -> dict[str, int]:
        """How many passages each of those documents has that are there."""
        rows: list[dict[str, Any]] = []
        for start in range(0, len(keys), _ROWS_PER_WRITE):
            rows += await client.query(
                self._documents,
                filter=f"{_of(scope)} and id in {json.dumps(keys[start : start + _ROWS_PER_WRITE])}",
                output_fields=["id", "kept"],
                timeout=_CALL_TIMEOUT_S,
            )
        return {row["id"]: row["kept"]["passages"] for row in rows}

    async def _delete(self, client: AsyncMilvusClient, name: str, ids: list[str]) -> None:
        for start in range(0, len(ids), _ROWS_PER_READ):
            await client.delete(name, ids=ids[start : start + _ROWS_PER_READ], timeout=_CALL_TIMEOUT_S)

    async def _all_rows(self, client: AsyncMilvusClient, wanted: str, prefix: str) -> list[dict[str, Any]]:
        """Rows in any number: a reading has a limit, so where it is reached, the keys are read by their beginnings."""
        reach = f'{wanted} and id >= "{prefix}" and id < "{prefix}g"' if prefix else wanted
        rows = await client.query(
            self._documents, filter=reach, limit=_ROWS_PER_READ, output_fields=["kept"], timeout=_CALL_TIMEOUT_S
        )
        if len(rows) < _ROWS_PER_READ:
            return list(rows)
        return [row for digit in _HEX for row in await self._all_rows(client, wanted, prefix + digit)]

    async def _sample(self, client: AsyncMilvusClient, scope: Scope) -> _Sample:
        sample = self._samples.get(scope.key)
        if sample is None:
            rows = await client.query(
                self._passages, filter=_of(scope), limit=_SAMPLED, output_fields=["terms"], timeout=_CALL_TIMEOUT_S
            )
            counts = Counter(term for row in rows for term in set(row["terms"].split()))
            sample = _Sample(counts, len(rows))
            self._samples.put(scope.key, sample)
        return sample

    async def _filter(self, client: AsyncMilvusClient, scope: Scope, wanted: Wanted) -> str:
        parts = [_of(scope)]
        parts += [_has_any(choice) for choice in wanted.labels if choice]
        if wanted.before_chapter:
            rows = await self._all_rows(client, f'{_of(scope)} and doc_type == "{digest_of("chapter")}"', "")
            chapters = [_stored(row).document for row in rows]
            order = next((chapter.order for chapter in chapters if chapter.id == wanted.before_chapter), None)
            if order is not None:
                later = [chapter.id for chapter in chapters if order and chapter.order > order]
                same = [chapter.id for chapter in chapters if order and chapter.order == order]
                own = [_own(chapter) for chapter in [*later, *same, wanted.before_chapter]]
                parts.append(f"not {_has_any([*own, *(label('chapter', chapter) for chapter in later)])}")
        return " and ".join(parts)

    async def _hits(
        self, client: AsyncMilvusClient, scope: Scope, scored: Sequence[tuple[float, dict[str, Any]]]
    ) -> list[Hit]:
        keys = list(dict.fromkeys(row["document"] for _, row in scored))
        if not keys:
            return []
        rows = await client.query(
            self._documents,
            filter=f"{_of(scope)} and id in {json.dumps(keys)}",
            output_fields=["id", "kept"],
            timeout=_CALL_TIMEOUT_S,
        )
        documents = {row["id"]: _stored(row).document for row in rows}
        return [
            Hit(
                _passage_id(row["document"], row["chunk"]), row["text"], score, row["chunk"], documents[row["document"]]
            )
            for score, row in scored
            if row["document"] in documents
        ]


@dataclass(slots=True)
class _Opened:
    client: AsyncMilvusClient
    # Of the passages' vectors, 0 where they have none; once the collections are known to be there and loaded.
    dimension: int | None = None


@dataclass(frozen=True, slots=True)
class _Sample:
    """In how many of some passages of a scope each term occurs."""

    counts: Counter[str]
    passages: int


def _fit(weights: dict[str, float], terms: list[str]) -> float:
    return fit(weights, Counter(terms), len(terms))


def _of(scope: Scope) -> str:
    return f'scope == "{scope.key}"'


def _has_any(labels: Sequence[str]) -> str:
    return f"ARRAY_CONTAINS_ANY(labels, {json.dumps([digest_of(item) for item in labels])})"


def _own(chapter_id: str) -> str:
    """The label of the chapter's own text, and of nothing else."""
    return label("text of chapter", chapter_id)


def _key(scope: Scope, document: Document) -> str:
    return digest_of(scope.key, document.doc_type, document.id)


def _passage_id(key: str, chunk: int) -> str:
    return f"{key[:48]}{chunk:08d}"


def _hashed(terms: list[str]) -> list[str]:
    return [f"{zlib.crc32(term.encode()):08x}" for term in terms]


def _passage_row(scope: Scope, document: Document, chunk: int, passage: Passage) -> dict[str, Any]:
    key = _key(scope, document)
    labels = [*document.labels(), *([_own(document.id)] if document.doc_type == "chapter" else [])]
    row = {
        "id": _passage_id(key, chunk),
        "scope": scope.key,
        "document": key,
        "chunk": chunk,
        "labels": [digest_of(item) for item in labels],
        "text": passage.text,
        "terms": " ".join(_hashed(terms_of(f"{head_of(document)}\n{passage.text}"))),
    }
    return row | {"vector": passage.vector.tolist()} if passage.vector else row


def _document_row(scope: Scope, entry: Entry) -> dict[str, Any]:
    stored = Stored.of(entry.document, len(entry.passages))
    kept = {
        "document": stored.document.model_dump(mode="json", exclude_defaults=True),
        "ending": stored.ending,
        "passages": stored.passages,
        "digest": stored.digest,
    }
    return {
        "id": _key(scope, entry.document),
        "scope": scope.key,
        "doc_type": digest_of(entry.document.doc_type),
        "kept": kept,
        "nothing": [0.0, 0.0],
    }


def _stored(row: dict[str, Any]) -> Stored:
    kept = row["kept"]
    return Stored(Document.model_validate(kept["document"]), kept["ending"], kept["passages"], kept["digest"])
