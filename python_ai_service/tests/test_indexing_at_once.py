"""Several processes index one project at once; one of them is killed."""

import json
import re
import subprocess
import sys

import pytest

from qingyu_ai.gen.qingyu.ai.ai_service_pb import RAGQueryRequest
from qingyu_ai.knowledge.local_store import LocalStore
from qingyu_ai.knowledge.store import Scope
from tests.running import Place, running

pytestmark = pytest.mark.anyio
DOCUMENTS = 400


def indexing(place: Place, name: str, *, text: str = "雨落在青石巷。") -> subprocess.Popen[str]:
    """A process that indexes documents, with what it says as it comes."""
    documents = [{"id": f"{name}-{number}", "text": f"{text * 40}第{number}号"} for number in range(DOCUMENTS)]
    (place.folder / f"{name}.json").write_text(json.dumps(documents), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "qingyu_ai", "index", "--project", "p", f"{name}.json"],
        cwd=place.folder,
        env=place.environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def acknowledged(said: str) -> set[str]:
    return set(re.findall(r"chapter (\S+): \d+ passages$", said, re.MULTILINE))


async def test_they_wait_for_one_another_and_lose_nothing_that_they_told_of() -> None:
    with running() as service:
        first, second, killed = (indexing(service, name) for name in "abk")
        assert killed.stdout
        said = ""
        while "passages" not in said:
            said += killed.stdout.readline()
        killed.kill()
        said += killed.stdout.read()
        killed.wait()
        outputs = [process.communicate()[0] for process in (first, second)]
        assert [first.returncode, second.returncode] == [0, 0], outputs
        store = LocalStore(service.folder / "knowledge" / "qingyu_knowledge", "embedded")
        documents = await store.documents(Scope("development", "p"))
        there = {stored.document.id for stored in documents}
        whole = {f"{name}-{number}" for name in "ab" for number in range(DOCUMENTS)}
        assert acknowledged(said)
        assert there >= whole | acknowledged(said)
        # Each is there once, whole, and found by the running service.
        assert len(documents) == len(there)
        async with service.client() as client:
            for name in (*sorted(acknowledged(said))[:3], "a-7", "b-399"):
                number = name.partition("-")[2]
                query = RAGQueryRequest(project_id="p", query=f"第{number}号", top_k=100)
                found = (await client.query_knowledge(query)).results
                assert any(result.metadata["document_id"] == name for result in found)


async def test_a_service_that_starts_while_others_index_answers(place: Place) -> None:
    process = indexing(place, "a")
    with running(MILVUS_URI=place.settings["MILVUS_URI"]) as service:
        async with service.client() as client:
            await client.query_knowledge(RAGQueryRequest(project_id="p", query="雨"))
            output, _ = process.communicate()
            assert process.returncode == 0, output
            answer = await client.query_knowledge(RAGQueryRequest(project_id="p", query="第7号"))
            assert answer.total
