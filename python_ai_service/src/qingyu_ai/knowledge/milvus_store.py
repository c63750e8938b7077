"""The knowledge base in a Milvus server."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qingyu_ai.embedding.embedder import Vector
from qingyu_ai.knowledge.milvus import AsyncMilvusClient
from qingyu_ai.knowledge.milvus_collections import Collections
from qingyu_ai.knowledge.milvus_rows import (
    before,
    document_key,
    document_row,
    has_any,
    hashed,
    of_scope,
    passage_id,
    passage_row,
    stored_of,
)
from qingyu_ai.knowledge.milvus_schema import TIMEOUT_S
from qingyu_ai.knowledge.ranking import fit, weights_of, with_neighbours
from qingyu_ai.knowledge.store import Entry, Hit, Scope, Stored, Wanted, digest_of
from qingyu_ai.knowledge.terms import query_terms
from qingyu_ai.recent import Recent

_ROWS_PER_WRITE = 256
_ROWS_PER_READ = 4_000
_CANDIDATES = 100
# How common a term is in a scope is told from some of its passages, and looked up again after a while.
_SAMPLED = 200
_SAMPLE_KEPT_S = 600.0
_SAMPLES_KEPT = 256
_HEX = "0123456789abcdef"


class MilvusStore:
    """See `KnowledgeStore`.

    Args:
        uri: An http URL.
        collection: What the names of its collections begin with; made on the first write.
        model: The embedding model; a collection belongs to one.
        token: A token, or user and password with a colon between; blank for none.
        db_name: The server's database; blank for its default.
    """

    def __init__(self, uri: str, collection: str, model: str, *, token: str = "", db_name: str = "") -> None:
        self._collections = Collections(uri, collection, model, {"token": token, "db_name": db_name})
        self._documents = self._collections.documents
        self._passages = self._collections.passages
        self._samples = Recent[_Sample](_SAMPLES_KEPT, _SAMPLE_KEPT_S)

    async def replace(self, scope: Scope, entries: Sequence[Entry]) -> None:
        """See `KnowledgeStore`. Each document is whole or, where the process ends, must be indexed again."""
        async with self._collections.connected() as client:
            vector = next((passage.vector for entry in entries for passage in entry.passages), None)
            await self._collections.ensure(client, len(vector) if vector else None)
            lengths = await self._lengths(client, scope, [_key(scope, entry) for entry in entries])
            rows = [
                passage_row(scope, entry.document, chunk, passage)
                for entry in entries
                for chunk, passage in enumerate(entry.passages)
            ]
            for start in range(0, len(rows), _ROWS_PER_WRITE):
                await client.upsert(self._passages, rows[start : start + _ROWS_PER_WRITE], timeout=TIMEOUT_S)
            left_over = [
                passage_id(key, chunk)
                for entry in entries
                for key in [_key(scope, entry)]
                for chunk in range(len(entry.passages), lengths.get(key, 0))
            ]
            await self._delete(client, self._passages, left_over)
            kept = [document_row(scope, entry) for entry in entries]
            await client.upsert(self._documents, kept, timeout=TIMEOUT_S)

    async def remove(self, scope: Scope, documents: Sequence[tuple[str, str]]) -> int:
        """See `KnowledgeStore`."""
        keys = [document_key(scope, *document) for document in documents]
        async with self._collections.connected() as client:
            if not await client.has_collection(self._documents, timeout=TIMEOUT_S):
                return 0
            lengths = await self._lengths(client, scope, keys)
            passages = [passage_id(key, chunk) for key, length in lengths.items() for chunk in range(length)]
            await self._delete(client, self._passages, passages)
            await self._delete(client, self._documents, list(lengths))
        return len(lengths)

    async def finish(self, scope: Scope) -> None:
        """See `KnowledgeStore`. What is not flushed is searched row by row."""
        self._samples.forget(scope.key)
        async with self._collections.connected() as client:
            for name in (self._passages, self._documents):
                if await client.has_collection(name, timeout=TIMEOUT_S):
                    await client.flush(name, timeout=6 * TIMEOUT_S)

    async def documents(self, scope: Scope, *doc_types: str) -> list[Stored]:
        """See `KnowledgeStore`."""
        wanted = of_scope(scope)
        if doc_types:
            wanted += f" and doc_type in {json.dumps([digest_of(doc_type) for doc_type in doc_types])}"
        async with self._collections.connected() as client:
            if not await self._collections.are_there(client):
                return []
            rows = await self._all_rows(client, wanted, "")
        return [stored_of(row) for row in rows]

    async def matching(self, scope: Scope, query: str, limit: int, wanted: Wanted) -> list[Hit]:
        """See `KnowledgeStore`. Candidates by the server's BM25, then as close a look as in a local file."""
        terms = hashed(query_terms(query))
        if not terms:
            return []
        async with self._collections.connected() as client:
            if not await self._collections.are_there(client):
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
                timeout=TIMEOUT_S,
            )
            rows = {(hit["entity"]["document"], hit["entity"]["chunk"]): hit["entity"] for hit in found[0]}
            fits = with_neighbours({place: _fit(weights, row["terms"].split()) for place, row in rows.items()})
            best = sorted(fits, key=lambda place: -fits[place])[:limit]
            return await self._hits(client, scope, [(fits[place], rows[place]) for place in best])

    async def nearest(self, scope: Scope, vector: Vector, limit: int, wanted: Wanted) -> list[Hit]:
        """See `KnowledgeStore`."""
        async with self._collections.connected() as client:
            if not await self._collections.are_there(client, len(vector)):
                return []
            found = await client.search(
                self._passages,
                data=[vector],
                anns_field="vector",
                filter=await self._filter(client, scope, wanted),
                limit=limit,
                output_fields=["document", "chunk", "text"],
                timeout=TIMEOUT_S,
            )
            return await self._hits(client, scope, [(hit["distance"], hit["entity"]) for hit in found[0]])

    async def check(self) -> None:
        """See `KnowledgeStore`."""
        async with self._collections.connected() as client:
            await client.has_collection(self._documents, timeout=TIMEOUT_S)

    async def close(self) -> None:
        """See `KnowledgeStore`."""
        await self._collections.close()

    async def _lengths(self, client: AsyncMilvusClient, scope: Scope, keys: list[str]) -> dict[str, int]:
        """How many passages each of those documents has that are there."""
        rows: list[dict[str, Any]] = []
        for start in range(0, len(keys), _ROWS_PER_WRITE):
            rows += await client.query(
                self._documents,
                filter=f"{of_scope(scope)} and id in {json.dumps(keys[start : start + _ROWS_PER_WRITE])}",
                output_fields=["id", "kept"],
                timeout=TIMEOUT_S,
            )
        return {row["id"]: row["kept"]["passages"] for row in rows}

    async def _delete(self, client: AsyncMilvusClient, name: str, ids: list[str]) -> None:
        for start in range(0, len(ids), _ROWS_PER_READ):
            await client.delete(name, ids=ids[start : start + _ROWS_PER_READ], timeout=TIMEOUT_S)

    async def _all_rows(self, client: AsyncMilvusClient, wanted: str, prefix: str) -> list[dict[str, Any]]:
        """Rows in any number: a reading has a limit, so where it is reached, the keys are read by their beginnings."""
        reach = f'{wanted} and id >= "{prefix}" and id < "{prefix}g"' if prefix else wanted
        rows = await client.query(
            self._documents, filter=reach, limit=_ROWS_PER_READ, output_fields=["kept"], timeout=TIMEOUT_S
        )
        if len(rows) < _ROWS_PER_READ:
            return list(rows)
        return [row for digit in _HEX for row in await self._all_rows(client, wanted, prefix + digit)]

    async def _sample(self, client: AsyncMilvusClient, scope: Scope) -> _Sample:
        sample = self._samples.get(scope.key)
        if sample is None:
            rows = await client.query(
                self._passages, filter=of_scope(scope), limit=_SAMPLED, output_fields=["terms"], timeout=TIMEOUT_S
            )
            counts = Counter(term for row in rows for term in set(row["terms"].split()))
            sample = _Sample(counts, len(rows))
            self._samples.put(scope.key, sample)
        return sample

    async def _filter(self, client: AsyncMilvusClient, scope: Scope, wanted: Wanted) -> str:
        parts = [of_scope(scope)]
        parts += [has_any(choice) for choice in wanted.labels if choice]
        if wanted.before_chapter:
            rows = await self._all_rows(client, f'{of_scope(scope)} and doc_type == "{digest_of("chapter")}"', "")
            parts += before([stored_of(row).document for row in rows], wanted.before_chapter)
        return " and ".join(parts)

    async def _hits(
        self, client: AsyncMilvusClient, scope: Scope, scored: Sequence[tuple[float, dict[str, Any]]]
    ) -> list[Hit]:
        keys = list(dict.fromkeys(row["document"] for _, row in scored))
        if not keys:
            return []
        rows = await client.query(
            self._documents,
            filter=f"{of_scope(scope)} and id in {json.dumps(keys)}",
            output_fields=["id", "kept"],
            timeout=TIMEOUT_S,
        )
        documents = {row["id"]: stored_of(row).document for row in rows}
        return [
            Hit(passage_id(row["document"], row["chunk"]), row["text"], score, row["chunk"], documents[row["document"]])
            for score, row in scored
            if row["document"] in documents
        ]


@dataclass(frozen=True, slots=True)
class _Sample:
    """In how many of some passages of a scope each term occurs."""

    counts: Counter[str]
    passages: int


def _key(scope: Scope, entry: Entry) -> str:
    return document_key(scope, entry.document.doc_type, entry.document.id)


def _fit(weights: dict[str, float], terms: list[str]) -> float:
    return fit(weights, Counter(terms), len(terms))
