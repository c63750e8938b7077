"""That knowledge is found: a novel and questions of its readers, alone and beside much that is foreign."""

from pathlib import Path

import pytest

from bench.knowledge import TOP, recall
from bench.novel import UNRELATED, novel, others, questions
from qingyu_ai.embedding.embedded import EmbeddedEmbedder
from qingyu_ai.knowledge.knowledge import Facts, Knowledge
from qingyu_ai.knowledge.local_store import LocalStore
from qingyu_ai.knowledge.store import Scope

pytestmark = pytest.mark.anyio
ALONE = Scope("tenant", "the novel")
AMONG = Scope("tenant", "the novel among others")
LOWEST = 0.70


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> Path:
    folder = tmp_path_factory.mktemp("knowledge") / "k"
    knowledge = Knowledge(LocalStore(folder, "embedded"), EmbeddedEmbedder(), TOP)
    assert await knowledge.index(ALONE, novel()) == 72
    assert await knowledge.index(AMONG, [*novel(), *others(2_600 - 72)]) == 2_600
    return folder


@pytest.mark.parametrize("scope", [ALONE, AMONG])
async def test_readers_find_what_they_ask_for(scope: Scope, folder: Path) -> None:
    knowledge = Knowledge(LocalStore(folder, "embedded"), EmbeddedEmbedder(), TOP)
    share, _, missed = await recall(lambda query: knowledge.search(scope, query), questions())
    assert share >= LOWEST, missed


@pytest.mark.parametrize("scope", [ALONE, AMONG])
async def test_what_has_nothing_to_do_with_a_project_is_told_nothing_of_it(scope: Scope, folder: Path) -> None:
    knowledge = Knowledge(LocalStore(folder, "embedded"), EmbeddedEmbedder(), TOP)
    for prompt in UNRELATED:
        assert await knowledge.facts(scope, prompt) == Facts(), prompt
    for question in questions()[:5]:
        assert (await knowledge.facts(scope, question.text)).state == "used", question.text


async def test_names_find_the_cards_that_bear_them(folder: Path) -> None:
    scope = Scope("tenant", "names")
    knowledge = Knowledge(LocalStore(folder, "embedded"), EmbeddedEmbedder(), TOP)
    card = {"id": "lin", "doc_type": "character", "title": "林青羽", "alias": ["小羽"], "text": "少年剑客，寡言。"}
    await knowledge.index(scope, [*novel(), novel()[0].model_validate(card)])
    for name in ("林青羽", "小羽"):
        [first, *_] = await knowledge.search(scope, f"{name}是谁？")
        assert first.document.id == "lin"
