"""A span for each call and each answer of a model. Imported where OTEL_EXPORTER_OTLP_ENDPOINT is set only."""

import os

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from qingyu_ai.telemetry.call import CallRecord

_EXPORT_TIMEOUT_S = 5
_SERVICE = "qingyu.ai.AIService"


class Traces:
    """A `CallObserver`. The other OTEL_ variables (sampler, headers, service name) mean what the SDK says.

    Args:
        endpoint: The collector's address; `/v1/traces` is added.
    """

    def __init__(self, endpoint: str) -> None:
        named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "qingyu-ai"}
        self._provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_TIMEOUT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("qingyu_ai")
        self._spans: dict[int, Span] = {}

    def began(self, record: CallRecord, rpc: str) -> None:
        """See `CallObserver`; continues the caller's trace."""
        parent = TraceContextTextMapPropagator().extract({"traceparent": record.traceparent})
        attributes = {"rpc.service": _SERVICE, "rpc.method": rpc}
        self._spans[id(record)] = self._tracer.start_span(
            f"{_SERVICE}/{rpc}", context=parent, kind=SpanKind.SERVER, attributes=attributes
        )

    def ended(self, record: CallRecord, rpc: str, code: str, error: str) -> None:
        """See `CallObserver`."""
        span = self._spans.pop(id(record))
        told: dict[str, str | int | None] = {
            "error.type": error,
            "rpc.response.status_code": code,
            "qingyu.tenant": record.tenant,
            "qingyu.knowledge": record.knowledge,
            "qingyu.request_id": record.request_id,
            "gen_ai.response.model": record.model,
            "gen_ai.provider.name": record.provider,
            "gen_ai.usage.input_tokens": record.prompt_tokens,
            "gen_ai.usage.output_tokens": record.completion_tokens,
            "qingyu.first_token_ms": record.first_token_ms,
        }
        span.set_attributes({name: value for name, value in told.items() if value is not None and value != ""})
        if code != "ok":
            span.set_status(Status(StatusCode.ERROR))
        for asked in record.models_asked:
            child = self._tracer.start_span(
                f"chat {asked.provider}",
                context=set_span_in_context(span),
                kind=SpanKind.CLIENT,
                start_time=asked.began_ns,
                attributes={"gen_ai.provider.name": asked.provider, "gen_ai.response.model": asked.model},
            )
            child.end(asked.ended_ns)
        span.end()

    def close(self) -> None:
        """Sends what has not been sent; takes some seconds at most."""
        self._provider.shutdown()
