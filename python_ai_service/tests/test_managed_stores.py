"""Stores that ask who is there: what Redis, Milvus and an embedding service of one's own are shown."""

import base64
import json
import socket
import socketserver
import ssl
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import grpc
import pytest
import trustme
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

from qingyu_ai.gen.qingyu.ai.ai_service_pb import EmbedRequest, GenerateContentRequest, HealthCheckRequest
from tests.providers import Handler, openai_says, provider
from tests.running import free_port, running

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Certificate:
    """Of `localhost`, in the files of its authority, of itself and of its key."""

    authority: Path
    chain: Path
    key: Path


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    authority = trustme.CA()
    of_localhost = authority.issue_cert("localhost")
    made = Certificate(*(tmp_path / name for name in ("ca.pem", "chain.pem", "key.pem")))
    authority.cert_pem.write_to_path(made.authority)
    of_localhost.cert_chain_pems[0].write_to_path(made.chain)
    of_localhost.private_key_pem.write_to_path(made.key)
    return made


class _Redis(socketserver.ThreadingTCPServer):
    """As much of Redis as a cache asks for; keeps nothing but what it was told."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", port), _RedisCommands)
        self.tls = tls
        self.commands: list[list[str]] = []

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        # The handshake comes with the first read, in the connection's own thread.
        wrapped = (
            self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) if self.tls else None
        )
        return wrapped or connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that does not trust the certificate leaves."""


class _RedisCommands(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while head := self.rfile.readline():
            command = [self._word() for _ in range(int(head[1:]))]
            self.server.commands.append(command)  # type: ignore[attr-defined]
            self.wfile.write(self._answer(command))

    def _word(self) -> str:
        length = int(self.rfile.readline()[1:])
        return self.rfile.read(length + 2)[:-2].decode("latin-1")

    def _answer(self, command: list[str]) -> bytes:
        if command[0] == "HELLO":
            return b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n"
        if command[0] == "MGET":
            return b"*%d\r\n" % (len(command) - 1) + b"_\r\n" * (len(command) - 1)
        return b"+PONG\r\n" if command[0] == "PING" else b"+OK\r\n"


@contextmanager
def redis_server(certificate: Certificate | None = None) -> Iterator[_Redis]:
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate.chain, certificate.key)
    server = _Redis(free_port(), tls)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def shown(server: _Redis) -> list[list[str]]:
    """What each connection said of who it is, each thing once."""
    asked = [command[2:] if command[0] == "HELLO" else command for command in server.commands]
    return [list(each) for each in dict.fromkeys(tuple(c) for c in asked if c and c[0] in ("AUTH", "SELECT"))]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, []),
        ({"REDIS_PASSWORD": "pä ss"}, [["AUTH", "default", "pä ss"]]),
        (
            {"REDIS_USERNAME": "writer", "REDIS_PASSWORD": "word", "REDIS_DB": "3"},
            [["AUTH", "writer", "word"], ["SELECT", "3"]],
        ),
    ],
)
async def test_redis_is_told_user_password_and_database(settings: dict[str, str], expected: list[list[str]]) -> None:
    with redis_server() as redis:
        port = str(redis.server_address[1])
        with running(REDIS_HOST="127.0.0.1", REDIS_PORT=port, **settings) as service:
            async with service.client() as client:
                await client.embed_text(EmbedRequest(texts=["天"]))
                assert (await client.health_check(HealthCheckRequest())).checks["redis"] == "ok"
            assert [
                [word.encode("latin-1").decode("utf-8") for word in command] for command in shown(redis)
            ] == expected
            assert {"MGET", "SET"} <= {command[0] for command in redis.commands}
        assert settings.get("REDIS_PASSWORD", "none at all") not in service.log


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_redis_over_tls_is_asked_where_its_certificate_is_trusted(
    is_trusted: bool, certificate: Certificate
) -> None:
    trust = {"SSL_CERT_FILE": str(certificate.authority)} if is_trusted else {}
    with redis_server(certificate) as redis:
        access = {"REDIS_TLS": "true", "REDIS_PASSWORD": "word"}
        port = str(redis.server_address[1])
        with running(REDIS_HOST="localhost", REDIS_PORT=port, **access, **trust) as service:
            async with service.client() as client:
                await client.embed_text(EmbedRequest(texts=["天"]))
                checks = (await client.health_check(HealthCheckRequest())).checks
        assert checks["redis"] == ("ok" if is_trusted else "error")
        assert (["AUTH", "default", "word"] in shown(redis)) is is_trusted


@dataclass
class Milvus:
    """A server that lets everybody in and does nothing; what came with each call."""

    port: int
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)


class _Record(grpc.ServerInterceptor):
    def __init__(self, milvus: Milvus) -> None:
        self._milvus = milvus

    # Its types are those of one method's messages; this is for all of them.
    def intercept_service(  # type: ignore[override]
        self, continuation: Callable[[object], object], details: grpc.HandlerCallDetails
    ) -> object:
        metadata = {key: str(value) for key, value in details.invocation_metadata}
        self._milvus.calls.append((details.method.rpartition("/")[2], metadata))
        return continuation(details)


class _Door(milvus_pb2_grpc.MilvusServiceServicer):  # type: ignore[misc]
    def Connect(self, request: object, context: object) -> object:  # noqa: N802 - gRPC's name
        return milvus_pb2.ConnectResponse(identifier=1)


@contextmanager
def milvus_server(certificate: Certificate | None = None) -> Iterator[Milvus]:
    milvus = Milvus(free_port())
    server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=[_Record(milvus)])
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(_Door(), server)
    if certificate:
        pair = (certificate.key.read_bytes(), certificate.chain.read_bytes())
        server.add_secure_port(f"localhost:{milvus.port}", grpc.ssl_server_credentials([pair]))
    else:
        server.add_insecure_port(f"127.0.0.1:{milvus.port}")
    server.start()
    try:
        yield milvus
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize(
    ("tls", "settings", "token", "database"),
    [
        ("", {}, None, ""),
        ("MILVUS_SECURE", {"MILVUS_USER": "root", "MILVUS_PASSWORD": "päss:word"}, "root:päss:word", ""),
        ("MILVUS_URI", {"MILVUS_TOKEN": "api-key", "MILVUS_DB_NAME": "novels"}, "api-key", "novels"),
    ],
)
async def test_milvus_is_told_who_asks_and_for_which_database(
    tls: str, settings: dict[str, str], token: str | None, database: str, certificate: Certificate
) -> None:
    with milvus_server(certificate if tls else None) as milvus:
        host = {"MILVUS_URI": "", "MILVUS_HOST": "localhost" if tls else "127.0.0.1", "MILVUS_PORT": str(milvus.port)}
        trust = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(certificate.authority)} if tls else {}
        address = {
            "": host,
            "MILVUS_SECURE": host | {"MILVUS_SECURE": "true"},
            "MILVUS_URI": {"MILVUS_URI": f"https://localhost:{milvus.port}"},
        }[tls]
        with running(**address, **settings, **trust) as service:
            async with service.client() as client:
                # It has no answer, but it was asked.
                assert (await client.health_check(HealthCheckRequest())).checks["knowledge"] == "error"
        assert milvus.calls
        expected = token and base64.b64encode(token.encode()).decode()
        assert {metadata.get("authorization") for _, metadata in milvus.calls} == {expected}
        assert {metadata.get("dbname") for name, metadata in milvus.calls if name != "Connect"} == {database}
        assert token is None or not [part for part in token.split(":") if part in service.log]


def embeds(handler: Handler) -> None:
    data = [{"object": "embedding", "index": 0, "embedding": [1.0, 0.5]}]
    handler.send(200, "application/json", json.dumps({"object": "list", "model": "m", "data": data}).encode())


@pytest.mark.parametrize("apart", [True, False])
async def test_the_embedding_service_and_its_key_are_apart_from_the_models(apart: bool) -> None:
    with provider(openai_says("雨")) as model, provider(embeds) as embedding:
        access = {"EMBEDDING_BASE_URL": f"{embedding.url}/e", "EMBEDDING_API_KEY": "embedding-key"} if apart else {}
        with running(
            EMBEDDING_PROVIDER="openai",
            EMBEDDING_MODEL_NAME="the-embedder",
            OPENAI_API_KEY="model-key",
            OPENAI_BASE_URL=f"{model.url}/v1" if apart else f"{embedding.url}/v1",
            **access,
        ) as service:
            async with service.client() as client:
                await client.embed_text(EmbedRequest(texts=["天"]))
                if apart:
                    await client.generate_content(GenerateContentRequest(prompt="x"))
        keys = {"Bearer embedding-key" if apart else "Bearer model-key"}
        assert {headers["authorization"] for headers in embedding.headers} == keys
        if apart:
            assert {headers["authorization"] for headers in model.headers} == {"Bearer model-key"}
        assert not [key for key in ("model-key", "embedding-key") if key in service.log]
