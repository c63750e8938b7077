"""What callers without a token, or with bad manners, can do to others."""

import asyncio
import gzip
import http.client
import json
import resource
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType
from grpc import aio

from qingyu_ai.embedding.embedded import EmbeddedEmbedder
from qingyu_ai.gen.qingyu.ai.ai_service_connect import AIService, AIServiceClient
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    EmbedRequest,
    GenerateContentChunk,
    GenerateContentRequest,
    GenerateContentResponse,
    HealthCheckRequest,
    HealthCheckResponse,
)
from qingyu_ai.health import Report
from qingyu_ai.http_api import http_api
from qingyu_ai.indexing.wire import PATH
from qingyu_ai.knowledge.knowledge import Knowledge
from qingyu_ai.knowledge.local_store import LocalStore
from qingyu_ai.knowledge_api import knowledge_api
from qingyu_ai.rpc.guard import Context, Guard
from qingyu_ai.server import _rpc
from qingyu_ai.serving.door import Door
from qingyu_ai.serving.http_server import _KEEP_ALIVE_S, HttpServer
from qingyu_ai.serving.ports import connections_per_port, listen
from qingyu_ai.serving.stopping import Stop
from tests.running import Running, channel_to, free_port, running

pytestmark = pytest.mark.anyio
GENERATE = "/qingyu.ai.AIService/GenerateContent"
EMBED = "/qingyu.ai.AIService/EmbedText"
EMBEDDED = b'{"texts":["x"]}'
HEALTH = "/qingyu.ai.AIService/HealthCheck"
ASKED = {"content-type": "application/json"}
SHORT = b'{"prompt":"x","options":{"maxTokens":1}}'


def at_most(descriptors: int, *, hard: bool) -> list[str]:
    """Starts a process that may have no more descriptors, or none until it asks for more."""
    return ["sh", "-c", f'ulimit {"" if hard else "-S"} -n {descriptors}; exec "$0" "$@"']


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """For the test's own end of many connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def kept(port: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)


def ask(connection: http.client.HTTPConnection, path: str = GENERATE, body: bytes = SHORT, **headers: str) -> Any:  # noqa: ANN401
    """The answer's status and JSON."""
    connection.request(
        "POST", path, body, {**ASKED, **{name.replace("_", "-"): said for name, said in headers.items()}}
    )
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"{}")


def test_a_kept_connection_waits_for_no_acknowledgement(service: Running) -> None:
    """Without TCP_NODELAY each call after the first few takes the 40 ms of a delayed acknowledgement."""
    connection = kept(service.settings["GRPC_PORT"])
    assert ask(connection, EMBED, EMBEDDED)[0] == 200
    started = time.monotonic()
    for _ in range(100):
        assert ask(connection, EMBED, EMBEDDED)[0] == 200
    assert time.monotonic() - started < 100 * 0.04 / 2


async def test_a_kept_channel_of_plain_grpc_waits_for_no_acknowledgement() -> None:
    with running(PLAIN_GRPC_PORT=str(free_port())) as service:
        async with channel_to(service) as channel:
            embed: Any = channel.unary_unary(EMBED)
            request = EmbedRequest(texts=["x"]).to_binary()
            await embed(request)
            started = time.monotonic()
            for _ in range(100):
                await embed(request)
            assert time.monotonic() - started < 100 * 0.04 / 2


def test_accepted_sockets_send_at_once() -> None:
    with listen("127.0.0.1", free_port(), "X") as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    ("found", "calls", "ports", "expected"),
    [(65_536, 256, 2, 4096), (4096, 256, 3, 1258), (1024, 256, 2, 352), (256, 256, 3, 42), (20, 256, 3, 16)],
)
def test_ports_share_what_calls_leave_of_the_descriptors(found: int, calls: int, ports: int, expected: int) -> None:
    assert connections_per_port(found, calls, ports) == expected


async def generate(channel: aio.Channel, *metadata: tuple[str, str]) -> GenerateContentResponse:
    call: Any = channel.unary_unary(GENERATE, response_deserializer=GenerateContentResponse.from_binary)
    answer: GenerateContentResponse = await call(
        GenerateContentRequest(prompt="x").to_binary(), metadata=metadata, timeout=20, wait_for_ready=True
    )
    return answer


@pytest.mark.parametrize("is_hard", [False, True])
@pytest.mark.usefixtures("many_descriptors")
async def test_two_thousand_silent_connections_harm_nobody(is_hard: bool) -> None:
    with running(at_most(256, hard=is_hard), PLAIN_GRPC_PORT=str(free_port())) as service:
        pid = service.process.pid
        async with service.client() as client, channel_to(service) as channel:
            await client.generate_content(GenerateContentRequest(prompt="x"))
            await generate(channel)
            assert is_ready(service)
            before = open_descriptors(pid)
            with ExitStack() as silent_ones:
                for number in range(2000):
                    port = service.settings["GRPC_PORT" if number % 2 else "SERVICE_PORT"]
                    silent_ones.enter_context(socket.create_connection(("127.0.0.1", int(port)), timeout=5))
                assert ask(kept(service.settings["GRPC_PORT"]))[0] == 200
                assert ask(kept(service.settings["GRPC_PORT"]), HEALTH, b"{}")[1]["status"] == "healthy"
                assert is_ready(service)
                assert (await client.generate_content(GenerateContentRequest(prompt="x"))).content
                assert (await generate(channel)).content
                assert is_hard == (open_descriptors(pid) < 256)
            await settled(lambda: open_descriptors(pid) <= before + 5)
            assert (await client.generate_content(GenerateContentRequest(prompt="x"))).content
    assert len(service.lines) < 30


def is_ready(service: Running) -> bool:
    connection = kept(service.settings["SERVICE_PORT"])
    connection.request("GET", "/api/v1/health/ready")
    return connection.getresponse().status == 200


def open_descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def settled(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 (of another process)
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("many_descriptors")
async def test_silent_connections_to_plain_grpc_leave_the_other_ports_alone_and_are_cut() -> None:
    with running(at_most(256, hard=True), PLAIN_GRPC_PORT=str(free_port())) as service:
        before = open_descriptors(service.process.pid)
        with ExitStack() as silent_ones:
            for _ in range(1000):
                address = ("127.0.0.1", int(service.settings["PLAIN_GRPC_PORT"]))
                silent_ones.enter_context(socket.create_connection(address, timeout=5))
            assert ask(kept(service.settings["GRPC_PORT"]))[0] == 200
            assert open_descriptors(service.process.pid) < before + 60
            async with channel_to(service) as channel:
                assert (await generate(channel)).content
            await settled(lambda: open_descriptors(service.process.pid) <= before + 5)
    assert len([json.loads(line) for line in service.lines]) < 30


def test_a_caller_who_has_asked_outlasts_those_who_have_not() -> None:
    """A kept connection is closed for others only where nobody is silent."""
    with running(at_most(100, hard=True)) as service:
        port = int(service.settings["GRPC_PORT"])
        connection = kept(str(port))
        assert ask(connection)[0] == 200
        own = connection.sock
        for _ in range(200):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        with ExitStack() as silent_ones:
            for _ in range(60):
                silent_ones.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            assert ask(connection)[0] == 200
            assert connection.sock is own


class Echo(AIService):
    """Answers at once, or when it is told to; large where the prompt says so."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.under_way = 0
        self.left = asyncio.Event()

    async def generate_content(self, request: GenerateContentRequest, ctx: Context) -> GenerateContentResponse:
        self.under_way += 1
        await self.may_answer.wait()
        return GenerateContentResponse(content="x" * (50_000_000 if request.prompt == "large" else 1))

    async def stream_generate_content(
        self, request: GenerateContentRequest, ctx: Context
    ) -> AsyncGenerator[GenerateContentChunk]:
        try:
            while True:
                yield GenerateContentChunk(delta="x" * 10_000)
                await asyncio.sleep(0)
        finally:
            self.left.set()

    async def health_check(self, request: HealthCheckRequest, ctx: Context) -> HealthCheckResponse:
        return HealthCheckResponse(status="healthy")


@asynccontextmanager
async def rpc_port(
    echo: Echo, *, token: str | None = None, max_concurrency: int = 100, connections: int = 100
) -> AsyncIterator[int]:
    """The RPC port's server in this process, so that its deadlines can be made short."""
    stop = Stop()
    async with port_of(_rpc(echo, Guard(token, max_concurrency, stop), stop), stop, connections) as port:
        yield port


@asynccontextmanager
async def port_of(door: Door, stop: Stop, connections: int = 100) -> AsyncIterator[int]:
    with listen("127.0.0.1", free_port(), "X") as listening:
        server = HttpServer(door, listening, stop, drain_s=1, connections=connections)
        port: int = listening.getsockname()[1]
        running_ = asyncio.create_task(server.run_until_stopped())
        try:
            yield port
        finally:
            stop.ask()
            server.should_exit = True
            await running_


async def said(port: int, *pieces: bytes) -> bytes:
    """What comes back, until the other side closes, to pieces that are sent one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def head(length: int, path: str = GENERATE, *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", "content-type: application/json", f"content-length: {length}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("sent", [b"", b"POST /", head(2)[:-2]])
async def test_who_sends_no_headers_in_time_is_cut(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qingyu_ai.serving.connections.HEADERS_S", 0.2)
    async with rpc_port(Echo()) as port:
        assert await said(port, sent) == b""


async def test_the_deadline_for_headers_holds_for_a_second_request_too_and_not_for_a_quiet_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qingyu_ai.serving.connections.HEADERS_S", 0.2)
    async with rpc_port(Echo()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(head(2) + b"{}")
            assert b"200 OK" in await reader.readuntil(b"\r\n0\r\n\r\n")
            await asyncio.sleep(0.4)
        writer.write(b"POST")
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


async def test_a_quiet_connection_is_kept_for_longer_than_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _KEEP_ALIVE_S > 60
    monkeypatch.setattr("qingyu_ai.serving.http_server._KEEP_ALIVE_S", 0.2)
    async with rpc_port(Echo()) as port:
        assert b"200 OK" in await said(port, head(2) + b"{}")


async def test_a_body_that_does_not_come_in_time_is_refused_and_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qingyu_ai.serving.door.BODY_S", 0.2)
    monkeypatch.setattr("qingyu_ai.serving.connections._LINGER_S", 0.2)
    async with rpc_port(Echo()) as port:
        answer = await said(port, head(100) + b"{")
        assert b"429" in answer.splitlines()[0]
        assert b"did not come within" in answer


async def test_a_body_of_the_administration_that_does_not_come_in_time_is_refused_and_cut(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("qingyu_ai.serving.door.BODY_S", 0.2)
    monkeypatch.setattr("qingyu_ai.serving.connections._LINGER_S", 0.2)
    stop = Stop()
    knowledge = Knowledge(LocalStore(tmp_path / "k", "embedded"), EmbeddedEmbedder(), 5)

    async def nobody() -> Report:
        raise ConnectionError

    async with port_of(Door(http_api(nobody, knowledge_api(knowledge, None, "a"), stop), stop), stop) as port:
        answer = await said(port, head(100, f"{PATH}/documents") + b"{")
        assert b"408" in answer.splitlines()[0]
        message = "body: The request's body did not come within 0 s."
        assert json.loads(answer.splitlines()[-1]) == {"error": {"code": "invalid_request", "message": message}}


async def test_who_reads_nothing_of_his_answer_is_cut_and_the_work_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qingyu_ai.serving.connections._UNREAD_S", 0.2)
    echo = Echo()
    async with rpc_port(echo) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        body = b"\x00\x00\x00\x00\x02{}"
        stream = head(len(body), GENERATE.replace("Generate", "StreamGenerate")).replace(b"/json", b"/connect+json")
        writer.write(stream + body)
        async with asyncio.timeout(10):
            await echo.left.wait()
        writer.close()


async def test_a_body_is_not_read_before_the_token_was_seen() -> None:
    async with rpc_port(Echo(), token="t") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head(16_000_000))
        assert b"401" in await reader.readline()
        writer.close()


async def test_healthcheck_takes_no_large_body() -> None:
    async with rpc_port(Echo(), token="t") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head(16_000_000, HEALTH) + b" " * 5000)
        assert b"429" in await reader.readline()
        assert b"larger than 4096 bytes" in await reader.readuntil(b"bytes")
        writer.close()
        assert b'{"status":"healthy"}' in await said(port, head(2, HEALTH, "connection: close") + b"{}")


async def test_more_calls_than_may_be_at_once_are_refused_quickly_and_healthcheck_is_not() -> None:
    echo = Echo()
    echo.may_answer.clear()
    async with rpc_port(echo, max_concurrency=2) as port:
        url = f"http://127.0.0.1:{port}"
        async with AIServiceClient(url) as client, AIServiceClient(url, protocol=ProtocolType.GRPC_WEB) as web:
            calls = [asyncio.create_task(client.generate_content(GenerateContentRequest())) for _ in range(2)]
            async with asyncio.timeout(10):
                while echo.under_way < 2:  # noqa: ASYNC110 (counted by others)
                    await asyncio.sleep(0.01)
            for asking in (client, web):
                with pytest.raises(ConnectError, match="service_unavailable: ") as raised:
                    await asking.generate_content(GenerateContentRequest())
                assert raised.value.code == Code.UNAVAILABLE
                assert (await asking.health_check(HealthCheckRequest())).status == "healthy"
            refused = await said(port, head(2, GENERATE, "connection: close") + b"{}")
            assert b"retry-after: 1\r\n" in refused
            echo.may_answer.set()
            await asyncio.gather(*calls)
            assert (await web.generate_content(GenerateContentRequest())).content == "x"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-qingyu-tenant": "té"}, 400),
        ({"x-qingyu-tenant": "t" * 65}, 400),
        ({"x-qingyu-tenant": "a b"}, 400),
        ({"x-request-id": "é" * 200, "traceparent": "ÿþ", "x-anything": "ÿ\x80"}, 200),
        ({"connect-timeout-ms": "soon"}, 400),
        ({"connect-timeout-ms": "-1"}, 400),
        ({"connect-timeout-ms": "²"}, 400),
        ({"connect-timeout-ms": "99999999999999999999"}, 400),
        ({"connect-timeout-ms": "9999999999"}, 200),
        ({"connect-protocol-version": "é"}, 400),
        ({"content-encoding": "é"}, 501),
        ({"accept-encoding": "é, ;;q"}, 200),
        ({"content-type": "application/é"}, 415),
        ({"content-type": "application/grpc+proto"}, 415),
        ({"content-type": "application/grpc-web+é"}, 415),
        ({"content-type": ""}, 415),
        ({"content-length": "-1"}, 400),
        ({"content-length": "x"}, 400),
        ({"host": "é"}, 200),
        ({"transfer-encoding": "x"}, 400),
        ({"upgrade": "websocket", "connection": "upgrade, close"}, 200),
        ({"expect": "nonsense"}, 200),
    ],
)
async def test_bad_headers_are_refused_or_ignored_and_never_an_exception(
    headers: dict[str, str], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with rpc_port(Echo()) as port:
        told = {
            "host": "x",
            "content-type": "application/json",
            "content-length": "2",
            "connection": "close",
            **headers,
        }
        request = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        answer = await said(port, f"POST {GENERATE} HTTP/1.1\r\n{request}\r\n{{}}".encode("latin-1"))
        assert int(answer.split(b" ")[1]) == status
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("twice", ["content-type: application/proto", "authorization: x", "x-qingyu-tenant: other"])
async def test_a_header_that_comes_twice_is_no_exception(twice: str, caplog: pytest.LogCaptureFixture) -> None:
    async with rpc_port(Echo()) as port:
        answer = await said(port, head(2, GENERATE, "x-qingyu-tenant: one", twice, "connection: close") + b"{}")
        assert int(answer.split(b" ")[1]) == (400 if "tenant" in twice else 200)
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("given", ["soon", "-1S", "999999999S", "1", "", "é", "1X"])
async def test_a_bad_grpc_timeout_is_refused(given: str, caplog: pytest.LogCaptureFixture) -> None:
    async with rpc_port(Echo()) as port:
        body = b"\x00\x00\x00\x00\x00"
        request = head(5, GENERATE, f"grpc-timeout: {given}", "connection: close")
        request = request.replace(b"/json", b"/grpc-web+proto")
        answer = await said(port, request + body)
        assert b"grpc-status: 3" in answer
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("is_answered_before", [True, False])
async def test_a_body_that_cannot_be_read_is_no_exception(
    is_answered_before: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with rpc_port(Echo(), token="t") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        chunked = head(0).replace(b"content-length: 0", b"transfer-encoding: chunked")
        writer.write(chunked if is_answered_before else chunked + b"no number\r\n")
        answer = b""
        if is_answered_before:
            answer = await reader.readuntil(b"is wrong.")
            writer.write(b"no number\r\n")
        async with asyncio.timeout(10):
            answer += await reader.read()
        writer.close()
        assert int(answer.split(b" ")[1]) == (401 if is_answered_before else 400)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"401" in await said(port, head(2, GENERATE, "connection: close") + b"{}")
    assert not [record for record in caplog.records if record.exc_info]


async def test_many_members_of_gzip_are_not_unpacked() -> None:
    """connectrpc's own gzip copies the rest for each member: 16 MiB of empty ones take it hours."""
    async with rpc_port(Echo()) as port:
        for bomb, says in (
            (gzip.compress(b"{}") * 2, b"not one whole member"),
            (gzip.compress(b"") * 800_000, b"not one whole member"),
            (gzip.compress(b"{}")[:-1], b"not one whole member"),
            (b"{}", b"decompress"),
            (gzip.compress(b" " * 16 * 1024 * 1024 + b"{}"), b"larger than"),
        ):
            answer = await said(port, head(len(bomb), GENERATE, "content-encoding: gzip", "connection: close") + bomb)
            assert says in answer
        whole = gzip.compress(b'{"prompt":"x"}')
        asked = head(len(whole), GENERATE, "content-encoding: gzip", "accept-encoding: gzip", "connection: close")
        assert gzip.compress(b"")[:3] in await said(port, asked + whole)
