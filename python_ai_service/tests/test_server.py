import asyncio
import gzip
import http.client
import json
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType
from grpc import aio

from qingyu_ai.gen.qingyu.ai.ai_service_connect import AIServiceClient
from qingyu_ai.gen.qingyu.ai.ai_service_pb import GenerateContentRequest, HealthCheckRequest
from qingyu_ai.http_api import http_api
from qingyu_ai.server import _ask
from qingyu_ai.serving.door import Door
from qingyu_ai.serving.http_server import HttpServer
from qingyu_ai.serving.ports import listen
from qingyu_ai.serving.stopping import Stop
from tests.providers import openai_says, provider, silent
from tests.running import Running, free_port, running, starting

pytestmark = pytest.mark.anyio
DRAIN_S = 2


def get(url: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(url) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def accepts(port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


async def until(is_so: Callable[[], bool]) -> None:
    def wait() -> None:
        while not is_so():
            pass

    await asyncio.wait_for(asyncio.to_thread(wait), 10)


@pytest.mark.parametrize("setting", ["SERVICE_PORT", "GRPC_PORT", "PLAIN_GRPC_PORT"])
@pytest.mark.parametrize("is_listening", [True, False])
def test_a_taken_port_ends_the_process_with_one_line_and_nothing_listens(setting: str, is_listening: bool) -> None:
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", 0))
        if is_listening:
            taker.listen()
        port = str(taker.getsockname()[1])
        with starting(**{"PLAIN_GRPC_PORT": str(free_port()), setting: port}) as service:
            assert service.wait() == 1
            assert len(service.lines) == 1
            assert service.lines[0].startswith(f"Port {port} ({setting}) of 127.0.0.1 ")
            ports = [service.settings[name] for name in ("SERVICE_PORT", "GRPC_PORT", "PLAIN_GRPC_PORT")]
            assert not any(accepts(other) for other in ports if other != port)


def test_health_is_told_in_the_platforms_shape() -> None:
    with running() as service:
        checks = {"rpc": "ok", "embedded": "ok", "embeddings": "ok", "knowledge": "ok"}
        assert get(f"{service.http_url}/api/v1/health") == (200, {"status": "healthy", "checks": checks})
        assert get(f"{service.http_url}/api/v1/health/ready") == (
            200,
            {"ready": True, "status": "healthy", "checks": checks},
        )
        assert get(f"{service.http_url}/api/v1/health/live") == (200, {"status": "alive"})


async def test_it_is_not_ready_where_the_rpc_port_does_not_answer() -> None:
    async with AIServiceClient(f"http://127.0.0.1:{free_port()}") as client:
        app = http_api(lambda: _ask(client), _nobody, Stop())
        sent: list[dict[str, object]] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: object) -> None:
            assert isinstance(message, dict)
            sent.append(message)

        for path, status in (("/api/v1/health/ready", 503), ("/api/v1/health", 200), ("/api/v1/health/live", 200)):
            sent.clear()
            scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
            await app(scope, receive, send)
            assert sent[0]["status"] == status
            if path != "/api/v1/health/live":
                assert b'"unhealthy"' in bytes(sent[1]["body"])  # type: ignore[call-overload]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_what_is_under_way_ends_before_the_process_does(stop: signal.Signals) -> None:
    with running() as service:
        async with service.client() as client:
            text = ""
            async for chunk in client.stream_generate_content(GenerateContentRequest(prompt="雨")):
                if not text:
                    service.process.send_signal(stop)
                text += chunk.delta
                finish = chunk.finish_reason
            assert finish == "stop"
            assert len(text) > 50
        assert service.wait() == 0
        assert '"stopped"' in service.log
        assert not accepts(service.settings["GRPC_PORT"])


async def test_what_does_not_end_is_ended_after_drain_seconds_and_told_why() -> None:
    settings = {"OPENAI_API_KEY": "k", "DRAIN_SECONDS": str(DRAIN_S)}
    with provider(silent) as model, running(OPENAI_BASE_URL=f"{model.url}/v1", **settings) as service:
        async with service.client() as client:
            started = time.monotonic()
            call = asyncio.create_task(client.generate_content(GenerateContentRequest(prompt="x")))
            assert await asyncio.to_thread(model.asked.wait, 5)
            service.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectError, match="service_unavailable: The service stops") as raised:
                await call
            assert raised.value.code == Code.UNAVAILABLE
        assert service.wait() == 0
        assert DRAIN_S < time.monotonic() - started < DRAIN_S + 6
        assert model.left.wait(1)
        assert not [line for line in service.lines if "Exception" in line]


@pytest.mark.parametrize("is_stream", [False, True])
async def test_what_is_ended_is_no_failure_of_the_server(is_stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    asked = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 (ASGI's)
        begins = {"type": "http.response.start", "status": 200, "headers": []}
        if is_stream:
            await send(begins)
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            if is_stream:
                await send({"type": "http.response.body", "body": b"the end"})

    stop = Stop()
    with listen("127.0.0.1", free_port(), "X") as listening:
        server = HttpServer(Door(endless, stop), listening, stop, drain_s=60, connections=10)
        serving = asyncio.create_task(server.run_until_stopped())
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await asked.wait()
        stop.ask()
        stop.ask()
        server.should_exit = True
        answer = await reader.read()
        writer.close()
        await serving
    assert answer.startswith(b"HTTP/1.1 200 " if is_stream else b"HTTP/1.1 503 ")
    assert (b"the end" in answer) == is_stream
    assert b"connection: close" in answer.lower() or is_stream
    assert not caplog.records


@pytest.mark.parametrize("is_plain", [False, True])
async def test_a_second_signal_ends_what_is_under_way_at_once(is_plain: bool) -> None:
    settings = {"PLAIN_GRPC_PORT": str(free_port()), "DRAIN_SECONDS": "60"}
    with provider(silent) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1", **settings) as service:
            address = f"127.0.0.1:{settings['PLAIN_GRPC_PORT']}"
            async with service.client() as client, aio.insecure_channel(address) as channel:
                request = GenerateContentRequest(prompt="x")
                plain: Any = channel.unary_unary("/qingyu.ai.AIService/GenerateContent")
                asked = plain(request.to_binary()) if is_plain else client.generate_content(request)
                call = asyncio.ensure_future(asked)
                assert await asyncio.to_thread(model.asked.wait, 5)
                service.process.terminate()
                await until(lambda: get(f"{service.http_url}/api/v1/health/ready")[0] == 503)
                service.process.terminate()
                with pytest.raises((ConnectError, aio.AioRpcError)):
                    await call
            assert await asyncio.to_thread(service.wait) == 0
            assert model.left.wait(1)


async def test_while_it_drains_it_is_alive_and_not_ready_and_nobody_new_is_let_in() -> None:
    with provider(silent, openai_says("x")) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1", DRAIN_SECONDS="60") as service:
            async with service.client() as client:
                assert get(f"{service.http_url}/api/v1/health/ready")[0] == 200
                model.asked.clear()
                model.answers[:] = [silent]
                call = asyncio.create_task(client.generate_content(GenerateContentRequest(prompt="x")))
                assert await asyncio.to_thread(model.asked.wait, 5)
                service.process.terminate()
                await until(lambda: not accepts(service.settings["GRPC_PORT"]))
                checks = {"rpc": "error"}
                assert get(f"{service.http_url}/api/v1/health/ready") == (
                    503,
                    {"ready": False, "status": "stopping", "checks": checks},
                )
                assert get(f"{service.http_url}/api/v1/health/live") == (200, {"status": "alive"})
                call.cancel()
                with pytest.raises(ConnectError):
                    await call


def test_a_kept_connection_is_closed_after_its_call_once_the_service_drains() -> None:
    """Of the HTTP port, which answers until the end."""
    with provider(silent) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1", DRAIN_SECONDS="60") as service:
            threading.Thread(target=post, args=(service, b'{"prompt":"x"}'), daemon=True).start()
            assert model.asked.wait(5)
            service.process.terminate()
            kept = http.client.HTTPConnection("127.0.0.1", int(service.settings["SERVICE_PORT"]))
            status = 0
            while status != 503:
                kept.request("GET", "/api/v1/health/ready")
                answer = kept.getresponse()
                status, closes = answer.status, answer.getheader("connection")
                answer.read()
            assert closes == "close"
            service.process.terminate()


async def test_a_server_that_ends_by_itself_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = HttpServer(_nobody, listening, Stop(), drain_s=1, connections=1)
        server.should_exit = True
        with pytest.raises(RuntimeError, match="ended by itself"):
            await server.run_until_stopped()


async def _nobody(_scope: object, _receive: object, _send: object) -> None:
    raise NotImplementedError


def post(service: Running, body: bytes, content_type: str = "application/json", **headers: str) -> tuple[int, str]:
    url = f"{service.url}/qingyu.ai.AIService/GenerateContent"
    asked = urllib.request.Request(url, body, {"content-type": content_type, **headers})  # noqa: S310
    try:
        with urllib.request.urlopen(asked) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON"),
        (b'{"prompt":"\xff"}', "not UTF-8"),
        (b'{"prompt":"\\ud800"}', "half a surrogate pair"),
        (b'{"prompt":1}', "GenerateContentRequest.prompt"),
        (b'{"messages":["SECRET"]}', "cannot decode ChatMessage"),
        (b'{"messages":' + b"[" * 40_000 + b"]" * 40_000 + b"}", "nested too deeply"),
        (b'{"options":' * 19_000 + b"}" * 19_000, "nested too deeply"),
        (b'{"messages":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "there are more than"),
        (b'{"unknown":' + b"[" * 40_000 + b"]" * 40_000 + b"}", "nested too deeply"),
        (b'{"prompt":"' + b"x" * 17_000_000 + b'"}', "larger"),
    ],
)
def test_a_body_that_is_no_message_is_refused_and_harms_nobody(body: bytes, says: str, service: Running) -> None:
    status, answer = post(service, body)
    assert status in (400, 429)
    assert says in answer
    assert "SECRET" not in answer
    assert post(service, b'{"prompt":"x","options":{"maxTokens":1}}')[0] == 200


def test_a_small_body_that_becomes_a_large_one_is_refused(service: Running) -> None:
    bomb = gzip.compress(b'{"prompt":"' + b"x" * 200_000_000 + b'"}')
    status, answer = post(service, bomb, **{"content-encoding": "gzip"})
    assert (status, "larger" in answer) == (429, True)


def test_nested_groups_in_binary_are_refused(service: Running) -> None:
    assert post(service, b"\x9b\x06" * 1_000_000, "application/proto")[0] == 400
    assert post(service, b'{"prompt":"x","options":{"maxTokens":1}}')[0] == 200


async def test_outside_development_only_the_token_opens() -> None:
    by_name = {"DEFAULT_LLM_PROVIDER": "embedded", "EMBEDDING_PROVIDER": "embedded"}
    with running(ENVIRONMENT="production", PYTHON_AI_TOKEN="right", **by_name) as service:
        async with service.client(ProtocolType.GRPC_WEB) as client:
            request = GenerateContentRequest(prompt="x")
            for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "right"}):
                with pytest.raises(ConnectError, match="unauthenticated: The bearer token is wrong"):
                    await client.generate_content(request, headers=headers)
            answer = await client.generate_content(request, headers={"authorization": "Bearer right"})
            assert answer.content
            assert (await client.health_check(HealthCheckRequest())).status == "healthy"
        assert "right" not in service.log
