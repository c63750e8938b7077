"""Exact search over the vectors of a scope, kept in memory between calls."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qingyu_ai.embedding.embedder import Vector
from qingyu_ai.knowledge.store import other_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAX_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Matrix:
    """Unit vectors, a row for each passage."""

    version: str
    passages: NDArray[np.int64]
    rows: NDArray[np.float32]

    def nearest(self, vector: Vector, limit: int, allowed: set[int] | None) -> dict[int, float]:
        """The nearest passages with their cosines, best first."""
        import numpy as np

        if not len(self.passages):
            return {}
        if len(vector) != self.rows.shape[1]:
            raise other_model()
        asked = np.asarray(vector, dtype=np.float32)
        cosines = self.rows @ (asked / (np.linalg.norm(asked) or 1))
        if allowed is not None:
            cosines[~np.isin(self.passages, np.fromiter(allowed, dtype=np.int64))] = -np.inf
        best = np.argsort(-cosines, kind="stable")[:limit]
        return {int(self.passages[at]): float(cosines[at]) for at in best if cosines[at] > -np.inf}


class Matrices:
    """The matrices of the scopes that were asked last, as far as 512 MiB go."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Matrix] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, scope: str, database: sqlite3.Connection) -> Matrix:
        """The matrix of a scope as its database is now."""
        [[version]] = database.execute("SELECT value FROM facts WHERE name = 'version'")
        with self._lock:
            kept = self._kept.get(scope)
            if kept and kept.version == version:
                self._kept.move_to_end(scope)
                return kept
        fresh = _read(database, version)
        with self._lock:
            self._kept[scope] = fresh
            self._kept.move_to_end(scope)
            while len(self._kept) > 1 and sum(matrix.rows.nbytes for matrix in self._kept.values()) > _MAX_BYTES:
                self._kept.popitem(last=False)
        return fresh


def _read(database: sqlite3.Connection, version: str) -> Matrix:
    import numpy as np

    found: list[Any] = database.execute("SELECT passage, vector FROM vectors").fetchall()
    passages = np.array([row[0] for row in found], dtype=np.int64)
    size = len(found[0][1]) // 4 if found else 0
    rows = np.frombuffer(b"".join(row[1] for row in found), dtype=np.float32).reshape(len(found), size).copy()
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return Matrix(version, passages, rows)
