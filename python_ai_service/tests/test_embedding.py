import asyncio
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from fakeredis import TcpFakeServer
from redis import Redis

from qingyu_ai.embedding.embedded import DIMENSION, EmbeddedEmbedder
from qingyu_ai.embedding.openai import OpenAIEmbedder
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.gen.qingyu.ai.ai_service_pb import EmbedRequest, HealthCheckRequest
from qingyu_ai.llm.openai import openai_client
from tests.providers import Handler, Provider, fails, provider
from tests.running import Running, free_port, running, starting

pytestmark = pytest.mark.anyio


def embeds(dimension: int = 3, *, without: int = 0, shuffled: bool = False) -> Callable[[Handler], None]:
    """Vectors whose first number is the text's length; so many of them are left out."""

    def answer(handler: Handler) -> None:

        texts = handler.server.provider.bodies[-1]["input"]  # type: ignore[attr-defined]
        data = [
            {"object": "embedding", "index": index, "embedding": ([float(len(text))] + [0.5] * dimension)[:dimension]}
            for index, text in enumerate(texts)
        ][: len(texts) - without]
        body = {"object": "list", "model": "m", "data": data[::-1] if shuffled else data, "usage": {}}
        handler.send(200, "application/json", json.dumps(body).encode())

    return answer


def gives(vector: str) -> Callable[[Handler], None]:
    items = ",".join(f'{{"object":"embedding","index":{index},"embedding":{vector}}}' for index in range(2))
    return lambda handler: handler.send(200, "application/json", f'{{"data":[{items}]}}'.encode())


async def embed(model: Provider, texts: list[str]) -> list[list[float]]:
    async with openai_client("key", f"{model.url}/v1") as client:
        return await OpenAIEmbedder(client, "the-embedder").embed(texts)


def likeness(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


async def test_without_a_model_texts_that_are_alike_are_neighbours() -> None:
    embedder = EmbeddedEmbedder()
    texts = [
        "老剑客的剑名叫听雨",
        "剑客的剑叫什么名字",
        "今天的股票大跌",
        "The Harbour at dawn",
        "dawn in the harbours",
        "stocks fell",
    ]
    vectors = await embedder.embed(texts)
    assert vectors == await embedder.embed(texts)
    assert {len(vector) for vector in vectors} == {DIMENSION}
    assert likeness(vectors[0], vectors[1]) > likeness(vectors[0], vectors[2]) + 0.1
    assert likeness(vectors[3], vectors[4]) > likeness(vectors[3], vectors[5]) + 0.1
    full_width = await embedder.embed(["ＡＢＣ", "abc"])
    assert full_width[0] == full_width[1]


@pytest.mark.parametrize("text", ["", " ", "！？", "🪶", "a", "\ud800", "x" * 100_000])
async def test_every_text_has_a_vector_of_length_1(text: str) -> None:
    [vector] = await EmbeddedEmbedder().embed([text])
    assert math.isclose(math.hypot(*vector), 1)


async def test_openai_is_asked_in_batches_and_its_order_does_not_matter() -> None:
    with provider(embeds(shuffled=True)) as model:
        vectors = await embed(model, ["x" * length for length in range(1, 151)])
        assert [vector[0] for vector in vectors] == list(range(1, 151))
        assert [len(body["input"]) for body in model.bodies] == [64, 64, 22]
        assert {body["model"] for body in model.bodies} == {"the-embedder"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (embeds(without=1), Reason.MODEL_BAD_ANSWER),
        (embeds(dimension=0), Reason.MODEL_BAD_ANSWER),
        (fails(429), Reason.RATE_LIMITED),
        (fails(401), Reason.MODEL_CREDENTIAL),
        (fails(500), Reason.MODEL_UNAVAILABLE),
        (lambda handler: handler.send(200, "application/json", b"{"), Reason.MODEL_BAD_ANSWER),
        (lambda handler: handler.send(200, "application/json", b"{}"), Reason.MODEL_BAD_ANSWER),
        *((gives(vector), Reason.MODEL_BAD_ANSWER) for vector in ("[NaN]", "[1e39]", "[null]", "1")),
        (gives("[1" + "0" * 5000 + "]"), Reason.MODEL_BAD_ANSWER),
        (fails(400, "context_length_exceeded"), Reason.CONTEXT_LENGTH_EXCEEDED),
        (fails(404), Reason.MODEL_NOT_FOUND),
    ],
)
async def test_a_wrong_answer_never_becomes_vectors(answer: Callable[[Handler], None], reason: Reason) -> None:
    with provider(answer) as model, pytest.raises(ServiceError) as raised:
        await embed(model, ["a", "b"])
    assert raised.value.reason == reason


async def test_the_embedder_is_asked_for_what_was_said() -> None:
    with provider(embeds()) as model:
        await embed(model, ["a"])
        assert model.bodies == [{"model": "the-embedder", "input": ["a"], "encoding_format": "float"}]


@pytest.mark.parametrize(("asked", "is_here"), [("", True), ("embedded", True), ("text-embedding-3-small", False)])
async def test_the_embedded_embedder_stands_in_for_real_models_only_where_it_may(asked: str, is_here: bool) -> None:
    assert await EmbeddedEmbedder(takes_every_name=True).embed(["a"], asked)
    if is_here:
        assert await EmbeddedEmbedder().embed(["a"], asked)
    else:
        with pytest.raises(ServiceError) as raised:
            await EmbeddedEmbedder().embed(["a"], asked)
        assert raised.value.reason == Reason.MODEL_NOT_FOUND


@contextmanager
def redis_server() -> Iterator[Redis]:
    port = free_port()
    server = TcpFakeServer(("127.0.0.1", port), server_type="redis")
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    client = Redis(host="127.0.0.1", port=port)
    try:
        yield client
    finally:
        client.close()
        server.shutdown()
        server.server_close()


async def test_redis_keeps_vectors_by_hash_and_for_a_time() -> None:
    with redis_server() as redis, provider(embeds(4)) as model:
        port = str(redis.connection_pool.connection_kwargs["port"])
        settings = {
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": port,
            "REDIS_KEY_PREFIX": "q:",
            "EMBEDDING_CACHE_TTL": "60",
        }
        with running(
            EMBEDDING_PROVIDER="openai", OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1", **settings
        ) as service:
            async with service.client() as client:
                request = EmbedRequest(texts=["天", "地天", "天"])
                first = await client.embed_text(request)
                assert [list(item.vector) for item in first.embeddings] == [
                    [1, 0.5, 0.5, 0.5],
                    [2, 0.5, 0.5, 0.5],
                    [1, 0.5, 0.5, 0.5],
                ]
                assert {item.dimension for item in first.embeddings} == {4}
                assert model.bodies[-1]["input"] == ["天", "地天"]
                asked = len(model.bodies)
                assert await client.embed_text(request) == first
                assert len(model.bodies) == asked
                # Another model has vectors of its own.
                await client.embed_text(EmbedRequest(texts=["天"], model="other"))
                assert model.bodies[-1] == {**model.bodies[-1], "model": "other", "input": ["天"]}
                keys = [key.decode() for key in redis.keys("*")]  # type: ignore[union-attr]
                assert len(keys) == 3
                assert all(key.startswith("q:embedding:") and len(key) == len("q:embedding:") + 64 for key in keys)
                assert all(0 < int(str(redis.ttl(key))) <= 60 for key in keys)
                # What is not a vector is a miss.
                for key in keys:
                    redis.set(key, b"xyz")
                assert await client.embed_text(request) == first
                assert (await client.health_check(HealthCheckRequest())).checks["redis"] == "ok"


async def test_a_redis_that_is_gone_changes_no_answer() -> None:
    with running(REDIS_HOST="127.0.0.1", REDIS_PORT=str(free_port())) as service:
        async with service.client() as client:
            answer = await client.embed_text(EmbedRequest(texts=["天"]))
            assert answer.embeddings[0].dimension == DIMENSION
            health = await client.health_check(HealthCheckRequest())
            assert (health.status, health.checks["redis"]) == ("degraded", "error")
        service.wait_for("redis read failed")


async def test_a_redis_that_is_silent_costs_little_time() -> None:
    silent = await asyncio.start_server(lambda *_: asyncio.sleep(60), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    with running(REDIS_HOST="127.0.0.1", REDIS_PORT=str(port)) as service:
        async with service.client() as client:
            await client.embed_text(EmbedRequest(texts=["天"]), timeout_ms=3000)
    silent.close()


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (EmbedRequest(), "texts"),
        (EmbedRequest(texts=["x", " "]), r"texts\[1\]"),
        (EmbedRequest(texts=["x"] * 2049), "texts"),
        (EmbedRequest(texts=["x" * 32_769]), r"texts\[0\]"),
    ],
)
async def test_wrong_requests_are_refused_by_the_fields_name(
    request_: EmbedRequest, field: str, service: Running
) -> None:
    async with service.client() as client:
        with pytest.raises(ConnectError, match=f"invalid_request: {field}: ") as raised:
            await client.embed_text(request_)
    assert raised.value.code == Code.INVALID_ARGUMENT


def test_the_local_provider_names_the_extra_that_it_needs() -> None:
    with starting(EMBEDDING_PROVIDER="local") as service:
        assert service.wait() == 1
        assert service.lines == [
            "EMBEDDING_PROVIDER=local needs the extra of that name: pip install sentence-transformers\n"
        ]
