from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Place, Running, running


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def service() -> Iterator[Running]:
    """A service with no settings but its ports, for tests that change nothing of it."""
    with running() as started:
        yield started


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Where commands run without a service."""
    return Place({}, tmp_path)
