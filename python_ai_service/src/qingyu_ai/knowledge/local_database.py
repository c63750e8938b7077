"""One scope's database in a local file: its tables, how it is opened, and how documents come and go."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from qingyu_ai.knowledge.store import Entry, Stored, head_of, other_model, unavailable
from qingyu_ai.knowledge.terms import terms_of

_log = logging.getLogger(__name__)

# How long a writer waits for the writers before it.
_LOCK_TIMEOUT_S = 60.0
# Of the schema and of `terms_of`: what an index of another one says is not understood.
_LAYOUT = 1
_SCHEMA = f"""
PRAGMA journal_mode = WAL;
PRAGMA user_version = {_LAYOUT};
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
  id INTEGER PRIMARY KEY, doc_type TEXT NOT NULL, name TEXT NOT NULL, place INTEGER NOT NULL, chapter TEXT NOT NULL,
  head TEXT NOT NULL, document TEXT NOT NULL, ending TEXT NOT NULL, passages INTEGER NOT NULL, digest TEXT NOT NULL,
  UNIQUE (doc_type, name)
);
CREATE TABLE labels (label TEXT, document INTEGER, PRIMARY KEY (label, document)) WITHOUT ROWID;
CREATE INDEX labels_of ON labels (document);
CREATE TABLE passages (id INTEGER PRIMARY KEY, document INTEGER NOT NULL, chunk INTEGER NOT NULL, text TEXT NOT NULL);
CREATE INDEX passages_of ON passages (document, chunk);
CREATE TABLE vectors (passage INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE VIRTUAL TABLE terms USING fts5 (term, content='', detail=none, columnsize=0, tokenize='ascii');
"""


@contextmanager
def failures() -> Iterator[None]:
    """What files and SQLite fail with becomes `knowledge_unavailable`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        # Its words may hold paths.
        _log.warning("knowledge base failed: %s", type(error).__name__)
        raise unavailable() from None


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database of a file that is there. Raises `knowledge_other_model` where it has another layout."""
    # As a URI, so that a file that is gone is not made again.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=_LOCK_TIMEOUT_S, isolation_level=None)) as database:
        [[layout]] = database.execute("PRAGMA user_version")
        if layout != _LAYOUT:
            raise other_model()
        yield database


@contextmanager
def transaction(database: sqlite3.Connection, begin: str) -> Iterator[None]:
    """All or nothing, from the statement `begin` on."""
    database.execute(begin)
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def create(path: Path, model: str) -> None:
    """An empty database that is whole from the moment that it has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix="new-", suffix=".tmp") as file:
        with closing(sqlite3.connect(file.name)) as database:
            database.executescript(_SCHEMA)
            facts = [("model", model), ("version", "0")]
            database.executemany("INSERT INTO facts VALUES (?, ?)", facts)
            database.commit()
        try:
            os.link(file.name, path)
        except FileExistsError:
            # Another process was faster, with the same.
            return


def insert(database: sqlite3.Connection, entry: Entry) -> None:
    """Adds a document that is not there."""
    document, passages = entry.document, entry.passages
    stored = Stored.of(document, len(passages))
    row = (document.doc_type, document.id, document.order, document.chapter_id, head_of(document))
    kept = (stored.document.model_dump_json(exclude_defaults=True), stored.ending, stored.passages, stored.digest)
    key = database.execute("INSERT INTO documents VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, *kept)).lastrowid
    database.executemany("INSERT OR IGNORE INTO labels VALUES (?, ?)", [(label, key) for label in document.labels()])
    for chunk, passage in enumerate(passages):
        add = "INSERT INTO passages VALUES (NULL, ?, ?, ?)"
        number = database.execute(add, (key, chunk, passage.text)).lastrowid
        terms = _indexed(head_of(document), passage.text)
        database.execute("INSERT INTO terms (rowid, term) VALUES (?, ?)", (number, terms))
        if passage.vector:
            database.execute("INSERT INTO vectors VALUES (?, ?)", (number, passage.vector.tobytes()))


def remove(database: sqlite3.Connection, doc_type: str, name: str) -> int:
    """Removes a document; how many were there: one or none."""
    found = database.execute("SELECT id, head FROM documents WHERE doc_type = ? AND name = ?", (doc_type, name))
    for key, head in found.fetchall():
        passages = database.execute("SELECT id, text FROM passages WHERE document = ?", (key,)).fetchall()
        for number, text in passages:
            # An index without its texts has to be told them again.
            terms = _indexed(head, text)
            database.execute("INSERT INTO terms (terms, rowid, term) VALUES ('delete', ?, ?)", (number, terms))
            database.execute("DELETE FROM vectors WHERE passage = ?", (number,))
        for table, column in (("passages", "document"), ("labels", "document"), ("documents", "id")):
            database.execute(f"DELETE FROM {table} WHERE {column} = ?", (key,))  # noqa: S608
        return 1
    return 0


def _indexed(head: str, text: str) -> str:
    return " ".join(dict.fromkeys(terms_of(f"{head}\n{text}")))
