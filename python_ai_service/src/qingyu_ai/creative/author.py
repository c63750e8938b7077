"""Who writes structures: outline, characters, plot and their review."""

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from protobuf import Message

from qingyu_ai.gen.qingyu.ai.ai_service_pb import CharactersData, DiagnosticReportData, OutlineData, PlotData

M = TypeVar("M", bound=Message[Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What is to be written.

    Attributes:
        task: The author's words; never empty.
        knowledge: Passages of the project, ready to be read by a model.
        workspace: What the caller told about the project, by name.
        correction: What to do better than in the attempt before; empty on the first one.
    """

    task: str
    knowledge: str = ""
    workspace: dict[str, str]
    correction: str = ""


@dataclass(frozen=True, slots=True)
class Written(Generic[M]):
    """A structure that keeps the rules, and the tokens that it took; 0 = unknown."""

    data: M
    tokens: int


class Author(Protocol):
    """Every method raises `ServiceError`s only, and never gives empty data."""

    async def outline(self, brief: Brief) -> Written[OutlineData]:
        """The outline of a novel."""
        ...

    async def characters(self, brief: Brief, outline: OutlineData) -> Written[CharactersData]:
        """The characters for an outline."""
        ...

    async def plot(self, brief: Brief, outline: OutlineData, characters: CharactersData) -> Written[PlotData]:
        """The plot for an outline and its characters."""
        ...

    async def review(
        self, brief: Brief, outline: OutlineData, characters: CharactersData, plot: PlotData
    ) -> Written[DiagnosticReportData]:
        """Whether the three fit the task and one another."""
        ...
