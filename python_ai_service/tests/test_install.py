import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "python_ai_service/README.md", "python_ai_service/Dockerfile", "deploy/README.md"]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_pip_is_never_asked_for_a_strangers_package(document: str) -> None:
    """A name without a slash is one of the package index, where anybody may have it."""
    text = (ROOT / document).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"pip install +([^&\n`]*)", text):
        words = line.split()
        for before, word in zip(["", *words], words, strict=False):
            if before == "-r":
                assert "$" in word or (ROOT / word).is_file() or (ROOT / document).with_name(word).is_file(), line
            elif not word.startswith("-"):
                is_path = word.startswith("./") and (ROOT / word / "pyproject.toml").is_file()
                assert is_path or word == "." or re.fullmatch(r"[a-z0-9-]+==[0-9.]+|uv", word), line


def test_the_readme_installs_the_service() -> None:
    readme = (ROOT / "python_ai_service/README.md").read_text(encoding="utf-8")
    assert "pip install --no-deps ./python_ai_service\n" in readme


def test_too_old_a_python_is_told_so() -> None:
    too_old = "import sys; sys.version_info = (3, 10, 14, 'final', 0); sys.argv = ['qingyu_ai']; import qingyu_ai"
    result = subprocess.run([sys.executable, "-c", too_old], capture_output=True, text=True, timeout=30, check=False)
    assert (result.returncode, result.stderr) == (1, "qingyu_ai needs Python 3.11 or newer; this is 3.10.14.\n")


def test_what_says_so_can_be_read_by_it() -> None:
    source = (ROOT / "python_ai_service/src/qingyu_ai/__init__.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))
    # Nothing of the package is imported before.
    assert "qingyu_ai" not in source.partition("sys.version_info")[0].partition("import")[2]
