"""The service's settings, from the environment and `.env`."""

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=1, le=65535)]
Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
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

    environment: str = Field("development", description="Where this runs. Only `development` may be without a token.")
    service_host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    service_port: Port = Field(8000, description="Port of the HTTP side: health.")
    grpc_port: Port = Field(50052, description="Port of AIService over Connect and gRPC-Web.")
    plain_grpc_port: Port | None = Field(
        None, description="Port of AIService over plain gRPC, for callers who speak nothing else."
    )
    python_ai_token: SecretStr | None = Field(
        None, min_length=1, description="The bearer token that callers must send. Required outside development."
    )
    openai_api_key: SecretStr | None = Field(None, description="Key of OpenAI or of a compatible service.")
    openai_base_url: Url = Field(
        "https://api.openai.com/v1",
        description="OpenAI's address, or that of vLLM, Ollama, DeepSeek, GLM.",
    )
    openai_model: str = Field("gpt-4-turbo-preview", description="For callers who name no model of OpenAI's.")
    anthropic_api_key: SecretStr | None = Field(None, description="Anthropic's key.")
    anthropic_base_url: Url = Field("https://api.anthropic.com", description="Anthropic's address.")
    anthropic_model: str = Field("claude-sonnet-4-6", description="For callers who name no model of Anthropic's.")
    default_llm_provider: Literal["openai", "anthropic", "embedded"] | None = Field(
        None,
        description="Who writes; unset: the first of openai and anthropic that has a key, else the embedded writer.",
    )
    embedding_provider: Literal["embedded", "openai", "local"] = Field(
        "embedded", description="Who embeds; `local` needs the extra of that name (sentence-transformers)."
    )
    embedding_model_name: str = Field(
        "BAAI/bge-large-zh-v1.5", description="The model of the providers openai and local."
    )
    embedding_base_url: Url | None = Field(
        None, description="Where the provider openai embeds, where that is not OPENAI_BASE_URL."
    )
    embedding_api_key: SecretStr | None = Field(
        None, description="The key for embeddings, where that is not OPENAI_API_KEY."
    )
    embedding_query_prefix: str | None = Field(
        None, description="What a question begins with; unset: known for the e5 and bge families, else nothing."
    )
    embedding_passage_prefix: str | None = Field(
        None, description="What a passage begins with; unset: known for the e5 and bge families, else nothing."
    )
    milvus_host: str | None = Field(None, description="Host of a Milvus server.")
    milvus_port: Port = Field(19530, description="Port of that Milvus server.")
    milvus_uri: str | None = Field(
        None,
        description="A Milvus server's URL, or a local file for Milvus Lite; unset: the host, else `data/milvus.db`.",
    )
    milvus_secure: bool = Field(False, description="TLS to MILVUS_HOST; in MILVUS_URI it is https.")
    milvus_user: str | None = Field(None, description="User of that Milvus server.")
    milvus_password: SecretStr | None = Field(None, description="That user's password.")
    milvus_token: SecretStr | None = Field(None, description="Token of that Milvus server, in the place of a user.")
    milvus_db_name: str | None = Field(None, description="Database of that Milvus server; unset: its default.")
    milvus_collection_name: str = Field(
        "qingyu_knowledge", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$", description="The knowledge base's collection."
    )
    redis_host: str | None = Field(None, description="Host of a Redis that caches embeddings; unset: no cache.")
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
        """Where the knowledge base is: a URL, or the path of a local file."""
        if self.milvus_uri:
            return self.milvus_uri
        scheme = "https" if self.milvus_secure else "http"
        return f"{scheme}://{self.milvus_host}:{self.milvus_port}" if self.milvus_host else "data/milvus.db"

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

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        problems = []
        if not self.is_development and not self.python_ai_token:
            problems.append("PYTHON_AI_TOKEN: is required where ENVIRONMENT is not development")
        if self.default_llm_provider == "openai" and not self.openai_api_key:
            problems.append("OPENAI_API_KEY: is required by DEFAULT_LLM_PROVIDER=openai")
        if self.default_llm_provider == "anthropic" and not self.anthropic_api_key:
            problems.append("ANTHROPIC_API_KEY: is required by DEFAULT_LLM_PROVIDER=anthropic")
        if self.embedding_provider == "openai" and not self.embedding_key:
            problems.append("OPENAI_API_KEY, EMBEDDING_API_KEY: one is required by EMBEDDING_PROVIDER=openai")
        ports = [port for port in (self.service_port, self.grpc_port, self.plain_grpc_port) if port]
        if len(set(ports)) < len(ports):
            problems.append("SERVICE_PORT, GRPC_PORT, PLAIN_GRPC_PORT: must differ")
        if problems:
            raise ValueError("\n".join(problems))
        return self


def load_settings() -> Settings:
    """Reads the settings. Raises `SettingsError` with every problem at once."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(
            [line for problem in error.errors() for line in _lines(problem["loc"], problem["msg"])]
        ) from None


def _lines(location: tuple[int | str, ...], message: str) -> list[str]:
    message = message.removeprefix("Value error, ")
    if not location:
        return message.split("\n")
    return [f"{str(location[0]).upper()}: {message}"]
