"""The knowledge base in local files: one SQLite database for each scope, searched exactly."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from heapq import nlargest
from pathlib import Path
from typing import TypeVar

from qingyu_ai.embedding.embedder import Vector
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.knowledge.document import Document
from qingyu_ai.knowledge.local_database import create, failures, insert, opened, remove, transaction
from qingyu_ai.knowledge.ranking import Place, counts_in, fit, weights_of, with_neighbours
from qingyu_ai.knowledge.store import Entry, Hit, Scope, Stored, Wanted, other_model, unavailable
from qingyu_ai.knowledge.terms import query_terms
from qingyu_ai.knowledge.vectors import Matrices

R = TypeVar("R")

_DOCUMENTS = """
SELECT document, ending, passages, digest FROM documents
WHERE :types = '[]' OR doc_type IN (SELECT value FROM json_each(:types))
"""
_SEARCHED = """
SELECT passages.id, document.id, chunk, document.head || char(10) || text FROM passages
JOIN documents AS document ON document.id = passages.document
WHERE passages.id IN (SELECT value FROM json_each(?))
"""
_LABELLED = "SELECT document FROM labels WHERE label IN (SELECT value FROM json_each(?))"
# A place of 0 is unknown: it is neither before nor after another.
_BEFORE = """
SELECT id FROM documents AS one WHERE CASE doc_type
  WHEN 'chapter' THEN name <> :name AND (:place = 0 OR place < :place)
  ELSE :place = 0 OR NOT EXISTS (
    SELECT 1 FROM documents WHERE doc_type = 'chapter' AND name = one.chapter AND place > :place)
END
"""
# So many candidates are looked at closely, and so many rows are read to find them.
_CANDIDATES = 100
_MAX_ROWS_READ = 10_000
_OLDER = (
    "The knowledge base is of an older version (Milvus Lite), which is not read: index again, into another "
    "folder where MILVUS_URI names that one."
)


class LocalStore:
    """See `KnowledgeStore`. Any number of processes may read and write at once; writers wait for one another.

    Args:
        folder: Where the files are; made on the first write.
        model: The embedding model.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self._folder = folder
        self._model = model
        self._matrices = Matrices()

    async def replace(self, scope: Scope, entries: Sequence[Entry]) -> None:
        """See `KnowledgeStore`. All of the documents or none."""

        def work(database: sqlite3.Connection) -> None:
            self._check_model(database)
            for entry in entries:
                remove(database, entry.document.doc_type, entry.document.id)
                insert(database, entry)

        await self._write(scope, work)

    async def remove(self, scope: Scope, documents: Sequence[tuple[str, str]]) -> int:
        """See `KnowledgeStore`."""

        def work(database: sqlite3.Connection) -> int:
            return sum(remove(database, *document) for document in documents)

        return await self._write(scope, work) if self._path(scope).exists() else 0

    async def finish(self, scope: Scope) -> None:
        """See `KnowledgeStore`. Nothing is left to be done."""

    async def documents(self, scope: Scope, *doc_types: str) -> list[Stored]:
        """See `KnowledgeStore`."""

        def work(database: sqlite3.Connection) -> list[Stored]:
            rows = database.execute(_DOCUMENTS, {"types": json.dumps(doc_types)})
            return [Stored(Document.model_validate_json(row[0]), *row[1:]) for row in rows]

        return await self._read(scope, work, [])

    async def matching(self, scope: Scope, query: str, limit: int, wanted: Wanted) -> list[Hit]:
        """See `KnowledgeStore`."""

        def work(database: sqlite3.Connection) -> list[Hit]:
            terms = query_terms(query)
            counts = {term: _count(database, term) for term in terms}
            [[passages]] = database.execute("SELECT count(*) FROM passages")
            weights = weights_of(terms, counts, passages)
            candidates = _candidates(database, weights, counts, _allowed(database, wanted))
            fits = _fits(database, weights, candidates)
            return _hits(database, dict(nlargest(limit, fits.items(), key=lambda item: item[1])))

        return await self._read(scope, work, [])

    async def nearest(self, scope: Scope, vector: Vector, limit: int, wanted: Wanted) -> list[Hit]:
        """See `KnowledgeStore`."""

        def work(database: sqlite3.Connection) -> list[Hit]:
            matrix = self._matrices.of(scope.key, database)
            return _hits(database, matrix.nearest(vector, limit, _allowed(database, wanted)))

        return await self._read(scope, work, [])

    async def check(self) -> None:
        """See `KnowledgeStore`: whether the folder can be written to."""
        self._check_version()
        folder = next(folder for folder in (self._folder, *self._folder.absolute().parents) if folder.exists())
        if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise unavailable()

    async def close(self) -> None:
        """See `KnowledgeStore`. No file is open between calls."""

    def _path(self, scope: Scope) -> Path:
        return self._folder / f"{scope.key}.db"

    def _check_version(self, *, to_write: bool = False) -> None:
        """Raises where an older version kept its knowledge here or, until something is written, in its default."""
        root = self._folder.parent
        waiting = not to_write and not root.exists()
        if _is_milvus_lite(root) or (waiting and _is_milvus_lite(root.with_name("milvus.db"))):
            raise ServiceError(Reason.KNOWLEDGE_OTHER_MODEL, _OLDER)

    async def _read(self, scope: Scope, work: Callable[[sqlite3.Connection], R], nothing: R) -> R:
        def read() -> R:
            self._check_version()
            path = self._path(scope)
            if not path.exists():
                return nothing
            with failures(), opened(path) as database, transaction(database, "BEGIN"):
                self._check_model(database)
                return work(database)

        return await asyncio.to_thread(read)

    async def _write(self, scope: Scope, work: Callable[[sqlite3.Connection], R]) -> R:
        def write() -> R:
            self._check_version(to_write=True)
            path = self._path(scope)
            with failures():
                if not path.exists():
                    create(path, self._model)
                with opened(path) as database, transaction(database, "BEGIN IMMEDIATE"):
                    result = work(database)
                    database.execute("UPDATE facts SET value = value + 1 WHERE name = 'version'")
                    return result

        return await asyncio.to_thread(write)

    def _check_model(self, database: sqlite3.Connection) -> None:
        """A scope without any document takes any model."""
        [[model]] = database.execute("SELECT value FROM facts WHERE name = 'model'")
        if model == self._model:
            return
        if database.execute("SELECT 1 FROM documents LIMIT 1").fetchone():
            raise other_model()
        if database.in_transaction:
            database.execute("UPDATE facts SET value = ? WHERE name = 'model'", (self._model,))


def _allowed(database: sqlite3.Connection, wanted: Wanted) -> set[int] | None:
    """The passages that may be found; none where all may."""
    sets = [
        {row[0] for row in database.execute(_LABELLED, (json.dumps(list(choice)),))}
        for choice in wanted.labels
        if choice
    ]
    find = "SELECT place FROM documents WHERE doc_type = 'chapter' AND name = ?"
    if found := database.execute(find, (wanted.before_chapter,)).fetchone():
        given = {"name": wanted.before_chapter, "place": found[0]}
        sets.append({row[0] for row in database.execute(_BEFORE, given)})
    if not sets:
        return None
    documents = json.dumps(list(set.intersection(*sets)))
    of = "SELECT id FROM passages WHERE document IN (SELECT value FROM json_each(?))"
    return {row[0] for row in database.execute(of, (documents,))}


def _is_milvus_lite(folder: Path) -> bool:
    """Whether a folder is what an older version of this service kept its knowledge in."""
    return (folder / "collections").is_dir()


def _count(database: sqlite3.Connection, term: str) -> int:
    [[count]] = database.execute("SELECT count(*) FROM terms WHERE terms MATCH ?", (f'"{term}"',))
    return int(count)


def _candidates(
    database: sqlite3.Connection, weights: dict[str, float], counts: dict[str, int], allowed: set[int] | None
) -> list[int]:
    """The passages that share the most weight with a query, by its rarest terms, most first."""
    shared: defaultdict[int, float] = defaultdict(float)
    left = _MAX_ROWS_READ
    for term in sorted(weights, key=lambda term: counts[term]):
        left -= counts[term]
        if left < 0 and shared:
            break
        # As one row: between rows each caller would wait for the others.
        find = "SELECT json_group_array(rowid) FROM terms WHERE terms MATCH ?"
        [[numbers]] = database.execute(find, (f'"{term}"',))
        for number in json.loads(numbers):
            shared[number] += weights[term]
    found = shared if allowed is None else [number for number in shared if number in allowed]
    return sorted(found, key=lambda number: -shared[number])[:_CANDIDATES]


def _fits(database: sqlite3.Connection, weights: dict[str, float], candidates: list[int]) -> dict[int, float]:
    """How well each candidate fits."""
    numbers: dict[Place, int] = {}
    fits: dict[Place, float] = {}
    for number, document, chunk, searched in database.execute(_SEARCHED, (json.dumps(candidates),)):
        numbers[document, chunk] = number
        fits[document, chunk] = fit(weights, counts_in(weights, searched), 2 * len(searched))
    return {numbers[place]: score for place, score in with_neighbours(fits).items()}


def _hits(database: sqlite3.Connection, scores: dict[int, float]) -> list[Hit]:
    """Passages with their documents and scores, in the order given."""
    rows = database.execute(
        "SELECT passages.id, text, chunk, doc_type, name, document.document FROM passages "
        "JOIN documents AS document ON document.id = passages.document "
        "WHERE passages.id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(scores)),),
    )
    hits = {
        number: Hit(f"{doc_type}:{name}:{chunk}", text, scores[number], chunk, Document.model_validate_json(kept))
        for number, text, chunk, doc_type, name, kept in rows
    }
    return [hits[number] for number in scores]
