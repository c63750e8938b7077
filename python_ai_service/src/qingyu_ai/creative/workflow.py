"""Outline, characters and plot in one run, reviewed and corrected."""

import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace

from qingyu_ai.creative.author import Author, Brief, M, Written
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    CharactersData,
    CreativeWorkflowResponse,
    DiagnosticReportData,
    OutlineData,
    PlotData,
)

# What a correction is told of a review: more than a model heeds.
_TOLD_ISSUES = 20
_MAX_ISSUE_CHARS = 500
_AGENTS = ("outline_agent", "character_agent", "plot_agent")


@dataclass(slots=True)
class _Run:
    """What has been measured so far; times in seconds by step. The tokens are unknown where one step's are."""

    execution_times: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    tokens: list[int] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)

    async def step(self, name: str, work: Awaitable[Written[M]]) -> M:
        started = time.perf_counter()
        written = await work
        self.execution_times[name] += time.perf_counter() - started
        self.tokens.append(written.tokens)
        self.reasoning.append(f"{name}: written in {time.perf_counter() - started:.2f} s")
        return written.data


async def run_workflow(
    author: Author, brief: Brief, *, max_reflections: int, human_review: bool
) -> CreativeWorkflowResponse:
    """Writes outline, characters and plot, and corrects what a review finds.

    A correction rewrites the earliest part that the review names and all that depends on it.

    Args:
        author: Who writes and reviews; what it raises is raised.
        brief: What is to be written.
        max_reflections: Rounds of correction at most.
        human_review: Whether a person decides about what still does not pass.
    """
    run = _Run()
    outline, characters, plot = OutlineData(), CharactersData(), PlotData()
    report = DiagnosticReportData(affected_agents=list(_AGENTS))
    reflections = -1
    while not report.passed and reflections < max_reflections:
        reflections += 1
        current = replace(brief, correction=_correction(brief, report))
        first = min((_AGENTS.index(agent) for agent in report.affected_agents if agent in _AGENTS), default=0)
        if first == 0:
            outline = await run.step("outline", author.outline(current))
        if first <= 1:
            characters = await run.step("characters", author.characters(current, outline))
        plot = await run.step("plot", author.plot(current, outline, characters))
        report = await run.step("review", author.review(brief, outline, characters, plot))
        run.reasoning += report.reasoning_chain[:_TOLD_ISSUES]
    if report.passed:
        report.correction_strategy = "none"
    elif human_review:
        report.correction_strategy = "human_review"
    return CreativeWorkflowResponse(
        execution_id=str(uuid.uuid4()),
        review_passed=report.passed,
        reflection_count=reflections,
        outline=outline,
        characters=characters,
        plot=plot,
        diagnostic_report=report,
        reasoning=run.reasoning,
        execution_times=dict(run.execution_times),
        tokens_used=sum(run.tokens) if all(run.tokens) else 0,
    )


def _correction(brief: Brief, report: DiagnosticReportData) -> str:
    found = [f"{issue.title}: {issue.description}"[:_MAX_ISSUE_CHARS] for issue in report.issues[:_TOLD_ISSUES]]
    return "\n".join([brief.correction, *found]).strip()
