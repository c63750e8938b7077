"""A provider that means harm: what it sends costs little, and leads nowhere."""

import gzip
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest

from qingyu_ai.embedding.openai import OpenAIEmbedder
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.generation import Message, Task, complete
from qingyu_ai.llm.openai import OpenAIModel, openai_client
from tests.providers import Handler, Provider, events, openai_says, provider

pytestmark = pytest.mark.anyio
TASK = Task(messages=(Message("user", "雨"),))
MEGABYTE = b"x" * 2**20
# What one more call may need of memory, above what a process needs that was answered well.
MAX_GROWTH_MB = 24


def endless(status: int, content_type: str, opening: bytes, noise: bytes, **headers: str) -> Callable[[Handler], None]:
    """An answer that goes on until the caller leaves, but 400 MB at most."""

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("content-type", content_type)
        handler.send_header("connection", "close")
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.close_connection = True
        with suppress(OSError):
            handler.wfile.write(opening)
            for _ in range(400 * 2**20 // len(noise)):
                handler.wfile.write(noise)

    return answer


def bomb(size_mb: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(MEGABYTE) for _ in range(size_mb)) + packer.flush()


CHUNK = {"choices": [{"index": 0, "delta": {"content": "夜" * 20_000}}]}
COMMENT = (b": " + b"x" * 1000 + b"\n") * 2**10
HARM: list[tuple[str, Callable[[Handler], None], Reason]] = [
    ("an error", endless(500, "application/json", b'{"error":{"message":"', MEGABYTE), Reason.MODEL_UNAVAILABLE),
    ("a refusal", endless(400, "text/html", b"", MEGABYTE), Reason.INVALID_REQUEST),
    ("a packed error", endless(429, "text/html", b"", bomb(400), content_encoding="gzip"), Reason.RATE_LIMITED),
    ("a redirect", endless(302, "text/html", b"", MEGABYTE, location="/v1/other"), Reason.MODEL_UNAVAILABLE),
    ("a whole answer", endless(200, "application/json", b'{"choices":"', MEGABYTE), Reason.MODEL_BAD_ANSWER),
    (
        "a packed answer",
        endless(200, "application/json", b"", bomb(400), content_encoding="gzip"),
        Reason.MODEL_BAD_ANSWER,
    ),
    ("a line", endless(200, "text/event-stream", b"data: ", MEGABYTE), Reason.MODEL_BAD_ANSWER),
    ("an event", endless(200, "text/event-stream", b"", b"data: x\n" * 2**17), Reason.MODEL_BAD_ANSWER),
    ("a text", endless(200, "text/event-stream", b"", events(CHUNK)), Reason.MODEL_BAD_ANSWER),
    ("comments", endless(200, "text/event-stream", b"", COMMENT), Reason.MODEL_BAD_ANSWER),
    (
        "a packed stream",
        endless(200, "text/event-stream", b"", bomb(400), content_encoding="gzip"),
        Reason.MODEL_BAD_ANSWER,
    ),
    (
        "an unknown packing",
        endless(200, "text/event-stream", b"", MEGABYTE, content_encoding="br"),
        Reason.MODEL_BAD_ANSWER,
    ),
    (
        "what is not packed",
        endless(200, "text/event-stream", b"", MEGABYTE, content_encoding="gzip"),
        Reason.MODEL_BAD_ANSWER,
    ),
]
ASK = """
import asyncio, json, re, sys
from pathlib import Path
from qingyu_ai.errors import ServiceError
from qingyu_ai.generation import Message, Task, complete
from qingyu_ai.llm.openai import OpenAIModel, openai_client

def peak_mb():
    # What getrusage tells here begins with the peak of the process that started this one.
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

async def main():
    async with openai_client("key", sys.argv[1]) as client:
        model = OpenAIModel(client, "m")
        await complete(model, Task(messages=(Message("user", "x"),)))
        before_mb = peak_mb()
        try:
            await complete(model, Task(messages=(Message("user", "x"),)))
            reason = "none"
        except ServiceError as error:
            reason = str(error.reason)
        print(json.dumps({"reason": reason, "growth_mb": peak_mb() - before_mb}))

asyncio.run(main())
"""


@pytest.mark.parametrize(("answer", "reason"), [row[1:] for row in HARM], ids=[row[0] for row in HARM])
def test_an_endless_answer_is_cut(answer: Callable[[Handler], None], reason: Reason) -> None:
    with provider(openai_says("x"), answer) as model:
        # In a process of its own, since memory is counted by process.
        asked = subprocess.run(
            [sys.executable, "-c", ASK, f"{model.url}/v1"],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            timeout=60,
            check=True,
        )
        told = json.loads(asked.stdout)
        assert told["reason"] == reason
        assert told["growth_mb"] < MAX_GROWTH_MB
        # The redirect, too, led nowhere.
        assert len(model.bodies) == 2


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), ("X-GZIP", gzip.compress), ("deflate", zlib.compress), ("Identity", bytes)],
)
async def test_an_answer_that_is_packed_unasked_is_read(coding: str, pack: Callable[[bytes], bytes]) -> None:
    said = events({"choices": [{"index": 0, "delta": {"content": "夜" * 50_000}, "finish_reason": "stop"}]})
    with provider(lambda handler: handler.send(200, "text/event-stream", pack(said), content_encoding=coding)) as model:
        async with openai_client("key", f"{model.url}/v1") as client:
            assert (await complete(OpenAIModel(client, "m"), TASK)).content == "夜" * 50_000
        assert model.headers[0]["accept-encoding"] == "identity"


async def test_a_connection_is_used_again_after_an_answer() -> None:
    ports: set[int] = set()

    def counted(handler: Handler) -> None:
        ports.add(handler.client_address[1])
        openai_says("夜")(handler)

    with provider(counted) as model:
        async with openai_client("key", f"{model.url}/v1") as client:
            for _ in range(5):
                await complete(OpenAIModel(client, "m"), TASK)
    assert len(ports) == 1


async def embed(model: Provider, texts: int = 1) -> list[list[float]]:
    async with openai_client("key", f"{model.url}/v1") as client:
        return await OpenAIEmbedder(client, "e").embed(["x"] * texts)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (endless(200, "application/json", b'{"data":[', MEGABYTE), Reason.MODEL_BAD_ANSWER),
        (endless(500, "application/json", b"", MEGABYTE), Reason.MODEL_UNAVAILABLE),
        (endless(307, "text/html", b"", MEGABYTE, location="/v1/other"), Reason.MODEL_UNAVAILABLE),
        (endless(200, "application/json", b"", b"[" * 2**20), Reason.MODEL_BAD_ANSWER),
    ],
)
async def test_an_embedders_endless_answer_is_cut(answer: Callable[[Handler], None], reason: Reason) -> None:
    with provider(answer) as model:
        with pytest.raises(ServiceError) as raised:
            await embed(model)
        assert raised.value.reason == reason
        assert len(model.bodies) == 1
