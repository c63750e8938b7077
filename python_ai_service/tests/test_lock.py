import re
import tomllib
from pathlib import Path

SERVICE = Path(__file__).parents[1]
PROJECT = tomllib.loads((SERVICE / "pyproject.toml").read_text(encoding="utf-8"))
SERVER = PROJECT["project"]["dependencies"]
RUNTIME = SERVER + PROJECT["project"]["optional-dependencies"]["lite"]


def locked(file: str) -> dict[str, str]:
    text = (SERVICE / file).read_text(encoding="utf-8")
    assert "://" not in text
    pins = re.findall(
        r"^([a-z0-9._-]+)==(\S+)((?: ;[^\\\n]*)?) \\\n((?:    --hash=\S+(?: \\)?\n)+)", text, re.MULTILINE
    )
    assert len(pins) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE))
    return {name: version for name, version, _, _ in pins}


def test_what_the_project_names_is_locked_with_hashes() -> None:
    server, runtime = locked("requirements-server.txt"), locked("requirements.txt")
    everything = locked("requirements-dev.txt")
    all_wanted = RUNTIME + PROJECT["dependency-groups"]["dev"]
    for wanted, pins in ((SERVER, server), (RUNTIME, runtime), (all_wanted, everything)):
        for name, version in (requirement.lower().split("==") for requirement in wanted):
            assert pins[name] == version
    assert server.items() < runtime.items() < everything.items()


def test_the_image_for_a_milvus_server_has_nothing_of_milvus_lite() -> None:
    assert not {"milvus-lite", "faiss-cpu", "pyarrow"} & locked("requirements-server.txt").keys()


def test_what_builds_the_package_is_what_is_locked() -> None:
    assert set(PROJECT["build-system"]["requires"]) <= set(PROJECT["dependency-groups"]["dev"])
