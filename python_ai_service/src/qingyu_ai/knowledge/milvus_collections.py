"""The collections of a knowledge base in a Milvus server: opened, made, and checked to be for this service's model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from qingyu_ai.knowledge.milvus import AsyncMilvusClient, MilvusException
from qingyu_ai.knowledge.milvus_schema import TIMEOUT_S, Creator
from qingyu_ai.knowledge.store import other_model, unavailable

_log = logging.getLogger(__name__)
# It logs whole stack traces with the filter of a search; what went wrong is in the exception too.
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)

_OPEN_TIMEOUT_S = 5.0
# The id of the row that says what the collections are.
_ABOUT = "about"
_LAYOUT = 2


class Collections:
    """Opened on first use and again after a failure, so that they come and go with Milvus.

    Args:
        uri: An http URL.
        collection: What their names begin with.
        model: The embedding model.
        access: The client's further arguments: `token` and `db_name`, blank for none.
    """

    def __init__(self, uri: str, collection: str, model: str, access: dict[str, str]) -> None:
        self.documents = f"{collection}_documents"
        self.passages = f"{collection}_passages"
        self._uri = uri
        self._access = access
        self._older = collection
        self._about = {"layout": _LAYOUT, "model": model}
        self._opened: _Opened | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[AsyncMilvusClient]:
        """The client. What Milvus fails with while it is used becomes `knowledge_unavailable`."""
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

    async def are_there(self, client: AsyncMilvusClient, dimension: int | None = None) -> bool:
        """Whether the collections are there, ready to be read; checks that they are for this model and dimension."""
        opened = self._opened
        if opened is None or opened.dimension is None:
            if not await client.has_collection(self.documents, timeout=TIMEOUT_S):
                if await client.has_collection(self._older, timeout=TIMEOUT_S):
                    # Of a version that kept documents and passages in one collection.
                    raise other_model()
                return False
            if not await client.has_collection(self.passages, timeout=TIMEOUT_S):
                return False
            for name in (self.documents, self.passages):
                await client.load_collection(name, timeout=TIMEOUT_S)
            rows = await client.query(
                self.documents, filter=f'id == "{_ABOUT}"', output_fields=["kept"], timeout=TIMEOUT_S
            )
            if not rows:
                return False
            if rows[0]["kept"] != self._about:
                raise other_model()
            described = await client.describe_collection(self.passages, timeout=TIMEOUT_S)
            sizes = (field["params"].get("dim") for field in described["fields"] if field["name"] == "vector")
            if opened is None:
                return True
            opened.dimension = next(sizes, 0)
        if dimension not in (None, opened.dimension):
            raise other_model()
        return True

    async def ensure(self, client: AsyncMilvusClient, dimension: int | None) -> None:
        """Makes the collections where they are not there; checks as `are_there`."""
        create = Creator(self._uri, self._access)
        # The asynchronous client waits for an index in a way that not every server knows.
        if not await client.has_collection(self.passages, timeout=TIMEOUT_S):
            await asyncio.to_thread(create.passages, self.passages, dimension)
        if not await client.has_collection(self.documents, timeout=TIMEOUT_S):
            await asyncio.to_thread(create.documents, self.documents)
        if not await self.are_there(client, dimension):
            about = {"id": _ABOUT, "scope": _ABOUT, "doc_type": "", "kept": self._about, "nothing": [0.0, 0.0]}
            await client.upsert(self.documents, [about], timeout=TIMEOUT_S)

    async def close(self) -> None:
        """Closes what is open."""
        opened, self._opened = self._opened, None
        if opened:
            await opened.client.close()


@dataclass(slots=True)
class _Opened:
    client: AsyncMilvusClient
    # Of the passages' vectors, 0 where they have none; once the collections are known to be there and loaded.
    dimension: int | None = None
