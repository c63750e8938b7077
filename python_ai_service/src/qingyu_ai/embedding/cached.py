"""A cache of embeddings in Redis."""

import asyncio
import hashlib
import logging
from array import array
from typing import TypeGuard

from redis.asyncio import Redis
from redis.exceptions import RedisError

from qingyu_ai.embedding.embedder import Embedder, Vector

_log = logging.getLogger(__name__)
_TIMEOUT_S = 0.25


class CachedEmbedder:
    """Asks Redis first, by hash of model and text, and the embedder for what it does not have.

    A Redis that is slow, broken or gone changes no answer.

    Args:
        embedder: Who embeds.
        redis: A client that does not retry.
        key_prefix: What every key begins with.
        ttl_s: Seconds that a vector is kept; as 32-bit floats.
    """

    def __init__(self, embedder: Embedder, redis: Redis, key_prefix: str, ttl_s: int) -> None:
        self._embedder = embedder
        self._redis = redis
        self._key_prefix = key_prefix
        self._ttl_s = ttl_s
        self.model = embedder.model
        self.is_lexical = embedder.is_lexical

    async def embed(self, texts: list[str], model: str = "") -> list[Vector]:
        """See `Embedder`."""
        keys = [self._key(text, model or self.model) for text in texts]
        known = await self._read(keys)
        missing = list(dict.fromkeys(text for text, key in zip(texts, keys, strict=True) if key not in known))
        if missing:
            vectors = await self._embedder.embed(missing, model)
            fresh = {
                self._key(text, model or self.model): vector for text, vector in zip(missing, vectors, strict=True)
            }
            await self._write(fresh)
            known |= fresh
        return [known[key] for key in keys]

    def _key(self, text: str, model: str) -> str:
        digest = hashlib.sha256(f"{model}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self._key_prefix}embedding:{digest}"

    async def _read(self, keys: list[str]) -> dict[str, Vector]:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                values = await self._redis.mget(keys)
        except (RedisError, OSError) as error:
            _log.warning("redis read failed: %s", type(error).__name__)
            return {}
        found = zip(keys, values, strict=True)
        return {key: list(array("f", value)) for key, value in found if _is_vector(value)}

    async def _write(self, vectors: dict[str, Vector]) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_S), self._redis.pipeline(transaction=False) as pipeline:
                for key, vector in vectors.items():
                    pipeline.set(key, array("f", vector).tobytes(), ex=self._ttl_s)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            _log.warning("redis write failed: %s", type(error).__name__)


def _is_vector(value: object) -> TypeGuard[bytes]:
    return isinstance(value, bytes) and bool(value) and len(value) % array("f").itemsize == 0
