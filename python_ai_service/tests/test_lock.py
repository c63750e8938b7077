import re
import tomllib
from pathlib import Path

SERVICE = Path(__file__).parents[1]
PROJECT = tomllib.loads((SERVICE / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = PROJECT["project"]["dependencies"]


def locked(file: str) -> dict[str, str]:
    text = (SERVICE / file).read_text(encoding="utf-8")
    assert "://" not in text
    pins = re.findall(
        r"^([a-z0-9._-]+)==(\S+)((?: ;[^\\\n]*)?) \\\n((?:    --hash=\S+(?: \\)?\n)+)", text, re.MULTILINE
    )
    assert len(pins) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE))
    return {name: version for name, version, _, _ in pins}


def test_what_the_project_names_is_locked_with_hashes() -> None:
    runtime, everything = locked("requirements.txt"), locked("requirements-dev.txt")
    for wanted, pins in ((RUNTIME, runtime), (RUNTIME + PROJECT["dependency-groups"]["dev"], everything)):
        for name, version in (requirement.lower().split("==") for requirement in wanted):
            assert pins[name] == version
    assert runtime.items() < everything.items()


def test_the_image_has_nothing_of_milvus_lite() -> None:
    """Together 230 MB of 430."""
    assert not {"milvus-lite", "faiss-cpu", "pyarrow"} & locked("requirements.txt").keys()


def test_what_builds_the_package_is_what_is_locked() -> None:
    assert set(PROJECT["build-system"]["requires"]) <= set(PROJECT["dependency-groups"]["dev"])
