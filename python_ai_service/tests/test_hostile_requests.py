"""Requests whose size is their only meaning: refused by the field's name, cheaply, and to nobody else's harm."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from qingyu_ai.errors import ServiceError
from qingyu_ai.rpc.sizes import MAX_PROMPT_CHARS, check_filter, check_options, check_prompt
from tests.running import Running, running
from tests.test_messages import field

pytestmark = pytest.mark.anyio
# Of the service's whole work on one request of 16 MiB, reading from the socket among it; some 0.1 are measured.
MAX_CPU_S = 1.0
MAX_GROWTH_MIB = 60
LONG = "x" * 15_000_000


@pytest.fixture(scope="module")
def target() -> Iterator[Running]:
    with running() as started:
        yield started


def as_json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def entries(count: int) -> dict[str, str]:
    return {f"{index:x}": "" for index in range(count)}


def chapters(count: int, summary: str = "s") -> list[dict[str, object]]:
    return [{"chapterId": number, "title": "t", "summary": summary} for number in range(1, count + 1)]


def characters(count: int) -> list[dict[str, object]]:
    return [
        {"characterId": str(number), "name": f"n{number}", "chaptersInvolved": list(range(1, 11))}
        for number in range(count)
    ]


REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "ids": (
        "QueryKnowledge",
        lambda: as_json(projectId="p", query="x", filters={"characterIds": ["abcdef"] * 1_500_000}),
        "filters.characterIds: there are more than 20000 objects or 100000 values",
    ),
    "ids in binary": (
        "QueryKnowledge",
        lambda: field(1, b"x") + field(2, b"p") + field(3, field(2, b"abcdef") * 2_000_000),
        "filters.character_ids: there are more than 20000 objects or 100000 values",
    ),
    "some ids": (
        "QueryKnowledge",
        lambda: as_json(projectId="p", query="x", filters={"timelineIds": ["a"] * 1001}),
        "filters.timeline_ids: must be at most 1000",
    ),
    "workspace": (
        "GenerateOutline",
        lambda: as_json(task="x", workspaceContext=entries(1_000_000)),
        "workspaceContext: there are more than 20000 objects or 100000 values",
    ),
    "parameters": (
        "ExecuteAgent",
        lambda: as_json(workflowType="creative", parameters={"task": "x", **entries(1_000_000)}),
        "parameters: there are more than 20000 objects or 100000 values",
    ),
    "parameter": (
        "ExecuteAgent",
        lambda: as_json(workflowType="creative", parameters={"task": LONG}),
        "parameters.task: has more than 1000000 characters",
    ),
    "correction": (
        "GenerateOutline",
        lambda: as_json(task="x", correctionPrompt="y" * 10_000_000),
        "correction_prompt: has more than 1000000 characters",
    ),
    "empty chapters": (
        "GeneratePlot",
        lambda: field(1, b"x") + field(4, field(6, b"") * 8_000_000),
        "outline.chapters: there are more than 20000 objects or 100000 values",
    ),
    "long chapters": (
        "GenerateCharacters",
        lambda: as_json(task="x", outline={"chapters": chapters(3000, "s" * 4000)}),
        "outline: has more than 1000000 characters",
    ),
    "together": (
        "GeneratePlot",
        lambda: as_json(task="x" * 400_000, outline={"title": "y" * 700_000}, correctionPrompt="z"),
        "outline: has, with task, correction_prompt, more than 1000000 characters",
    ),
    "workflow": (
        "ExecuteCreativeWorkflow",
        lambda: as_json(task="x", workspaceContext={"a": "y" * 1_000_000}),
        "workspace_context: has more than 1000000 characters",
    ),
    "mode": (
        "StoryWrite",
        lambda: as_json(instruction="x", mode=LONG),
        "mode: has more than 1000000 characters",
    ),
    "prompt": (
        "GenerateContent",
        lambda: b'{"prompt":"' + b"," * 16_000_000 + b'"}',
        "prompt: has more than 1000000 characters",
    ),
    "names": (
        "GenerateContent",
        lambda: as_json(messages=[{"role": "user", "content": "x", "name": LONG}]),
        "messages: hold more than 1000000 characters",
    ),
    "model": (
        "GenerateContent",
        lambda: as_json(prompt="x", options={"model": LONG}),
        "options.model: has more than 256 characters",
    ),
    "stops": (
        "GenerateContent",
        lambda: as_json(prompt="x", options={"stop": ["zz"] * 99_000}),
        "options.stop: must be at most 16",
    ),
    "unknown lists": (
        "GenerateOutline",
        lambda: b'{"task":"x","unknown":[' + b"[]," * 5_000_000 + b"[]]}",
        "unknown: there are more than 20000 objects or 100000 values",
    ),
}
TAKEN: dict[str, tuple[str, Callable[[], bytes]]] = {
    "3000 chapters, 3000 characters": (
        "GeneratePlot",
        lambda: as_json(task="x", outline={"chapters": chapters(3000)}, characters={"characters": characters(3000)}),
    ),
    "20000 chapters": ("GeneratePlot", lambda: field(1, b"x") + field(4, field(6, b"") * 19_000)),
    "a large workspace": ("GenerateOutline", lambda: as_json(task="x", workspaceContext=entries(19_000))),
    "a long task": ("GenerateOutline", lambda: as_json(task="夜" * MAX_PROMPT_CHARS)),
}


async def attack(target: Running, method: str, body: bytes) -> httpx2.Response:
    """Sends it while an innocent caller asks for the health; both must be answered, the attack at a low price."""
    url = f"{target.url}/qingyu.ai.AIService/"
    content_type = "application/json" if body.startswith(b"{") else "application/proto"
    before = cpu_s(target)
    async with httpx2.AsyncClient(timeout=60) as client:
        attacking = asyncio.create_task(client.post(url + method, content=body, headers={"content-type": content_type}))
        asked = 0
        while not attacking.done() or not asked:
            assert (await client.post(url + "HealthCheck", json={})).status_code == 200
            asked += 1
        answer = attacking.result()
        price_s = cpu_s(target) - before
    # What the health checks cost is not the attack's.
    assert price_s < MAX_CPU_S + 0.02 * asked
    return answer


def cpu_s(target: Running) -> float:
    fields = Path(f"/proc/{target.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(target: Running) -> int:
    status = Path(f"/proc/{target.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_too_much_is_refused_by_the_fields_name(name: str, target: Running) -> None:
    method, body, says = REFUSED[name]
    answer = await attack(target, method, body())
    assert answer.status_code == 400
    told = answer.json()
    assert (told["code"], told["message"]) == ("invalid_argument", f"invalid_request: {says}")


@pytest.mark.parametrize("name", TAKEN)
async def test_what_is_large_but_allowed_is_cheap(name: str, target: Running) -> None:
    method, body = TAKEN[name]
    assert (await attack(target, method, body())).status_code == 200


@pytest.mark.parametrize(
    ("method", "asked"),
    [
        ("GenerateContent", {"prompt": "x", "options": {"stop": ["a"] * 17}}),
        ("GenerateOutline", {"task": "x", "correctionPrompt": LONG}),
        ("ExecuteCreativeWorkflow", {"task": "x", "maxReflections": 11}),
        ("StoryWrite", {"instruction": "x", "options": {"maxTokens": -1}}),
    ],
)
async def test_the_knowledge_base_is_not_asked_for_what_is_refused(
    method: str, asked: dict[str, object], target: Running
) -> None:
    answer = await attack(target, method, as_json(projectId="p", **asked))
    assert answer.status_code == 400
    assert "x-qingyu-knowledge" not in answer.headers


async def test_refused_requests_do_not_stay_in_memory() -> None:
    with running() as target:
        body = as_json(instruction="x", mode=LONG)
        await attack(target, "StoryWrite", body)
        before = memory_mib(target)
        most = 0
        for _ in range(24):
            await attack(target, "StoryWrite", body)
            most = max(most, memory_mib(target))
    # Each is of 15 MB, and three of them were kept in a circle of frames and errors at least.
    assert most - before < MAX_GROWTH_MIB


@pytest.mark.parametrize(
    ("check", "says"),
    [
        (lambda: check_prompt(a="x" * 500_000, b="y" * 500_000, c=None), ""),
        (lambda: check_prompt(a="x" * 500_000, b="y" * 500_001), "b: has, with a, more than 1000000 characters"),
        (lambda: check_prompt(a="x" * 1_000_001, b="y" * 1_000_002), "b: has more than 1000000 characters"),
        (lambda: check_prompt(a={"k": "x" * 999_995}), ""),
        (lambda: check_prompt(a={"k": "x" * 999_996}), "a: has more than 1000000 characters"),
        (lambda: check_options("m" * 256, ["s" * 1024] * 16), ""),
        (lambda: check_options("", ["s", "s" * 1025]), "options.stop[1]: has more than 1024 characters"),
        (lambda: check_options("m" * 257, []), "options.model: has more than 256 characters"),
        (lambda: check_options("", ["s"] * 17), "options.stop: must be at most 16"),
        (lambda: check_filter("doc_types", ["a"] * 1000), ""),
        (lambda: check_filter("doc_types", ["a"] * 1001), "filters.doc_types: must be at most 1000"),
    ],
)
def test_limits_are_exact(check: Callable[[], None], says: str) -> None:
    told = ""
    try:
        check()
    except ServiceError as error:
        told = error.message
    assert told == says
