"""That knowledge is found: two stories and questions of their readers, alone and beside much that is foreign."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import detective, novel
from bench.knowledge import BOOKS, TOP, recall
from qingyu_ai.embedding.embedded import EmbeddedEmbedder
from qingyu_ai.knowledge.document import Document
from qingyu_ai.knowledge.knowledge import Facts, Knowledge
from qingyu_ai.knowledge.local_store import LocalStore
from qingyu_ai.knowledge.ranking import with_neighbours
from qingyu_ai.knowledge.store import Scope
from qingyu_ai.knowledge.terms import normal

pytestmark = pytest.mark.anyio
LOWEST = 0.70


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def alone(book: str) -> Scope:
    return Scope("tenant", book)


def among(book: str) -> Scope:
    return Scope("tenant", f"{book} among others")


@pytest.fixture(scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> Path:
    folder = tmp_path_factory.mktemp("knowledge") / "k"
    knowledge = Knowledge(LocalStore(folder, "embedded"), EmbeddedEmbedder(), TOP)
    for name, book in BOOKS.items():
        assert await knowledge.index(alone(name), book.novel()) == 72
        assert await knowledge.index(among(name), [*book.novel(), *book.others(2_600 - 72)]) == 2_600
    return folder


@pytest.mark.parametrize("scope", [alone, among])
@pytest.mark.parametrize("name", BOOKS)
async def test_readers_find_what_they_ask_for(name: str, scope: Callable[[str], Scope], folder: Path) -> None:
    knowledge = Knowledge(LocalStore(folder, "embedded"), EmbeddedEmbedder(), TOP)
    share, _, missed = await recall(lambda query: knowledge.search(scope(name), query), BOOKS[name].questions())
    assert share >= LOWEST, missed


@pytest.mark.parametrize("scope", [alone, among])
@pytest.mark.parametrize("name", BOOKS)
async def test_what_has_nothing_to_do_with_a_project_is_told_nothing_of_it(
    name: str, scope: Callable[[str], Scope], folder: Path
) -> None:
    knowledge = Knowledge(LocalStore(folder, "embedded"), EmbeddedEmbedder(), TOP)
    for prompt in (*novel.UNRELATED, *detective.UNRELATED):
        assert await knowledge.facts(scope(name), prompt) == Facts(), prompt
    for question in BOOKS[name].questions()[:15]:
        assert (await knowledge.facts(scope(name), question.text)).state == "used", question.text


async def test_names_find_the_cards_that_bear_them(folder: Path) -> None:
    scope = Scope("tenant", "names")
    knowledge = Knowledge(LocalStore(folder, "embedded"), EmbeddedEmbedder(), TOP)
    card = {"id": "lin", "doc_type": "character", "title": "林青羽", "alias": ["小羽"], "text": "少年剑客，寡言。"}
    await knowledge.index(scope, [*novel.novel(), Document.model_validate(card)])
    for name in ("林青羽", "小羽"):
        [first, *_] = await knowledge.search(scope, f"{name}是谁？")
        assert first.document.id == "lin"


def test_the_passages_around_one_count_a_little() -> None:
    fits = with_neighbours({("b", 1): 0.5, ("a", 1): 0.5, ("b", 5): 0.9, ("a", 0): 1.0})
    assert sorted(fits, key=lambda place: -fits[place]) == [("a", 0), ("b", 5), ("a", 1), ("b", 1)]
    assert max(with_neighbours({("a", chunk): 1.0 for chunk in range(9)}).values()) == pytest.approx(1)


def test_terms_are_those_of_the_texts_normal_form() -> None:
    for text in ("ＡＢｃ！？，……\u3000“说”", "Ａ\u0301", "ｶﾞ", "①㍿ﬁ", "가"):
        assert normal(text) == unicodedata.normalize("NFKC", text).lower()
