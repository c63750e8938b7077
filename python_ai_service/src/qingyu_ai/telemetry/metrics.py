"""What is counted for Prometheus. Imported where METRICS is true only."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from qingyu_ai.telemetry.call import CallRecord

_DURATIONS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
# Each label is a time series for ever, and who calls a provider names the model.
_MAX_MODELS = 50
_OTHER = "other"


class Metrics:
    """A `CallObserver`. Every label has few values: tenants, request ids and the like have none."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._models: set[str] = set()
        self._calls = Counter("qingyu_ai_calls", "Calls by method and code.", ("rpc", "code"), registry=registry)
        self._under_way = Gauge("qingyu_ai_calls_under_way", "Calls that have not ended.", registry=registry)
        self._duration = Histogram(
            "qingyu_ai_call_duration_seconds",
            "Time for a whole call.",
            ("rpc",),
            buckets=_DURATIONS_S,
            registry=registry,
        )
        self._first_token = Histogram(
            "qingyu_ai_first_token_seconds",
            "Time until a model's first text.",
            ("provider",),
            buckets=_DURATIONS_S,
            registry=registry,
        )
        self._tokens = Counter(
            "qingyu_ai_tokens", "Tokens as providers count them.", ("provider", "model", "kind"), registry=registry
        )
        self._knowledge = Counter(
            "qingyu_ai_knowledge", "Whether knowledge was used, none or unavailable.", ("state",), registry=registry
        )
        self._failures = Counter(
            "qingyu_ai_provider_failures",
            "Calls that failed after a provider was asked.",
            ("provider", "reason"),
            registry=registry,
        )

        self._administration = Counter(
            "qingyu_ai_administration",
            "Calls of the administration by what was asked and HTTP status.",
            ("operation", "status"),
            registry=registry,
        )
        self._administration_duration = Histogram(
            "qingyu_ai_administration_duration_seconds",
            "Time for a whole call of the administration.",
            ("operation",),
            buckets=_DURATIONS_S,
            registry=registry,
        )

    def began(self, record: CallRecord, rpc: str) -> None:
        """See `CallObserver`."""
        self._under_way.inc()

    def ended(self, record: CallRecord, rpc: str, code: str, error: str) -> None:
        """See `CallObserver`."""
        self._under_way.dec()
        self._calls.labels(rpc, code).inc()
        self._duration.labels(rpc).observe(record.age_ms / 1000)
        if record.first_token_ms is not None:
            self._first_token.labels(record.provider).observe(record.first_token_ms / 1000)
        for kind, count in (("prompt", record.prompt_tokens), ("completion", record.completion_tokens)):
            if count is not None:
                self._tokens.labels(record.provider, self._model(record.model), kind).inc(count)
        if record.knowledge:
            self._knowledge.labels(record.knowledge).inc()
        if record.provider and error:
            self._failures.labels(record.provider, error).inc()

    def administered(self, operation: str, status: int, duration_s: float) -> None:
        """Counts a call of the administration by what it was and the HTTP status of its answer."""
        self._administration.labels(operation, status).inc()
        self._administration_duration.labels(operation).observe(duration_s)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All of it in the format that a scraper's Accept header asks for, and that format's content type.

        A header that makes no sense asks for nothing.
        """
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type

    def _model(self, name: str) -> str:
        if name not in self._models and len(self._models) < _MAX_MODELS:
            self._models.add(name)
        return name if name in self._models else _OTHER
