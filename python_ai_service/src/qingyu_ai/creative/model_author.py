"""The author that asks a language model."""

from protobuf import Message as ProtoMessage

from qingyu_ai.creative.author import Brief, Written
from qingyu_ai.creative.mending import mend_characters, mend_outline, mend_plot
from qingyu_ai.creative.rules import characters_problems, outline_problems, plot_problems, report_problems
from qingyu_ai.creative.structured import write_structured
from qingyu_ai.gen.qingyu.ai.ai_service_pb import CharactersData, DiagnosticReportData, OutlineData, PlotData
from qingyu_ai.generation import Message, Writer

_OUTLINE = "You plan novels. Write the outline of the novel that the author wants, in the author's language."
_CHARACTERS = "You design characters. Write the characters for this outline, in the author's language."
_PLOT = (
    "You build plots. Write the plot for this outline and these characters, in the author's language. eventType is one "
    "of 铺垫, 冲突, 发展, 转折, 高潮, 结局; a conflict's type one of 人物冲突, 内心冲突, 环境冲突; "
    "a thread's type main or subplot."
)
_REVIEW = (
    "You edit novels. Judge whether outline, characters and plot fit the task and one another. Severity is one of "
    "critical, high, medium, low; category one of consistency, completeness, rationality, quality; correctionStrategy "
    "one of regenerate, incremental_fix, none; affectedAgents names out of outline_agent, character_agent, plot_agent."
)


class ModelAuthor:
    """See `Author`.

    Args:
        model: Who writes.
    """

    def __init__(self, model: Writer) -> None:
        self._model = model

    async def outline(self, brief: Brief) -> Written[OutlineData]:
        """One or two calls of the model, as all methods here."""

        def settle(written: OutlineData) -> list[str]:
            mend_outline(written)
            return outline_problems(written)

        return await write_structured(self._model, _messages(_OUTLINE, brief), OutlineData, settle)

    async def characters(self, brief: Brief, outline: OutlineData) -> Written[CharactersData]:
        """See `Author`."""
        messages = _messages(_CHARACTERS, brief, outline=outline)

        def settle(written: CharactersData) -> list[str]:
            mend_characters(written, outline)
            return characters_problems(written, outline)

        return await write_structured(self._model, messages, CharactersData, settle)

    async def plot(self, brief: Brief, outline: OutlineData, characters: CharactersData) -> Written[PlotData]:
        """See `Author`."""
        messages = _messages(_PLOT, brief, outline=outline, characters=characters)

        def settle(written: PlotData) -> list[str]:
            mend_plot(written, outline)
            return plot_problems(written, outline)

        return await write_structured(self._model, messages, PlotData, settle)

    async def review(
        self, brief: Brief, outline: OutlineData, characters: CharactersData, plot: PlotData
    ) -> Written[DiagnosticReportData]:
        """See `Author`."""
        messages = _messages(_REVIEW, brief, outline=outline, characters=characters, plot=plot)
        return await write_structured(self._model, messages, DiagnosticReportData, report_problems)


def _messages(role: str, brief: Brief, **given: ProtoMessage) -> tuple[Message, ...]:
    parts = [role, brief.knowledge, *(f"{name}: {text}" for name, text in brief.workspace.items())]
    parts += [f"{name}: {message.to_json()}" for name, message in given.items()]
    system = Message("system", "\n\n".join(part for part in parts if part))
    correction = f"\n\nBetter than before: {brief.correction}" if brief.correction else ""
    return (system, Message("user", brief.task + correction))
