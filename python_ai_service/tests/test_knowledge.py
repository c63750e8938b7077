import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from connectrpc.client import ResponseMetadata
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from milvus_lite.adapter.grpc.server import start_server_in_thread

from qingyu_ai.embedding.embedded import EmbeddedEmbedder
from qingyu_ai.embedding.embedder import Vector
from qingyu_ai.embedding.prefixes import Prefixes
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    ContextRequest,
    GenerateContentRequest,
    HealthCheckRequest,
    RAGFilters,
    RAGQueryRequest,
    StoryContextRequest,
)
from qingyu_ai.knowledge.context import CONTEXT_BUDGET_TOKENS, gather_context
from qingyu_ai.knowledge.document import Document
from qingyu_ai.knowledge.knowledge import OUTLINE_BUDGET_TOKENS, PASSAGES_BUDGET_TOKENS, Facts, Knowledge
from qingyu_ai.knowledge.local_store import LocalStore
from qingyu_ai.knowledge.milvus_store import MilvusStore
from qingyu_ai.knowledge.split import split
from qingyu_ai.knowledge.store import Entry, KnowledgeStore, Passage, Scope, Stored, Wanted
from qingyu_ai.tokens import estimate_tokens
from tests.providers import fails, openai_says, provider
from tests.running import Place, Running, free_port, running

pytestmark = pytest.mark.anyio
MINE = Scope("tenant", "project")


@pytest.fixture(scope="session")
def milvus() -> Iterator[str]:
    """A server that speaks Milvus's protocol."""
    with TemporaryDirectory(prefix="qingyu-") as folder:
        server, database, port = start_server_in_thread(folder)
        yield f"http://127.0.0.1:{port}"
        server.stop(grace=None).wait()
        database.close()


@pytest.fixture(params=["local", "milvus"])
async def knowledge(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Knowledge]:
    """An empty knowledge base, in each of the places where one can be."""
    if request.param == "local":
        yield Knowledge(LocalStore(tmp_path / "k", "embedded"), EmbeddedEmbedder(), 5)
        return
    store = MilvusStore(request.getfixturevalue("milvus"), f"k{uuid4().hex}", "embedded")
    yield Knowledge(store, EmbeddedEmbedder(), 5)
    await store.close()


def reopened(store: KnowledgeStore, model: str = "embedded") -> KnowledgeStore:
    """The same knowledge base as another process sees it, with an embedding model of its own."""
    if isinstance(store, LocalStore):
        return LocalStore(store._folder, model)
    assert isinstance(store, MilvusStore)
    return MilvusStore(store._collections._uri, store._collections._older, model)


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


async def test_another_embedding_model_is_told_of(knowledge: Knowledge) -> None:
    await index_story(knowledge)
    other = reopened(knowledge.store, "another")
    for use in (
        other.matching(MINE, "剑", 5, Wanted()),
        other.nearest(MINE, [1.0, 2.0], 5, Wanted()),
        other.documents(MINE),
        other.replace(MINE, [Entry(STORY[0], [Passage("x")])]),
        gather_context(other, MINE, "c2", "x"),
    ):
        with pytest.raises(ServiceError, match="MILVUS_COLLECTION_NAME") as raised:
            await use
        assert raised.value.reason == Reason.KNOWLEDGE_OTHER_MODEL
    assert (await Knowledge(other, EmbeddedEmbedder(), 5).facts(MINE, "林青羽")).state == "unavailable"
    assert await Knowledge(other, EmbeddedEmbedder(), 5).outline(MINE) == Facts(state="unavailable")
    assert (await knowledge.facts(MINE, "林青羽")).state == "used"
    await other.close()


async def test_what_was_indexed_is_the_same_for_another_process(knowledge: Knowledge) -> None:
    await index_story(knowledge)
    store = reopened(knowledge.store)
    again = Knowledge(store, EmbeddedEmbedder(), 5)
    asked = "雨夜里教剑法的是谁"
    assert await again.search(MINE, asked) == await knowledge.search(MINE, asked) != []
    await store.close()


async def test_what_is_known_of_documents(knowledge: Knowledge) -> None:
    long = Document(id="long", order=9, title="长", text="第一句。" + "青羽落下。" * 400 + "最后一句。")
    await index_story(knowledge)
    await knowledge.index(MINE, [long])
    documents = {stored.document.id: stored for stored in await knowledge.store.documents(MINE)}
    assert documents.keys() == {"long", *(document.id for document in STORY)}
    assert documents["long"] == Stored.of(long, passages=6)
    assert (documents["long"].document.text, documents["long"].ending) == (long.text[:200], long.text[-800:])
    assert documents["lin"].document == next(document for document in STORY if document.id == "lin")
    assert documents["lin"].digest != Stored.of(STORY[3].model_copy(update={"text": "另"})).digest
    some = await knowledge.store.documents(MINE, "world", "character")
    assert {stored.document.id for stored in some} == {"lin", "old", "w"}


async def test_removed_documents_are_gone(knowledge: Knowledge) -> None:
    await index_story(knowledge)
    gone = [("chapter", "c2"), ("chapter", "lin"), ("world", "w")]
    assert await knowledge.store.remove(Scope("tenant", "other"), gone) == 0
    assert await knowledge.store.remove(MINE, gone) == 2
    assert await knowledge.store.remove(MINE, gone) == 0
    left = {document.id for document in STORY} - {"c2", "w"}
    assert {stored.document.id for stored in await knowledge.store.documents(MINE)} == left
    assert "c2" not in await found(knowledge, {})


@pytest.mark.parametrize(
    ("chapter", "left_out"),
    [
        ("", set()),
        ("unknown", set()),
        ("c1", {"c1", "c2", "c3", "o3"}),
        ("c2", {"c2", "c3", "o3"}),
        ("c3", {"c3"}),
        ("nowhere", {"nowhere"}),
    ],
)
async def test_nothing_of_the_chapter_that_is_written_is_told_or_of_later_ones(
    chapter: str, left_out: set[str], knowledge: Knowledge
) -> None:
    more = [
        Document(id="o3", doc_type="outline", title="第三幕", text="剑客离别。", chapter_id="c3"),
        Document(id="nowhere", text="剑客的番外。"),
    ]
    await knowledge.index(MINE, [*STORY, *more])
    asked = "剑客林青羽相遇与传剑的时代"
    hits = await knowledge.search(MINE, asked, 100, before_chapter=chapter)
    assert {hit.document.id for hit in hits} == {document.id for document in [*STORY, *more]} - left_out
    told = (await Knowledge(knowledge.store, EmbeddedEmbedder(), 100).facts(MINE, asked, chapter_id=chapter)).text
    assert ("天亮时" in told) == ("c3" not in left_out)


class Directions(EmbeddedEmbedder):
    """A model whose vectors say what terms do not: which of two things a text is about."""

    is_lexical = False

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    async def embed(self, texts: list[str], model: str = "") -> list[Vector]:
        self.texts += texts
        return [[1.0, 0.0] if "雨" in text or "伞" in text else [0.0, 1.0] for text in texts]


async def test_terms_and_vectors_are_fused(knowledge: Knowledge) -> None:
    embedder = Directions()
    both = Knowledge(knowledge.store, embedder, 5, Prefixes("问：", "文："))
    texts = {"a": "雨夜里灯灭了。", "b": "伞在门边。", "c": "灯塔的门。"}
    await both.index(MINE, [Document(id=name, text=text) for name, text in texts.items()])
    hits = await both.search(MINE, "门边的伞")
    # One is named and near, one is named by a character, one is near.
    assert hits[0].document.id == "b"
    assert hits[0].score == pytest.approx(1, abs=0.02)
    assert {hit.document.id for hit in hits} == {"a", "b", "c"}
    assert embedder.texts == [*(f"文：{text}" for text in texts.values()), "问：门边的伞"]
    store = reopened(knowledge.store)
    [nearest, *_] = await store.nearest(MINE, [0.0, 2.0], 3, Wanted())
    assert nearest.document.id == "c"
    assert nearest.score == pytest.approx(1)
    await both.index(MINE, [Document(id="c", text="雨停了。")])
    scores = [hit.score for hit in await store.nearest(MINE, [0.0, 1.0], 3, Wanted())]
    assert scores == pytest.approx([0, 0, 0])
    with pytest.raises(ServiceError) as raised:
        await store.nearest(MINE, [1.0, 0.0, 0.0], 3, Wanted())
    assert raised.value.reason == Reason.KNOWLEDGE_OTHER_MODEL
    assert (await both.facts(MINE, "你好")).state == "none"
    assert "雨夜" in (await both.facts(MINE, "门边的伞")).text
    await store.close()


class Slow(Directions):
    """A model that never embeds one of its texts."""

    async def embed(self, texts: list[str], model: str = "") -> list[Vector]:
        if "慢" in texts[0]:
            await asyncio.Event().wait()
        return await super().embed(texts, model)


async def test_one_slow_query_costs_the_next_ones_nothing(tmp_path: Path) -> None:
    knowledge = Knowledge(LocalStore(tmp_path / "k", "slow"), Slow(), 5)
    await knowledge.index(MINE, [Document(id="a", text="雨夜里灯灭了。")])
    assert await knowledge.facts(MINE, "雨夜，慢") == Facts(state="unavailable")
    assert (await knowledge.facts(MINE, "雨夜")).state == "used"


async def test_a_knowledge_base_of_milvus_lite_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "milvus.db" / "collections").mkdir(parents=True)
    named = LocalStore(tmp_path / "milvus.db" / "k", "embedded")
    default = LocalStore(tmp_path / "knowledge" / "k", "embedded")
    for use in (named.documents(MINE), named.replace(MINE, []), default.documents(MINE), default.check()):
        with pytest.raises(ServiceError, match="Milvus Lite") as raised:
            await use
        assert raised.value.reason == Reason.KNOWLEDGE_OTHER_MODEL
    await default.replace(MINE, [Entry(STORY[0], [Passage("林青羽")])])
    assert len(await default.documents(MINE)) == 1


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


@pytest.mark.parametrize(("status", "word"), [(500, "model_unavailable"), (401, "model_credential")])
async def test_without_embeddings_writing_goes_on_and_searching_says_why(status: int, word: str) -> None:
    with provider(fails(status)) as embeddings, provider(openai_says("好")) as model:
        settings = {"OPENAI_BASE_URL": f"{model.url}/v1", "EMBEDDING_BASE_URL": f"{embeddings.url}/v1"}
        keys = {"OPENAI_API_KEY": "k", "EMBEDDING_API_KEY": "e", "EMBEDDING_PROVIDER": "openai"}
        with running(**settings, **keys) as service:
            async with service.client() as client:
                request = GenerateContentRequest(project_id="p", prompt="雨")
                written = await client.generate_content(request)
                chunks = [chunk async for chunk in client.stream_generate_content(request)]
                with ResponseMetadata() as metadata:
                    await client.story_write(StoryContextRequest(project_id="p", selected_text="雨"))
                with pytest.raises(ConnectError, match=f"{word}: "):
                    await client.query_knowledge(RAGQueryRequest(project_id="p", query="雨"))
        assert "a call failed unexpectedly" not in service.log
    assert (written.content, written.knowledge) == ("好", "unavailable")
    assert (chunks[-1].finish_reason, chunks[-1].knowledge) == ("stop", "unavailable")
    assert metadata.headers["x-qingyu-knowledge"] == "unavailable"


async def test_a_story_says_what_was_made_of_outline_and_passages_together() -> None:
    said = []
    with running() as service:
        (service.folder / "o.txt").write_text("第一幕：相遇。\n" * 1000, encoding="utf-8")
        service.run("index", "--project", "p", "--doc-type", "outline", "o.txt")
        async with service.client() as client:
            for project_id in ("p", "empty", ""):
                with ResponseMetadata() as metadata:
                    story = await client.story_write(StoryContextRequest(project_id=project_id, selected_text="雨"))
                assert story.context_stats
                said.append((metadata.headers.get("x-qingyu-knowledge"), story.context_stats.outline_tokens > 0))
    assert said == [("used", True), ("none", False), (None, False)]


async def test_a_projects_outline_keeps_its_budget(tmp_path: Path) -> None:
    knowledge = Knowledge(LocalStore(tmp_path / "k", "embedded"), EmbeddedEmbedder(), 5)
    nodes = [Document(id=f"{n}", doc_type="outline", title=f"第{n}幕", text="相遇。", order=n) for n in range(2000)]
    await knowledge.index(MINE, nodes[::-1])
    outline = (await knowledge.outline(MINE)).text
    assert outline.startswith("第0幕: 相遇。\n第1幕: 相遇。\n")
    assert OUTLINE_BUDGET_TOKENS - 30 < estimate_tokens(outline) <= OUTLINE_BUDGET_TOKENS


async def test_without_milvus_writing_goes_on_and_searching_says_so() -> None:
    with running(MILVUS_URI="", MILVUS_HOST="127.0.0.1", MILVUS_PORT=str(free_port())) as service:
        async with service.client() as client:
            written = await client.generate_content(
                GenerateContentRequest(project_id="p", prompt="雨"), timeout_ms=8000
            )
            assert (written.content != "", written.knowledge) == (True, "unavailable")
            with ResponseMetadata() as metadata:
                await client.story_write(StoryContextRequest(project_id="p", selected_text="雨"))
            assert metadata.headers["x-qingyu-knowledge"] == "unavailable"
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
