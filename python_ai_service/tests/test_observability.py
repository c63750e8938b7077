"""What Prometheus and an OpenTelemetry collector see, on real sockets."""

import asyncio
import http.client
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from connectrpc.errors import ConnectError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from qingyu_ai.embedding.embedded import EmbeddedEmbedder
from qingyu_ai.embedding.observed import ObservedEmbedder
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.gen.qingyu.ai.ai_service_pb import GenerateContentRequest, HealthCheckRequest
from qingyu_ai.health import Health, Part
from qingyu_ai.telemetry.call import CallRecord
from qingyu_ai.telemetry.metrics import Metrics
from tests.providers import fails, openai_says, provider
from tests.running import running

pytestmark = pytest.mark.anyio
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text)
    return {(each.name, tuple(sorted(each.labels.items()))): each.value for one in families for each in one.samples}


def scrape(url: str) -> tuple[str, str]:
    with urllib.request.urlopen(url) as answer:  # noqa: S310
        return answer.headers["content-type"], answer.read().decode()


async def test_prometheus_scrapes_what_calls_came_to() -> None:
    with provider(openai_says("ANSWER"), fails(429)) as model:
        settings = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{model.url}/v1", "METRICS": "true"}
        with running(PYTHON_AI_TOKEN="t", **settings) as service:
            async with service.client() as client:
                headers = {"authorization": "Bearer t", "x-qingyu-tenant": "SECRET"}
                request = GenerateContentRequest(prompt="SECRET", project_id="p")
                await client.generate_content(request, headers=headers)
                for told in (headers, {}):
                    with pytest.raises(ConnectError):
                        await client.generate_content(request, headers=told)
            content_type, text = await asyncio.to_thread(scrape, f"{service.http_url}/metrics")
    assert content_type.startswith("text/plain; version=")
    assert "SECRET" not in text
    found = samples(text)

    def value(name: str, **labels: str) -> float | None:
        return found.get((f"qingyu_ai_{name}", tuple(sorted(labels.items()))))

    rpc = "GenerateContent"
    assert [value("calls_total", rpc=rpc, code=code) for code in ("ok", "resource_exhausted", "unauthenticated")] == [
        1,
        1,
        1,
    ]
    assert value("calls_under_way") == 0
    assert value("call_duration_seconds_count", rpc=rpc) == 3
    assert value("first_token_seconds_count", provider="openai") == 1
    assert value("tokens_total", provider="openai", model="the-model", kind="prompt") == 11
    assert value("tokens_total", provider="openai", model="the-model", kind="completion") == 7
    assert value("knowledge_total", state="none") == 2
    assert value("provider_failures_total", provider="openai", reason="rate_limited") == 1


async def test_prometheus_scrapes_what_the_administration_came_to() -> None:
    with running(PYTHON_AI_TOKEN="t", METRICS="true") as service:

        def call(method: str, path: str, body: bytes | None = None, token: str = "t") -> int:  # noqa: S107
            connection = http.client.HTTPConnection("127.0.0.1", int(service.settings["SERVICE_PORT"]), timeout=10)
            connection.request(method, f"/api/v1/knowledge{path}", body, {"authorization": f"Bearer {token}"})
            return connection.getresponse().status

        put = b'{"project":"SECRET","documents":[{"id":"SECRET","text":"SECRET"}]}'
        assert call("POST", "/documents", put) == 200
        assert call("POST", "/documents", b"{") == 400
        assert call("POST", "/documents", put, token="SECRET") == 401
        assert call("GET", "/documents?project=SECRET") == 200
        assert call("POST", "/documents/remove", b'{"project":"SECRET","keep":[]}') == 200
        assert call("GET", "/SECRET") == call("SECRET", "/SECRET") == 404
        _, text = await asyncio.to_thread(scrape, f"{service.http_url}/metrics")
    assert "SECRET" not in text
    counts = {
        (labels["operation"], labels["status"]): count
        for (name, pairs), count in samples(text).items()
        if name == "qingyu_ai_administration_total" and (labels := dict(pairs))
    }
    assert counts == {
        ("put", "200"): 1,
        ("put", "400"): 1,
        ("put", "401"): 1,
        ("list", "200"): 1,
        ("remove", "200"): 1,
        ("other", "404"): 2,
    }
    assert 'qingyu_ai_administration_duration_seconds_count{operation="put"} 3.0' in text


@pytest.mark.parametrize(
    ("accept", "told"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text; version=1.0.0; "),
        ("application/openmetrics-text; version=x", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain; version=1.x.ÿ", "text/plain; version=0.0.4; charset=utf-8"),
        (";;=,=;,application/openmetrics-text; version", "application/openmetrics-text; version=1.0.0; "),
    ],
)
def test_a_scraper_is_answered_whatever_it_accepts(accept: str, told: str) -> None:
    metrics = Metrics()
    metrics.administered("put", 200, 0.1)
    body, content_type = metrics.exposition(accept)
    assert content_type.startswith(told)
    assert b'qingyu_ai_administration_total{operation="put",status="200"} 1.0' in body


def test_models_of_which_there_are_too_many_are_one() -> None:
    metrics = Metrics()
    metrics.began(CallRecord(), "X")
    assert b"calls_under_way 1.0" in metrics.exposition("")[0]
    for number in range(1000):
        metrics.ended(CallRecord(provider="openai", model=f"m{number}", prompt_tokens=1), "X", "ok", "")
    told = samples(metrics.exposition("")[0].decode())
    models = {dict(labels)["model"] for name, labels in told if name == "qingyu_ai_tokens_total"}
    assert len(models) == 51
    assert told[("qingyu_ai_tokens_total", (("kind", "prompt"), ("model", "other"), ("provider", "openai")))] == 950


def test_without_the_setting_there_are_no_metrics_and_nothing_of_them_is_imported() -> None:
    with running() as service:
        with pytest.raises(urllib.error.HTTPError, match="404"):
            scrape(f"{service.http_url}/metrics")
    unwanted = "prometheus_client", "opentelemetry.sdk", "redis", "grpc"
    asked = f"import sys, qingyu_ai.server; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """An OTLP collector: its address, and what it was sent."""
    sent: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/traces"
            sent.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        server.server_close()


async def test_a_collector_gets_a_span_for_the_call_and_one_for_the_model_in_the_callers_trace() -> None:
    with collector() as (url, sent), provider(openai_says("ANSWER"), fails(429)) as model:
        settings = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{model.url}/v1"}
        with running(OTEL_EXPORTER_OTLP_ENDPOINT=url, **settings) as service:
            async with service.client() as client:
                headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "x-qingyu-tenant": "t1", "x-request-id": "r1"}
                await client.generate_content(GenerateContentRequest(prompt="PROMPT"), headers=headers)
                with pytest.raises(ConnectError):
                    await client.generate_content(GenerateContentRequest(prompt="PROMPT"))
        # The process's end sends what was not sent.
    resources = [each for request in sent for each in request.resource_spans]
    assert {item.value.string_value for each in resources for item in each.resource.attributes} >= {"qingyu-ai"}
    spans: list[Any] = [span for each in resources for scope in each.scope_spans for span in scope.spans]
    continued = [span for span in spans if span.trace_id.hex() == TRACE]
    call = next(span for span in continued if span.name == "qingyu.ai.AIService/GenerateContent")
    asked = next(span for span in continued if span.name == "chat openai")
    assert (call.parent_span_id.hex(), asked.parent_span_id) == (SPAN, call.span_id)
    assert call.start_time_unix_nano <= asked.start_time_unix_nano <= asked.end_time_unix_nano
    told = {each.key: each.value.string_value or each.value.int_value for each in call.attributes}
    told.pop("qingyu.first_token_ms")
    assert told == {
        "rpc.service": "qingyu.ai.AIService",
        "rpc.method": "GenerateContent",
        "rpc.response.status_code": "ok",
        "qingyu.tenant": "t1",
        "qingyu.request_id": "r1",
        "gen_ai.response.model": "the-model",
        "gen_ai.provider.name": "openai",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
    }
    failed = next(span for span in spans if span.trace_id.hex() != TRACE and span.name.endswith("GenerateContent"))
    assert (call.status.code, failed.status.code) == (0, 2)
    assert not any(word in str(sent) for word in ("PROMPT", "ANSWER", "SECRET"))


async def test_a_collector_that_is_gone_harms_no_call_and_no_end() -> None:
    with running(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as service:
        async with service.client() as client:
            assert (await client.generate_content(GenerateContentRequest(prompt="x"))).content
        service.process.terminate()
        assert service.wait() == 0


async def test_a_provider_that_is_called_is_not_asked_for_its_models() -> None:
    with provider(openai_says("x")) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
            async with service.client() as client:
                await client.generate_content(GenerateContentRequest(prompt="x"))
                for _ in range(3):
                    assert (await client.health_check(HealthCheckRequest())).status == "healthy"
    assert len(model.bodies) == 1


class Clock:
    """A part that says what it is told to, and the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.asked, self.error = 1000.0, 0, Exception
        self.fails = False
        monkeypatch.setattr("qingyu_ai.health.time.monotonic", lambda: self.now_s)

    async def check(self) -> None:
        self.asked += 1
        if self.fails:
            raise ConnectionError

    def after(self, seconds: float) -> None:
        self.now_s += seconds


async def test_a_part_that_works_is_left_alone_and_one_that_does_not_is_asked_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    part = Part(clock.check, 60)
    health = Health({"openai": part}, needed="openai")

    async def told() -> tuple[str, int]:
        return (await health.report()).status, clock.asked

    assert await told() == ("healthy", 1)
    clock.after(59)
    assert await told() == ("healthy", 1)
    clock.fails = True
    clock.after(2)
    assert await told() == ("unhealthy", 2)
    clock.after(4)
    assert await told() == ("unhealthy", 2)
    clock.after(2)
    assert await told() == ("unhealthy", 3)
    part.worked()
    assert await told() == ("healthy", 3)
    part.failed(ServiceError(Reason.INVALID_REQUEST, "the caller's"))
    assert await told() == ("healthy", 3)
    part.failed(ServiceError(Reason.MODEL_CREDENTIAL, "the provider's"))
    assert await told() == ("unhealthy", 4)


async def test_an_embedder_that_fails_degrades() -> None:
    def embeds(handler: Any) -> None:  # noqa: ANN401
        handler.send(200, "application/json", b'{"object":"list","data":[],"model":"m"}')

    with provider(embeds) as model:
        settings = {"EMBEDDING_PROVIDER": "openai", "EMBEDDING_MODEL_NAME": "m", "EMBEDDING_API_KEY": "k"}
        with running(EMBEDDING_BASE_URL=f"{model.url}/v1", DEFAULT_LLM_PROVIDER="embedded", **settings) as service:
            async with service.client() as client:
                health = await client.health_check(HealthCheckRequest())
                assert (health.status, health.checks["embeddings"]) == ("degraded", "error")
                await asyncio.gather(*(client.health_check(HealthCheckRequest()) for _ in range(10)))
    assert len(model.bodies) == 1


async def test_an_embedder_that_was_called_is_not_asked_how_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    part = Part(clock.check, 60)
    await ObservedEmbedder(EmbeddedEmbedder(takes_every_name=True), part).embed(["x"])
    assert (await part.is_ok(), clock.asked) == (True, 0)
