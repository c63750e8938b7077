import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from qingyu_ai.embedding.embedded import EmbeddedEmbedder
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    ContextRequest,
    GenerateContentRequest,
    HealthCheckRequest,
    RAGFilters,
    RAGQueryRequest,
)
from qingyu_ai.knowledge.context import CONTEXT_BUDGET_TOKENS, gather_context
from qingyu_ai.knowledge.document import Document
from qingyu_ai.knowledge.knowledge import PASSAGES_BUDGET_TOKENS, Facts, Knowledge
from qingyu_ai.knowledge.local_store import LocalStore
from qingyu_ai.knowledge.split import split
from qingyu_ai.knowledge.store import Entry, Passage, Scope, Wanted
from qingyu_ai.tokens import estimate_tokens
from tests.providers import openai_says, provider
from tests.running import Place, Running, free_port, running

pytestmark = pytest.mark.anyio
MINE = Scope("tenant", "project")


@pytest.fixture
async def knowledge(tmp_path: Path) -> AsyncIterator[Knowledge]:
    store = LocalStore(tmp_path / "k", "embedded")
    yield Knowledge(store, EmbeddedEmbedder(), 5)
    await store.close()


STORY = [
    Document(id="c1", title="初遇", order=1, text="林青羽在长安城遇见了老剑客。", character_ids=("lin",)),
    Document(
        id="c2",
        title="雨夜",
        order=2,
        text="雨夜里老剑客教林青羽剑法。",
        character_ids=("lin", "old"),
        timeline_ids=("t1",),
    ),
    Document(id="c3", title="离别", order=3, text="天亮时老剑客已经走了。", character_ids=("old",)),
    Document(
        id="lin",
        doc_type="character",
        title="林青羽",
        text="少年剑客。",
        alias=("小羽",),
        traits=("坚韧",),
        background="孤儿",
    ),
    Document(id="old", doc_type="character", title="老剑客", text="剑名听雨。"),
    Document(
        id="t1", doc_type="timeline", title="传剑", text="老剑客传剑。", impact="大", participants=("林青羽",), order=1
    ),
    Document(id="o1", doc_type="outline", title="第一幕", text="相遇与传剑。", level=1, order=1),
    Document(id="w", doc_type="world", title="江湖", text="剑客的时代。", settings={"朝代": "唐"}),
]


async def index_story(knowledge: Knowledge) -> None:
    await knowledge.index(MINE, STORY)


async def found(knowledge: Knowledge, filters: dict[str, list[str]]) -> set[str]:
    choices = [[f"{kind}:{value}" for value in values] for kind, values in filters.items()]
    return {hit.document.id for hit in await knowledge.search(MINE, "剑客林青羽相遇与的时代", 100, choices)}


async def test_the_nearest_passage_comes_first_with_its_score(knowledge: Knowledge) -> None:
    await index_story(knowledge)
    hits = await knowledge.search(MINE, "雨夜里教剑法的是谁", 3)
    assert [hits[0].document.id, len(hits)] == ["c2", 3]
    assert 1 >= hits[0].score >= hits[1].score >= hits[2].score
    assert (hits[0].text, hits[0].chunk) == (STORY[1].text, 0)


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({}, {document.id for document in STORY}),
        ({"doc_type": ["chapter"]}, {"c1", "c2", "c3"}),
        ({"doc_type": ["world", "outline"]}, {"w", "o1"}),
        ({"character": ["lin"]}, {"c1", "c2", "lin"}),
        ({"character": ["lin", "old"]}, {"c1", "c2", "c3", "lin", "old"}),
        ({"timeline": ["t1"]}, {"c2", "t1"}),
        ({"chapter": ["c3"]}, {"c3"}),
        ({"doc_type": ["chapter"], "character": ["old"]}, {"c2", "c3"}),
        ({"doc_type": ['x"] or 1 == 1 or ["']}, set()),
    ],
)
async def test_filters(knowledge: Knowledge, filters: dict[str, list[str]], ids: set[str]) -> None:
    await index_story(knowledge)
    assert await found(knowledge, filters) == ids


async def test_nothing_is_found_in_another_scope(knowledge: Knowledge) -> None:
    await index_story(knowledge)
    for scope in (Scope("tenant", "other"), Scope("other", "project"), Scope("", ""), Scope("tenant\0project", "")):
        assert await knowledge.search(scope, "剑", 5) == []
        assert await knowledge.facts(scope, "剑") == Facts()
        assert await knowledge.store.documents(scope, "chapter") == []


async def test_a_document_replaces_the_one_with_its_id_and_leaves_nothing_of_it(knowledge: Knowledge) -> None:
    long = "\n".join(f"第{number}段：" + "青羽落下。" * 60 for number in range(5))
    assert await knowledge.index(MINE, [Document(id="a", text=long)]) == 5
    assert await knowledge.index(MINE, [Document(id="a", doc_type="outline", text="另一种青羽")]) == 1
    assert await knowledge.index(MINE, [Document(id="a", text="短短一句落下。")]) == 1
    hits = await knowledge.search(MINE, "青羽落下", 100)
    assert {hit.text for hit in hits} == {"短短一句落下。", "另一种青羽"}


async def test_another_embedding_model_is_told_of(knowledge: Knowledge, tmp_path: Path) -> None:
    await index_story(knowledge)
    other = LocalStore(tmp_path / "k", "another")
    for use in (
        other.matching(MINE, "剑", 5, Wanted()),
        other.nearest(MINE, [1.0, 2.0], 5, Wanted()),
        other.documents(MINE),
        other.replace(MINE, [Entry(STORY[0], [Passage("x")])]),
    ):
        with pytest.raises(ServiceError, match="MILVUS_COLLECTION_NAME") as raised:
            await use
        assert raised.value.reason == Reason.KNOWLEDGE_OTHER_MODEL
    assert await other.documents(Scope("tenant", "new")) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("一句。", 1),
        ("\n\n \n", 0),
        ("青羽落下。" * 100, 2),
        ("没有标点" * 250, 3),
        ("“你来了。”他说。" * 60, 2),
        ("One sentence here. " * 50, 3),
    ],
)
def test_texts_are_split_between_sentences(text: str, count: int) -> None:
    passages = split(text)
    assert len(passages) == count
    assert all(0 < len(passage) <= 400 for passage in passages)
    assert "".join("".join(passages).split()) == "".join(text.split())
    if "。" in text:
        assert all(passage[-1] in "。”" for passage in passages)


async def test_the_context_of_a_task(knowledge: Knowledge) -> None:
    await index_story(knowledge)
    context, tokens = await gather_context(knowledge.store, MINE, "c2", "continue_writing")
    assert [chapter.id for chapter in context.previous_chapters] == ["c1"]
    assert context.previous_chapters[0].summary == STORY[0].text
    lin, old = context.active_characters
    assert (lin.name, lin.alias, lin.traits, lin.background) == ("林青羽", ["小羽"], ["坚韧"], "孤儿")
    assert old.name == "老剑客"
    assert [(event.title, event.impact, event.participants) for event in context.timeline_events] == [
        ("传剑", "大", ["林青羽"])
    ]
    assert [(node.title, node.level) for node in context.outline_nodes] == [("第一幕", 1)]
    assert context.world_settings
    assert dict(context.world_settings.settings) == {"朝代": "唐"}
    assert 0 < tokens < 500
    reviewed, _ = await gather_context(knowledge.store, MINE, "c2", "review_content")
    assert [chapter.id for chapter in reviewed.previous_chapters] == ["c1", "c2"]
    third, _ = await gather_context(knowledge.store, MINE, "c3", "x")
    assert [character.id for character in third.active_characters] == ["old", "lin"]
    everything, _ = await gather_context(knowledge.store, MINE, "", "")
    assert [chapter.id for chapter in everything.previous_chapters] == ["c1", "c2", "c3"]


async def test_the_context_keeps_its_budget_and_the_newest_chapters(knowledge: Knowledge) -> None:
    for number in range(1, 61):
        await knowledge.index(MINE, [Document(id=f"c{number}", order=number, text="章", summary="雨" * 180)])
    context, tokens = await gather_context(knowledge.store, MINE, "", "")
    orders = [chapter.order for chapter in context.previous_chapters]
    assert orders == list(range(61 - len(orders), 61))
    assert CONTEXT_BUDGET_TOKENS - 300 < tokens <= CONTEXT_BUDGET_TOKENS


async def test_passages_keep_their_budget(knowledge: Knowledge) -> None:
    for number in range(12):
        await knowledge.index(MINE, [Document(id=f"c{number}", text="雨落在青石巷。" * 57)])
    passages = (await Knowledge(knowledge.store, EmbeddedEmbedder(), 100).facts(MINE, "青石巷的雨")).text
    assert passages == passages.strip()
    assert PASSAGES_BUDGET_TOKENS - 30 < estimate_tokens(passages) <= PASSAGES_BUDGET_TOKENS + 10


def write_files(service: Place) -> list[str]:
    (service.folder / "02-雨夜.md").write_text("# 第二章 雨夜\n\n雨夜里老剑客教林青羽剑法。\n", encoding="utf-8")
    (service.folder / "前言.txt").write_text("\ufeff很久以前。", encoding="utf-8")
    people = [{"id": "lin", "doc_type": "character", "title": "林青羽", "text": "少年剑客。"}]
    (service.folder / "people.json").write_text(json.dumps(people), encoding="utf-8")
    (service.folder / "more.jsonl").write_text('{"id":"w","doc_type":"world","text":"江湖"}\n\n', encoding="utf-8")
    return ["02-雨夜.md", "前言.txt", "people.json", "more.jsonl"]


async def test_what_is_indexed_is_found_through_every_rpc() -> None:
    with running() as service:
        indexed = service.run("index", "--project", "p", *write_files(service))
        assert (indexed.returncode, indexed.stderr) == (0, "")
        assert indexed.stdout.splitlines() == [
            "1/4  chapter 02-雨夜: 1 passages",
            "2/4  chapter 前言: 1 passages",
            "3/4  character lin: 1 passages",
            "4/4  world w: 1 passages",
            "Indexed 4 documents, 4 passages, for project p.",
        ]
        async with service.client() as client:
            answer = await client.query_knowledge(RAGQueryRequest(project_id="p", query="谁教林青羽剑法"))
            assert answer.total == len(answer.results) == 2
            best = answer.results[0]
            assert (best.doc_type, best.content.endswith("教林青羽剑法。")) == ("chapter", True)
            assert dict(best.metadata) == {
                "document_id": "02-雨夜",
                "title": "第二章 雨夜",
                "order": "2",
                "passage": "0",
            }
            people = RAGQueryRequest(project_id="p", query="少年是谁", filters=RAGFilters(doc_types=["character"]))
            assert [result.content for result in (await client.query_knowledge(people)).results] == ["少年剑客。"]
            one = await client.query_knowledge(RAGQueryRequest(project_id="p", query="雨", top_k=1))
            assert one.total == 1
            context = await client.get_context(ContextRequest(project_id="p", task_type="create_chapter"))
            assert context.context
            assert [chapter.title for chapter in context.context.previous_chapters] == ["前言", "第二章 雨夜"]
            assert (context.task_type, context.token_count > 0) == ("create_chapter", True)
            told = await client.generate_content(GenerateContentRequest(project_id="p", prompt="谁教林青羽剑法？"))
            assert told.content.startswith("【第二章 雨夜】")
            assert told.usage
            assert told.usage.prompt_tokens > 20
            for headers in ({"x-qingyu-tenant": "other"},):
                other = await client.query_knowledge(RAGQueryRequest(project_id="p", query="雨"), headers=headers)
                assert other.total == 0


async def test_a_models_prompt_holds_what_the_project_knows() -> None:
    with provider(openai_says("好")) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
            service.run("index", "--project", "p", *write_files(service))
            async with service.client() as client:
                await client.generate_content(GenerateContentRequest(project_id="p", prompt="谁教林青羽剑法？"))
                await client.generate_content(GenerateContentRequest(project_id="empty", prompt="谁教林青羽剑法？"))
                await client.generate_content(GenerateContentRequest(prompt="谁教林青羽剑法？"))
    known, empty, none = ([message["content"] for message in body["messages"]] for body in model.bodies if body)
    assert "老剑客教林青羽剑法" in known[0]
    assert known[1] == "谁教林青羽剑法？"
    assert empty == none == ["谁教林青羽剑法？"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.txt", None, "missing.txt: no such file or directory"),
        ("latin.txt", b"\xff\xfe\xfa", "latin.txt: is not UTF-8 text"),
        ("empty.txt", b"", "empty.txt: is empty"),
        ("broken.json", b"{", "broken.json: is not JSON"),
        ("field.json", b'{"id":"x","text":"y","colour":1}', "field.json: colour: "),
        ("type.jsonl", b'{"id":"x","text":1}', "type.jsonl: line 1: text: "),
        ("blank.json", b'{"id":"x","text":" \\n"}', "blank.json: text: "),
    ],
)
def test_a_wrong_file_is_named_and_nothing_is_indexed(
    name: str, content: bytes | None, says: str, place: Place
) -> None:
    if content is not None:
        (place.folder / name).write_bytes(content)
    refused = place.run("index", "--project", "p", write_files(place)[0], name)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(says)
    assert len(refused.stderr.splitlines()) == 1


def test_outside_development_the_tenant_must_be_named(tmp_path: Path) -> None:
    by_name = {"DEFAULT_LLM_PROVIDER": "embedded", "EMBEDDING_PROVIDER": "embedded"}
    place = Place({"ENVIRONMENT": "production", "PYTHON_AI_TOKEN": "t", **by_name}, tmp_path)
    [file, *_] = write_files(place)
    refused = place.run("index", "--project", "p", file)
    assert (refused.returncode, refused.stderr.partition(":")[0]) == (2, "--tenant")
    assert place.run("index", "--project", "p", "--tenant", "a", file).returncode == 0


async def test_without_milvus_writing_goes_on_and_searching_says_so() -> None:
    with running(MILVUS_URI="", MILVUS_HOST="127.0.0.1", MILVUS_PORT=str(free_port())) as service:
        async with service.client() as client:
            written = await client.generate_content(
                GenerateContentRequest(project_id="p", prompt="雨"), timeout_ms=8000
            )
            assert written.content
            with pytest.raises(ConnectError, match="knowledge_unavailable: ") as raised:
                await client.query_knowledge(RAGQueryRequest(project_id="p", query="雨"))
            assert raised.value.code == Code.UNAVAILABLE
            health = await client.health_check(HealthCheckRequest())
            assert (health.status, health.checks["knowledge"]) == ("degraded", "error")


async def test_a_milvus_server_that_comes_late_is_used(tmp_path: Path) -> None:
    port = str(free_port())
    with running(MILVUS_URI="", MILVUS_HOST="127.0.0.1", MILVUS_PORT=port) as service:
        async with service.client() as client:
            with pytest.raises(ConnectError):
                await client.query_knowledge(RAGQueryRequest(project_id="p", query="雨"))
            command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(tmp_path / "s"), "--port", port]
            server = await asyncio.create_subprocess_exec(
                *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                while service.run("index", "--project", "p", *write_files(service)).returncode != 0:
                    assert server.returncode is None
                # Under load the server may need more than one connection's time.
                total = 0
                while not total:
                    with suppress(ConnectError):
                        total = (await client.query_knowledge(RAGQueryRequest(project_id="p", query="雨"))).total
                    assert server.returncode is None
                assert total == 1
            finally:
                server.kill()
                await server.wait()


async def test_a_second_process_goes_on_when_the_one_that_has_the_file_open_is_killed() -> None:
    with running() as owner:
        owner.run("index", "--project", "p", *write_files(owner))
        asked = RAGQueryRequest(project_id="p", query="雨")
        with running(MILVUS_URI=owner.settings["MILVUS_URI"]) as other:
            async with owner.client() as opener, other.client() as client:
                assert (await opener.query_knowledge(asked)).total == 1
                assert (await client.query_knowledge(asked)).total == 1
                owner.process.kill()
                owner.process.wait()
                assert (await client.query_knowledge(asked)).total == 1


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (RAGQueryRequest(query="x"), "project_id"),
        (RAGQueryRequest(project_id="p", query=" "), "query"),
        (RAGQueryRequest(project_id="p", query="x", top_k=101), "top_k"),
        (RAGQueryRequest(project_id="p", query="x", top_k=-1), "top_k"),
        (ContextRequest(chapter_id="x"), "project_id"),
    ],
)
async def test_wrong_requests_are_refused_by_the_fields_name(
    request_: RAGQueryRequest | ContextRequest, field: str, service: Running
) -> None:
    async with service.client() as client:
        ask = client.get_context if isinstance(request_, ContextRequest) else client.query_knowledge
        with pytest.raises(ConnectError, match=f"invalid_request: {field}: ") as raised:
            await ask(request_)  # type: ignore[arg-type]
    assert raised.value.code == Code.INVALID_ARGUMENT
