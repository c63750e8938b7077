"""The knowledge base in Milvus, or in a local file by Milvus Lite."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from qingyu_ai.embedding.embedder import Vector
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.knowledge.document import Document
from qingyu_ai.knowledge.milvus import AsyncMilvusClient, DataType, MilvusClient, MilvusException

_log = logging.getLogger(__name__)
# They log whole stack traces with the filter of a search; what went wrong is in the exception too.
for _name in ("pymilvus", "milvus_lite", "grpc._server"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

_CALL_TIMEOUT_S = 10.0
_OPEN_TIMEOUT_S = 5.0
_MAX_DOCUMENTS = 1000
_MAX_LABELS = 100
_ROWS_PER_WRITE = 256
_ID_BYTES = 64


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose knowledge: nothing is ever read across scopes."""

    tenant: str
    project: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document with its vector; thousands of them are held, so as 32-bit floats."""

    text: str
    vector: array[float]


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found; `score` is the cosine of its vector and the query's, higher is nearer."""

    id: str
    text: str
    score: float
    chunk: int
    document: Document


class KnowledgeStore:
    """Documents as passages with vectors.

    Opened on first use and again after a failure, so that it comes and goes with Milvus. Ids of callers are hashed
    before they get into a filter, so they need no quoting and no length limit.

    Args:
        uri: An http URL, or the path of a local file.
        collection: The collection's name; made on the first write.
        model: The embedding model; passages of another one are not seen.
        token: Of a server: a token, or user and password with a colon between; blank for none.
        db_name: The server's database; blank for its default.
    """

    def __init__(self, uri: str, collection: str, model: str, *, token: str = "", db_name: str = "") -> None:
        self._uri = uri
        self._access = {"token": token, "db_name": db_name}
        self._collection = collection
        self._model = model
        self._opened: _Opened | None = None
        self._opening = asyncio.Lock()

    async def replace(self, scope: Scope, document: Document, passages: Sequence[Passage]) -> None:
        """Puts a document in the place of the one with its type and id.

        Raises `knowledge_unavailable`, and `knowledge_other_model` where the collection's vectors have another length.
        """
        document_key = _digest(scope.tenant, scope.project, document.doc_type, document.id)
        shared = {
            "scope": _digest(scope.tenant, scope.project),
            "document_key": document_key,
            "model": _digest(self._model),
            "labels": [_digest(item) for item in document.labels()],
            "document": document.model_dump(mode="json", exclude={"text"}, exclude_defaults=True),
        }
        async with self._connected() as opened:
            client = opened.client
            await self._ensure_collection(opened, len(passages[0].vector))
            for start in range(0, len(passages), _ROWS_PER_WRITE):
                rows = [
                    {
                        **shared,
                        "id": f"{document_key[:48]}{chunk:08d}",
                        "chunk": chunk,
                        "text": passage.text,
                        "vector": passage.vector.tolist(),
                    }
                    for chunk, passage in enumerate(passages[start : start + _ROWS_PER_WRITE], start)
                ]
                await client.upsert(self._collection, rows, timeout=_CALL_TIMEOUT_S)
            leftover = f'document_key == "{document_key}" and chunk >= {len(passages)}'
            await client.delete(self._collection, filter=leftover, timeout=_CALL_TIMEOUT_S)

    async def search(
        self, scope: Scope, vector: Vector, top_k: int, filters: Sequence[Sequence[str]] = ()
    ) -> list[Hit]:
        """The `top_k` passages that are nearest to a vector, best first.

        Args:
            scope: Whose.
            vector: As long as the collection's.
            top_k: 1 to 100.
            filters: Each a choice of labels (`document.label`) of which a passage must have one; an empty one is none.

        Raises `knowledge_unavailable`, and `knowledge_other_model`.
        """
        choices = [json.dumps([_digest(item) for item in choice]) for choice in filters if choice]
        wanted = " and ".join([self._of(scope), *(f"ARRAY_CONTAINS_ANY(labels, {choice})" for choice in choices)])
        async with self._connected() as opened:
            if not await self._has_collection(opened, len(vector)):
                return []
            found = await opened.client.search(
                self._collection,
                data=[vector],
                anns_field="vector",
                filter=wanted,
                limit=top_k,
                output_fields=["text", "chunk", "document"],
                timeout=_CALL_TIMEOUT_S,
            )
        return [
            Hit(hit["id"], hit["entity"]["text"], hit["distance"], hit["entity"]["chunk"], _document(hit["entity"]))
            for hit in found[0]
        ]

    async def documents(self, scope: Scope, doc_type: str) -> list[Document]:
        """All documents of a type, at most 1000, each with its first passage as its text. Raises as `search`."""
        wanted = (
            f'{self._of(scope)} and chunk == 0 and ARRAY_CONTAINS_ANY(labels, ["{_digest(f"doc_type:{doc_type}")}"])'
        )
        async with self._connected() as opened:
            if not await self._has_collection(opened, None):
                return []
            rows = await opened.client.query(
                self._collection,
                filter=wanted,
                limit=_MAX_DOCUMENTS,
                output_fields=["text", "document"],
                timeout=_CALL_TIMEOUT_S,
            )
        return [_document(row) for row in rows]

    async def holds(self, scope: Scope) -> bool:
        """Whether anything of a scope is indexed. Raises as `search`."""
        async with self._connected() as opened:
            if not await self._has_collection(opened, None):
                return False
            return bool(
                await opened.client.query(
                    self._collection, filter=self._of(scope), limit=1, output_fields=["id"], timeout=_CALL_TIMEOUT_S
                )
            )

    async def check(self) -> None:
        """Raises `knowledge_unavailable` where Milvus does not answer."""
        async with self._connected() as opened:
            await opened.client.has_collection(self._collection, timeout=_CALL_TIMEOUT_S)

    async def close(self) -> None:
        """Closes what is open."""
        opened, self._opened = self._opened, None
        if opened:
            await opened.client.close()
            await asyncio.to_thread(opened.stop)

    def _of(self, scope: Scope) -> str:
        return f'scope == "{_digest(scope.tenant, scope.project)}" and model == "{_digest(self._model)}"'

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[_Opened]:
        try:
            async with self._opening:
                if self._opened is None:
                    self._opened = await _open(self._uri, self._access)
            yield self._opened
        except (MilvusException, grpc.RpcError, OSError, ValueError) as error:
            # Its words may hold addresses, names of classes and the filter.
            _log.warning("knowledge base failed: %s", type(error).__name__)
            await self.close()
            raise ServiceError(Reason.KNOWLEDGE_UNAVAILABLE, "The knowledge base does not answer.") from None

    async def _has_collection(self, opened: _Opened, dimension: int | None) -> bool:
        """Whether there is a collection, ready to be searched; checks that its vectors have `dimension` numbers."""
        client = opened.client
        if opened.dimension is None:
            if not await client.has_collection(self._collection, timeout=_CALL_TIMEOUT_S):
                return False
            described = await client.describe_collection(self._collection, timeout=_CALL_TIMEOUT_S)
            await client.load_collection(self._collection, timeout=_CALL_TIMEOUT_S)
            sizes = (field["params"].get("dim") for field in described["fields"] if field["name"] == "vector")
            # A collection of somebody else's has no such field.
            opened.dimension = next(sizes, 0)
        if dimension not in (None, opened.dimension):
            raise ServiceError(
                Reason.KNOWLEDGE_OTHER_MODEL,
                "The knowledge base was indexed with another embedding model: set another MILVUS_COLLECTION_NAME and "
                "index again.",
            )
        return True

    async def _ensure_collection(self, opened: _Opened, dimension: int) -> None:
        if await self._has_collection(opened, dimension):
            return
        await asyncio.to_thread(_create, opened.address, self._access, self._collection, dimension)
        await self._has_collection(opened, dimension)


def _create(address: str, access: dict[str, str], collection: str, dimension: int) -> None:
    """Blocks: pymilvus's asynchronous client waits for an index in a way that Milvus Lite does not know."""
    client = MilvusClient(address, timeout=_OPEN_TIMEOUT_S, **access)
    try:
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=_ID_BYTES)
        for name in ("scope", "document_key", "model"):
            schema.add_field(name, DataType.VARCHAR, max_length=_ID_BYTES)
        schema.add_field("chunk", DataType.INT64)
        schema.add_field(
            "labels", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=_MAX_LABELS, max_length=_ID_BYTES
        )
        schema.add_field("text", DataType.VARCHAR, max_length=8192)
        schema.add_field("document", DataType.JSON)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        index = client.prepare_index_params()
        index.add_index("vector", index_type="AUTOINDEX", metric_type="COSINE")
        client.create_collection(
            collection, schema=schema, index_params=index, consistency_level="Strong", timeout=_CALL_TIMEOUT_S
        )
    finally:
        client.close()


def _document(row: dict[str, Any]) -> Document:
    """The document that a row is a part of, with that part as its text."""
    return Document.model_validate({**row["document"], "text": row["text"]})


def _digest(*parts: str) -> str:
    """64 hexadecimal digits; no two lists of parts share one."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(slots=True)
class _Opened:
    address: str
    client: AsyncMilvusClient
    stop: Callable[[], None]
    # Of the collection's vectors, once it is known to be there and loaded.
    dimension: int | None = None


async def _open(uri: str, access: dict[str, str]) -> _Opened:
    is_server = re.match(r"https?://", uri) is not None
    address, stop = (uri, lambda: None) if is_server else await asyncio.to_thread(_start_lite, Path(uri))
    client = AsyncMilvusClient(address, timeout=_OPEN_TIMEOUT_S, **access)
    return _Opened(address, client, stop)


def _start_lite(path: Path) -> tuple[str, Callable[[], None]]:
    """Milvus Lite on a local file, as a server on loopback, so that `index` works beside a running service.

    Only one process can have the file open; it writes its address beside it, where the next one finds it.
    """
    from milvus_lite.adapter.grpc.server import start_server_in_thread
    from milvus_lite.exceptions import DataDirLockedError

    address_file = path.with_name(f"{path.name}.address")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        server, database, port = start_server_in_thread(str(path))
    except DataDirLockedError:
        return address_file.read_text(encoding="utf-8"), lambda: None
    address = f"http://127.0.0.1:{port}"
    address_file.write_text(address, encoding="utf-8")

    def stop() -> None:
        server.stop(grace=1).wait()
        database.close()

    return address, stop
