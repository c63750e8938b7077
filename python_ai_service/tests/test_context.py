"""GetContext: what is told of a large project, and in how many tokens."""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from qingyu_ai.gen.qingyu.ai.ai_service_pb import ContextRequest, WorkspaceContext
from qingyu_ai.knowledge.budget import allowances, cost, cut, filled
from qingyu_ai.knowledge.context import CONTEXT_BUDGET_TOKENS, assemble
from qingyu_ai.knowledge.document import Document
from qingyu_ai.knowledge.store import Stored
from qingyu_ai.tokens import estimate_tokens
from tests.running import running

pytestmark = pytest.mark.anyio
KINDS = ("chapter", "character", "timeline", "outline", "world")


def document(doc_type: str, number: int, text: str = "剑客的时代。", **fields: Any) -> Document:  # noqa: ANN401
    return Document(id=f"{doc_type}{number}", doc_type=doc_type, title=f"标题{number}", text=text, **fields)


def chapter(number: int, **fields: Any) -> Document:  # noqa: ANN401
    text = f"第{number}章开头。" + "雨落在青石巷。" * 150 + f"第{number}章结尾。"
    return document("chapter", number, text, order=number, **fields)


def told(documents: Sequence[Document], chapter_id: str = "", task_type: str = "") -> WorkspaceContext:
    """What is told, with the promises that hold for every answer."""
    by_type: dict[str, list[Stored]] = {kind: [] for kind in KINDS}
    for each in documents:
        by_type[each.doc_type].append(Stored.of(each, 1))
    context, tokens = assemble(by_type, chapter_id, task_type)
    assert tokens == (0 if context == WorkspaceContext() else estimate_tokens(context.to_json()))
    assert tokens <= CONTEXT_BUDGET_TOKENS
    return context


def orders(context: WorkspaceContext) -> list[int]:
    return [each.order for each in context.previous_chapters]


NOVEL = [chapter(number) for number in range(1, 1301)]
PEOPLE = [document("character", number, alias=("小二",) if number == 2 else ()) for number in range(1, 8)]
PLENTY = [
    *NOVEL,
    *(document("character", number, "少年剑客，寡言。" * 10) for number in range(300)),
    *(document("timeline", number, "老剑客传剑。" * 10, order=number) for number in range(1, 3000)),
    *(document("outline", number, "相遇与传剑。" * 10, order=number) for number in range(1, 3000)),
    *(document("world", number, "江湖。" * 50, settings={f"第{number}条": "唐"}) for number in range(400)),
]


@pytest.mark.parametrize(
    ("chapter_id", "task_type", "last"),
    [
        ("chapter1300", "continue_writing", 1299),
        ("chapter700", "create_chapter", 699),
        ("chapter1300", "review_content", 1300),
        ("", "", 1300),
        ("unknown", "continue_writing", 1300),
        ("unknown", "review_content", 1300),
        ("chapter2", "", 1),
    ],
)
def test_previous_chapters_are_the_ones_right_before(chapter_id: str, task_type: str, last: int) -> None:
    for documents in (NOVEL, NOVEL[::-1], PLENTY):
        found = orders(told(documents, chapter_id, task_type))
        assert found == list(range(last + 1 - len(found), last + 1))
        assert len(found) >= min(last, 5)


def test_the_first_chapter_has_none_before_it() -> None:
    assert orders(told(NOVEL, "chapter1")) == []
    assert orders(told(NOVEL, "chapter1", "review_content")) == [1]
    assert told([]) == WorkspaceContext()


def test_near_chapters_are_told_by_their_end_older_ones_by_their_beginning() -> None:
    *older, third, second, last = (each.summary for each in told(NOVEL, "chapter1300").previous_chapters)
    assert last == "……" + NOVEL[1298].text[-800:]
    assert [second, third] == ["……" + NOVEL[at].text[-200:] for at in (1297, 1296)]
    assert older[-1] == NOVEL[1295].text[:200] + "……"


def test_an_authors_summary_is_told_and_the_end_of_the_last_chapter_with_it() -> None:
    novel = [chapter(number, summary=f"第{number}章：传剑。") for number in range(1, 9)]
    *older, last = (each.summary for each in told(novel).previous_chapters)
    assert last == f"第8章：传剑。……{novel[-1].text[-800:]}"
    assert older == [f"第{number}章：传剑。" for number in range(1, 8)]


def test_a_short_chapter_is_told_whole() -> None:
    short = [document("chapter", number, f"第{number}章，短。", order=number) for number in (1, 2, 3, 4, 5)]
    assert [each.summary for each in told(short).previous_chapters] == [each.text for each in short]


def test_every_kind_has_room_beside_plenty_of_the_others() -> None:
    context = told(PLENTY, "chapter700")
    assert len(context.previous_chapters) >= 5
    assert len(context.active_characters) >= 5
    assert len(context.timeline_events) >= 4
    assert len(context.outline_nodes) >= 4
    assert context.world_settings
    assert len(context.world_settings.settings) >= 2
    assert estimate_tokens(context.to_json()) > CONTEXT_BUDGET_TOKENS - 400
    assert context.previous_chapters[-1].summary.endswith("第699章结尾。")


@pytest.mark.parametrize("kind", KINDS)
def test_one_huge_card_starves_nobody(kind: str) -> None:
    names = ['"很\\长\n的名字' * 20] * 30
    huge = Document(
        id="huge",
        doc_type=kind,
        title="大",
        text="雨" * 2000,
        summary="雪" * 2000,
        background="风" * 2000,
        impact="霜" * 2000,
        alias=tuple(names),
        traits=tuple(names),
        participants=tuple(names),
        settings={f"{number}{'键' * 150}": "值" * 200 for number in range(30)},
    )
    others = [document(other, number, order=number) for other in KINDS for number in range(1, 9)]
    context = told([huge, *others])
    assert orders(context)[-8:] == list(range(1, 9))
    found = {each.id for each in context.active_characters}
    found |= {each.id for each in context.timeline_events} | {each.id for each in context.outline_nodes}
    assert {f"{other}{number}" for other in ("character", "timeline", "outline") for number in range(1, 9)} <= found
    assert context.world_settings
    assert all(f"标题{number}" in context.world_settings.name for number in range(1, 9))
    alone = told([huge])
    assert estimate_tokens(alone.to_json()) > CONTEXT_BUDGET_TOKENS / 2 or kind in ("outline", "chapter")
    assert '"huge"' in alone.to_json()


def test_characters_of_the_chapter_come_first_then_those_seen_last() -> None:
    novel = [
        document("chapter", 1, "小二在这里。", order=1),
        document("chapter", 2, order=2, character_ids=("character3",)),
        document("chapter", 3, order=3, character_ids=("character4",)),
        document("chapter", 4, order=4, character_ids=("character5",)),
        document("chapter", 5, order=5, character_ids=("character6",)),
    ]
    novel = [each.model_copy(update={"title": ""}) for each in novel]

    def named(chapter_id: str, *more: Document) -> list[str]:
        people = told([*PEOPLE[::-1], *novel, *more], chapter_id).active_characters
        return [person.id.removeprefix("character") for person in people]

    # 2 is found by name or alias in the text of the first chapter, 7 appears nowhere, 6 only later.
    assert named("chapter4") == ["5", "4", "3", "2", "1", "7", "6"]
    assert named("") == ["6", "5", "4", "3", "2", "1", "7"]
    planned = document("outline", 9, chapter_id="new", character_ids=("character7",))
    assert named("new", planned)[:2] == ["7", "6"]
    assert named("", planned)[0] == "6"


def test_the_nearest_events_and_nodes_are_told_in_their_order() -> None:
    many = [document(kind, n, "事。" * 60, order=n) for kind in ("timeline", "outline") for n in range(1, 301)]
    context = told([*many, *NOVEL[:300]], "chapter200")
    for found in (context.timeline_events, context.outline_nodes):
        numbers = [int(each.title[2:]) for each in found]
        assert numbers == list(range(min(numbers), max(numbers) + 1))
        assert abs(200 - sum(numbers) / len(numbers)) <= 1


def test_events_and_nodes_belong_where_their_chapter_is() -> None:
    def events(chapter_id: str, **chapter_ids: str) -> list[int]:
        many = [
            document("timeline", n, "事。" * 60, order=n, chapter_id=chapter_ids.get(f"at_{n}", ""))
            for n in range(1, 301)
        ]
        return [int(each.title[2:]) for each in told([*many, *NOVEL[:300]], chapter_id).timeline_events]

    assert not {1, 300} & set(events("chapter200"))
    assert 1 in events("chapter200", at_1="chapter200")
    assert 300 in events("chapter200", at_300="chapter199")
    assert 200 not in events("chapter200", at_200="chapter1")
    # An event of a chapter that is only planned.
    assert 1 not in events("planned")
    assert 1 in events("planned", at_1="planned")


def test_no_chapter_is_left_out_between_others() -> None:
    # Names cannot be cut, so that every other chapter is too long for what is left in the end.
    novel = [
        Document(id=f"{number}{'长' * 190}", title="长" * 500, text="雨", order=number)
        if number % 2
        else chapter(number)
        for number in range(1, 31)
    ]
    found = orders(told(novel))
    assert found == list(range(31 - len(found), 31))


def test_worlds_are_merged() -> None:
    one = document("world", 1, "江湖。", settings={"朝代": "唐", "都": "长安"})
    two = document("world", 2, "仙界。", settings={"朝代": "唐", "都": "瑶池"})
    alone = told([one]).world_settings
    assert alone
    assert (alone.id, alone.name, alone.description) == ("world1", "标题1", "江湖。")
    both = told([two, one]).world_settings
    assert both
    assert (both.id, both.name, both.description) == ("world1", "标题1、标题2", "标题1：江湖。\n标题2：仙界。")
    assert dict(both.settings) == {"朝代": "唐", "都": "长安", "标题2·都": "瑶池"}


def test_large_projects_are_told_at_once() -> None:
    by_type: dict[str, list[Stored]] = {kind: [] for kind in KINDS}
    for each in (*PLENTY, *(chapter(number) for number in range(1301, 2501))):
        by_type[each.doc_type].append(Stored.of(each, 1))
    spent_s = []
    for _ in range(3):
        started_s = time.process_time()
        assemble(by_type, "chapter2500", "continue_writing")
        spent_s.append(time.process_time() - started_s)
    assert min(spent_s) < 0.1


@pytest.mark.parametrize(
    ("demands", "given"),
    [
        ({"a": 100, "b": 100}, {"a": 100, "b": 100}),
        ({"a": 1000, "b": 1000}, {"a": 750, "b": 250}),
        ({"a": 100, "b": 1000}, {"a": 100, "b": 900}),
        ({"a": 1000, "b": 0}, {"a": 1000, "b": 0}),
        ({"a": 0, "b": 0}, {"a": 0, "b": 0}),
    ],
)
def test_what_a_kind_leaves_goes_to_the_others(demands: dict[str, int], given: dict[str, int]) -> None:
    found = allowances(demands, {"a": 3, "b": 1}, 1000)
    assert all(given[kind] - 3 <= found[kind] <= given[kind] for kind in given)


@pytest.mark.parametrize("limit", [30, 60, 200, 1000])
def test_a_card_is_cut_at_its_longest_fields(limit: int) -> None:
    card = {"id": "x", "name": "名", "summary": "雨\n" * 300, "traits": ["坚韧"] * 100, "settings": {"键": "值" * 400}}
    found = cut(card, limit)
    assert found
    assert cost(found) <= limit
    assert (found["id"], found["name"]) == ("x", "名")
    assert cost(found) > limit / 3
    assert cut({"id": "x" * 400}, 50) is None
    # No field pays for another's length.
    if limit >= 200:
        assert len(found["summary"]) > limit / 8
        assert len(found["traits"]) * 4 > limit / 8
        assert "settings" in (cut({**card, "settings": {"键": "值" * 20}}, limit) or {})
    ending = cut({"summary": "雨" * 300 + "终"}, 50, keep_end="summary")
    assert ending
    assert ending["summary"].startswith("……雨")
    assert ending["summary"].endswith("雨终")


def test_what_does_not_fit_is_left_out_and_the_next_is_tried() -> None:
    cards = [{"id": "长" * 190}, {"id": "b", "summary": "雨"}]
    assert filled(cards, 60) == [cards[1]]
    assert filled(cards, 60, unbroken=True) == []


async def test_a_novel_of_1300_chapters_over_the_rpc() -> None:
    with running() as service:
        novel = "".join(f"第{each.order}章 雨{each.order}\n{each.text}\n\n" for each in NOVEL)
        (service.folder / "青石巷.txt").write_text(novel, encoding="utf-8")
        assert service.run("index", "--project", "p", "青石巷.txt").returncode == 0
        async with service.client() as client:
            asked = ContextRequest(project_id="p", chapter_id="青石巷/1300", task_type="continue_writing")
            answer = await client.get_context(asked)
            assert answer.context
            found = orders(answer.context)
            assert found == list(range(1300 - len(found), 1300))
            assert len(found) > 12
            assert answer.context.previous_chapters[-1].summary.endswith("第1299章结尾。")
            assert answer.context.previous_chapters[-1].title == "第1299章 雨1299"
            assert answer.token_count == estimate_tokens(answer.context.to_json())
            assert CONTEXT_BUDGET_TOKENS - 400 < answer.token_count <= CONTEXT_BUDGET_TOKENS
