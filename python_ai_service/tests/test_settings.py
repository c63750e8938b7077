import re
from pathlib import Path

import docs
import pytest

from qingyu_ai.settings import Settings, SettingsError, load_settings
from tests.running import starting

ROOT = Path(__file__).parents[2]
NAMES = {name.upper() for name in Settings.model_fields}


def test_example_and_readme_are_what_the_code_says() -> None:
    for path, text in docs.fresh().items():
        assert path.read_text(encoding="utf-8") == text


def test_every_setting_is_shown_once_and_nothing_else() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    shown = docs.names(example)
    assert len(shown) == len(set(shown))
    assert set(shown) >= NAMES
    part = example.partition("python-service:start")[2].partition("python-service:end")[0]
    assert set(docs.names(part)) <= NAMES
    readme = (ROOT / "python_ai_service/README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", readme, re.MULTILINE)) == NAMES


def test_a_blank_value_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")
    assert load_settings() == Settings.model_construct()


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RAG_TOP_K=7\nLOG_LEVEL=error\nQINGYU_AI_MODELS=x\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOG_LEVEL", "debug")
    settings = load_settings()
    assert (settings.rag_top_k, settings.log_level) == (7, "debug")


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"SERVICE_PORT": "SECRET"}, ["SERVICE_PORT"]),
        ({"GRPC_PORT": "70000", "RAG_TOP_K": "0", "LOG_LEVEL": "SECRET"}, ["GRPC_PORT", "RAG_TOP_K", "LOG_LEVEL"]),
        ({"OPENAI_BASE_URL": "SECRET", "MILVUS_COLLECTION_NAME": "SECRET-"}, ["OPENAI_BASE_URL", "MILVUS_COLLECTION"]),
        ({"ENVIRONMENT": "production"}, ["PYTHON_AI_TOKEN"]),
        ({"DEFAULT_LLM_PROVIDER": "openai", "EMBEDDING_PROVIDER": "openai"}, ["OPENAI_API_KEY", "OPENAI_API_KEY"]),
        ({"DEFAULT_LLM_PROVIDER": "anthropic"}, ["ANTHROPIC_API_KEY"]),
        ({"SERVICE_PORT": "50052"}, ["SERVICE_PORT, GRPC_PORT"]),
    ],
)
def test_problems_come_at_once_by_name_and_never_by_value(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str], names: list[str]
) -> None:
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    problems = raised.value.problems
    assert len(problems) == len(names)
    assert all(problem.startswith(name) for problem, name in zip(sorted(problems), sorted(names), strict=True))
    assert "SECRET" not in str(problems)


def test_wrong_settings_end_the_process_with_one_line_each() -> None:
    with starting(GRPC_PORT="x", RAG_TOP_K="y") as service:
        assert service.wait() == 2
        assert [line.partition(":")[0] for line in service.lines] == ["GRPC_PORT", "RAG_TOP_K"]


@pytest.mark.parametrize(
    ("given", "uri"),
    [
        ({}, "data/milvus.db"),
        ({"MILVUS_HOST": "milvus"}, "http://milvus:19530"),
        ({"MILVUS_HOST": "milvus", "MILVUS_PORT": "1"}, "http://milvus:1"),
        ({"MILVUS_HOST": "milvus", "MILVUS_URI": "a.db"}, "a.db"),
    ],
)
def test_where_the_knowledge_base_is(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], uri: str) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert load_settings().knowledge_uri == uri
