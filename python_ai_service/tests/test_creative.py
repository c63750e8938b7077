import json
import uuid
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from protobuf import Message

from qingyu_ai.creative.author import Brief, Written
from qingyu_ai.creative.embedded_author import EmbeddedAuthor
from qingyu_ai.creative.mending import mend_characters, mend_outline, mend_plot
from qingyu_ai.creative.model_author import ModelAuthor
from qingyu_ai.creative.rules import characters_problems, outline_problems, plot_problems, report_problems
from qingyu_ai.creative.schema import schema_of
from qingyu_ai.creative.workflow import run_workflow
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    AgentExecutionRequest,
    Alliance,
    ChapterData,
    CharacterData,
    CharactersData,
    CharactersRequest,
    Conflict,
    ConflictData,
    CreativeWorkflowRequest,
    DiagnosticIssue,
    DiagnosticReportData,
    GenerateOptions,
    KeyPlotPoints,
    Mentorship,
    OutlineData,
    OutlineRequest,
    PlotData,
    PlotRequest,
    PlotThread,
    RelationshipData,
    RelationshipNetwork,
    StoryArc,
    StoryContextRequest,
    TimelineEventData,
)
from qingyu_ai.llm.openai import OpenAIModel, openai_client
from tests.providers import Provider, openai_says, provider
from tests.running import Running, running

pytestmark = pytest.mark.anyio
TASK = "写一个剑客的故事"


def brief(task: str = TASK) -> Brief:
    return Brief(task=task, workspace={})


async def drafts() -> tuple[OutlineData, CharactersData, PlotData]:
    author = EmbeddedAuthor()
    outline = (await author.outline(brief())).data
    characters = (await author.characters(brief(), outline)).data
    return outline, characters, (await author.plot(brief(), outline, characters)).data


@pytest.mark.parametrize("task", [TASK, "A duel in the rain", "🪶"])
async def test_without_a_model_the_structures_hang_together(task: str) -> None:
    author = EmbeddedAuthor()
    outline = await author.outline(brief(task))
    characters = await author.characters(brief(task), outline.data)
    plot = await author.plot(brief(task), outline.data, characters.data)
    report = await author.review(brief(task), outline.data, characters.data, plot.data)
    assert outline == await author.outline(brief(task))
    assert report.data.passed
    assert report.data.quality_score == 100
    names = {character.name for character in characters.data.characters}
    assert all(set(event.participants) == names for event in plot.data.timeline_events)
    assert all(set(chapter.characters_involved) == names for chapter in outline.data.chapters)
    is_chinese = any("\u4e00" <= char <= "\u9fff" for char in outline.data.chapters[0].title)
    assert is_chinese == (task == TASK)
    assert all(part.tokens > 0 for part in (outline, characters, plot, report))


async def test_without_a_model_a_large_cast_gives_no_larger_plot() -> None:
    outline = OutlineData(title="t", chapters=[chapter(number) for number in range(1, 3001)])
    cast = CharactersData(characters=[CharacterData(character_id=str(each), name=f"n{each}") for each in range(3000)])
    plot = (await EmbeddedAuthor().plot(brief(), outline, cast)).data
    assert len(plot.timeline_events) == 200
    assert all(len(event.participants) == 10 for event in plot.timeline_events)
    assert plot_problems(plot, outline) == []


def chapter(number: int, title: str = "t", summary: str = "s") -> ChapterData:
    return ChapterData(chapter_id=number, title=title, summary=summary)


OUTLINE = OutlineData(title="t", chapters=[chapter(1), chapter(2)])


@pytest.mark.parametrize(
    ("problems", "says"),
    [
        (outline_problems(OutlineData()), ["title: ", "chapters: "]),
        (outline_problems(OutlineData(title="t", chapters=[chapter(1, title="")])), ["chapters[0].title: "]),
        (outline_problems(OutlineData(title="t", chapters=[chapter(1), chapter(1)])), ["chapters: "]),
        (outline_problems(OutlineData(title="t", chapters=[chapter(0)])), ["chapters: "]),
        (
            outline_problems(OutlineData(title="t", chapters=[chapter(1)], story_arc=StoryArc(climax=[3]))),
            ["storyArc: chapter 3"],
        ),
        (characters_problems(CharactersData(), OUTLINE), ["characters: "]),
        (
            characters_problems(CharactersData(characters=[CharacterData(), CharacterData()]), OUTLINE),
            [
                "characters: ",
                "characters[0].characterId: ",
                "characters[0].name: ",
                "characters[1].c",
                "characters[1].n",
            ],
        ),
        (
            characters_problems(
                CharactersData(characters=[CharacterData(character_id="a", name="b", chapters_involved=[9])]), OUTLINE
            ),
            ["characters[0].chaptersInvolved: chapter 9"],
        ),
        (plot_problems(PlotData(), OUTLINE), ["timelineEvents: "]),
        (
            plot_problems(
                PlotData(
                    timeline_events=[TimelineEventData(event_id="e", chapter_id=9)],
                    plot_threads=[PlotThread(events=["f"])],
                ),
                OUTLINE,
            ),
            ["timelineEvents[0].title: ", "timelineEvents[0].chapterId: chapter 9", "plotThreads[0].events: event f"],
        ),
        (
            characters_problems(
                CharactersData(
                    characters=[
                        CharacterData(
                            character_id="a",
                            name="b",
                            first_appearance=9,
                            relationships=[RelationshipData(character="x")],
                        )
                    ],
                    relationship_network=RelationshipNetwork(
                        alliances=[Alliance(members=["a", "y"])],
                        conflicts=[Conflict(parties=["B ", "z"])],
                        mentorships=[Mentorship(mentor="a", student="")],
                    ),
                ),
                OUTLINE,
            ),
            [
                "characters[0].firstAppearance: chapter 9",
                "characters[0].relationships: character x",
                "relationshipNetwork.alliances: character y",
                "relationshipNetwork.conflicts: character z",
                "relationshipNetwork.mentorships: character ",
            ],
        ),
        (
            plot_problems(
                PlotData(
                    timeline_events=[TimelineEventData(event_id="e", title="t")],
                    conflicts=[ConflictData(parties=["命运"], escalation_events=["e", "g"])],
                ),
                OUTLINE,
            ),
            ["conflicts[0].escalationEvents: event g"],
        ),
        (outline_problems(OutlineData(title="t", chapters=[chapter(1, "", "")] * 5_000)), ["chapters["] * 100),
        (report_problems(DiagnosticReportData(passed=False, quality_score=101)), ["qualityScore: ", "issues: "]),
        (outline_problems(OUTLINE), []),
        (report_problems(DiagnosticReportData(passed=True, quality_score=90)), []),
    ],
)
def test_rules_name_the_field(problems: list[str], says: list[str]) -> None:
    assert len(problems) == len(says)
    assert all(problem.startswith(text) for problem, text in zip(problems, says, strict=True))


def test_an_outline_is_mended() -> None:
    unnumbered = OutlineData(title="t", chapters=[chapter(0), chapter(0)], story_arc=StoryArc(setup=[1], climax=[2, 3]))
    mend_outline(unnumbered)
    assert [each.chapter_id for each in unnumbered.chapters] == [1, 2]
    assert unnumbered.story_arc == StoryArc(setup=[1], climax=[2])
    half = OutlineData(title="t", chapters=[chapter(0), chapter(2)])
    mend_outline(half)
    assert outline_problems(half) == ["chapters: each needs a chapterId of its own, from 1"]


def test_characters_are_mended() -> None:
    people = CharactersData(
        characters=[
            CharacterData(name="林青羽", first_appearance=9, chapters_involved=[9, 2, 1]),
            CharacterData(
                name="顾长风",
                first_appearance=1,
                relationships=[RelationshipData(character=who) for who in ("林青羽", " character-1", "父亲", "")],
            ),
        ],
        relationship_network=RelationshipNetwork(
            alliances=[Alliance(members=["林青羽", "character-2", "师父"]), Alliance(members=["林青羽", "师父"])],
            conflicts=[Conflict(parties=["林青羽", "顾长风"]), Conflict(parties=["命运", "顾长风"])],
            mentorships=[
                Mentorship(mentor="顾长风", student="林青羽"),
                Mentorship(mentor="师父", student="林青羽"),
                Mentorship(mentor="顾长风"),
            ],
        ),
    )
    mend_characters(people, OUTLINE)
    first, second = people.characters
    assert [first.character_id, second.character_id] == ["character-1", "character-2"]
    assert (first.first_appearance, list(first.chapters_involved)) == (1, [2, 1])
    assert second.first_appearance == 1
    assert [each.character for each in second.relationships] == ["林青羽", " character-1"]
    assert people.relationship_network == RelationshipNetwork(
        alliances=[Alliance(members=["林青羽", "character-2"])],
        conflicts=[Conflict(parties=["林青羽", "顾长风"])],
        mentorships=[Mentorship(mentor="顾长风", student="林青羽")],
    )
    assert characters_problems(people, OUTLINE) == []


def test_a_plot_is_mended() -> None:
    plot = PlotData(
        timeline_events=[TimelineEventData(title="相遇", chapter_id=1), TimelineEventData(title="决裂", chapter_id=9)],
        plot_threads=[PlotThread(events=["event-1", "决裂", "归来"], starting_event="很久以前")],
        conflicts=[ConflictData(parties=["命运"], escalation_events=["相遇", "x"])],
        key_plot_points=KeyPlotPoints(climax="在雨中"),
    )
    mend_plot(plot, OUTLINE)
    assert plot == PlotData(
        timeline_events=[
            TimelineEventData(event_id="event-1", title="相遇", chapter_id=1),
            TimelineEventData(event_id="event-2", title="决裂"),
        ],
        plot_threads=[PlotThread(events=["event-1", "event-2"], starting_event="很久以前")],
        conflicts=[ConflictData(parties=["命运"], escalation_events=["event-1"])],
        key_plot_points=KeyPlotPoints(climax="在雨中"),
    )
    assert plot_problems(plot, OUTLINE) == []


async def test_what_can_be_mended_is_not_asked_for_again() -> None:
    outline = GOOD.replace("}]}", '}],"storyArc":{"climax":[7]}}')
    with provider(openai_says(outline)) as model:
        assert (await ask_outline(model)).story_arc == StoryArc()
        assert len(model.bodies) == 1


async def test_each_part_that_a_model_writes_is_mended() -> None:
    cast = '{"characters":[{"characterId":"a","name":"林青羽","chaptersInvolved":[1,9]}]}'
    plot = '{"timelineEvents":[{"eventId":"e","title":"相遇","chapterId":9}]}'
    with provider(openai_says(cast), openai_says(plot)) as model:
        async with openai_client("key", f"{model.url}/v1") as client:
            author = ModelAuthor(OpenAIModel(client, "the-model"))
            characters = (await author.characters(brief(), OUTLINE)).data
            written = (await author.plot(brief(), OUTLINE, characters)).data
        assert len(model.bodies) == 2
    assert list(characters.characters[0].chapters_involved) == [1]
    assert written.timeline_events[0].chapter_id == 0


class LongWindedAuthor(EmbeddedAuthor):
    """Does not know what its outline cost, and reviews at length."""

    def __init__(self) -> None:
        self.corrections: list[str] = []

    async def outline(self, brief: Brief) -> Written[OutlineData]:
        self.corrections.append(brief.correction)
        return Written((await super().outline(brief)).data, 0)

    async def review(
        self, brief: Brief, outline: OutlineData, characters: CharactersData, plot: PlotData
    ) -> Written[DiagnosticReportData]:
        issue = DiagnosticIssue(title="t", description="d" * 10_000)
        report = DiagnosticReportData(issues=[issue] * 1000, reasoning_chain=["because"] * 1000)
        return Written(report, 1)


async def test_a_correction_is_told_no_more_than_a_model_heeds() -> None:
    author = LongWindedAuthor()
    workflow = await run_workflow(author, brief(), max_reflections=1, human_review=False)
    assert author.corrections == ["", "\n".join(["t: " + "d" * 497] * 20)]
    assert len(workflow.reasoning) == 2 * (4 + 20)
    # Unknown, as the outline's are.
    assert workflow.tokens_used == 0


async def test_every_rpc_can_be_tried_without_a_model(service: Running) -> None:
    async with service.client() as client:
        outline = await client.generate_outline(OutlineRequest(task=TASK))
        assert outline.outline
        assert outline_problems(outline.outline) == []
        assert outline.execution_time > 0
        characters = await client.generate_characters(CharactersRequest(task=TASK, outline=outline.outline))
        assert characters.characters
        assert characters_problems(characters.characters, outline.outline) == []
        plot = await client.generate_plot(
            PlotRequest(task=TASK, outline=outline.outline, characters=characters.characters)
        )
        assert plot.plot
        assert plot_problems(plot.plot, outline.outline) == []
        # What the caller left out is no reason to fail.
        assert (await client.generate_characters(CharactersRequest(task=TASK))).characters
        assert (await client.generate_plot(PlotRequest(task=TASK))).plot
        workflow = await client.execute_creative_workflow(CreativeWorkflowRequest(task=TASK, max_reflections=3))
        assert str(uuid.UUID(workflow.execution_id)) == workflow.execution_id
        assert (workflow.review_passed, workflow.reflection_count) == (True, 0)
        assert workflow.execution_times.keys() == {"outline", "characters", "plot", "review"}
        assert workflow.tokens_used > 100
        assert workflow.diagnostic_report
        assert workflow.diagnostic_report.correction_strategy == "none"
        for kind in ("creative", "a2a_pipeline", "outline_generation", "chat", "writing"):
            agent = await client.execute_agent(AgentExecutionRequest(workflow_type=kind, parameters={"task": TASK}))
            assert (agent.status, agent.tokens_used > 0, list(agent.errors)) == ("completed", True, [])
            assert json.loads(agent.result)
        story = await client.story_write(
            StoryContextRequest(
                mode="continue", selected_text="雨夜。", instruction="写得更短", options=GenerateOptions(max_tokens=5)
            )
        )
        assert story.content
        assert story.context_stats
        assert (story.context_stats.stage_tokens, story.context_stats.total_tokens) == (8, 8)


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("generate_outline", OutlineRequest(task=" "), "task"),
        ("generate_characters", CharactersRequest(), "task"),
        ("generate_plot", PlotRequest(), "task"),
        ("execute_creative_workflow", CreativeWorkflowRequest(), "task"),
        ("execute_creative_workflow", CreativeWorkflowRequest(task="x", max_reflections=11), "max_reflections"),
        ("execute_creative_workflow", CreativeWorkflowRequest(task="x", max_reflections=-1), "max_reflections"),
        ("execute_agent", AgentExecutionRequest(workflow_type="creative"), "parameters.task"),
        ("execute_agent", AgentExecutionRequest(workflow_type="no", parameters={"task": "x"}), "workflow_type"),
        ("generate_outline", OutlineRequest(task="x" * 1_000_001), "task"),
        ("story_write", StoryContextRequest(mode="continue"), "assembled_prompt, selected_text, instruction"),
        (
            "story_write",
            StoryContextRequest(instruction="x", options=GenerateOptions(max_tokens=-1)),
            "options.max_tokens",
        ),
    ],
)
async def test_wrong_requests_are_refused_by_the_fields_name(
    method: str, request_: Message[Any], field: str, service: Running
) -> None:
    async with service.client() as client:
        with pytest.raises(ConnectError, match=f"invalid_request: {field}: ") as raised:
            await getattr(client, method)(request_)
    assert raised.value.code == Code.INVALID_ARGUMENT


GOOD = '{"title":"听雨","chapters":[{"chapterId":1,"title":"初遇","summary":"相遇"}]}'


async def ask_outline(model: Provider) -> OutlineData:
    with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
        async with service.client() as client:
            answer = await client.generate_outline(OutlineRequest(task=TASK, workspace_context={"genre": "武侠"}))
            assert answer.outline
            return answer.outline


async def test_a_models_outline_is_asked_for_by_its_schema() -> None:
    with provider(openai_says(GOOD)) as model:
        outline = await ask_outline(model)
        assert (outline.title, [chapter.title for chapter in outline.chapters]) == ("听雨", ["初遇"])
        [body] = model.bodies
        schema = schema_of(OutlineData)
        assert body["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "OutlineData", "strict": True, "schema": schema.schema},
        }
        told = [message["content"] for message in body["messages"]]
        assert all(name in told[0] for name in ("JSON Schema", '"estimatedTotalWords"', '"storyArc"', '"cliffhanger"'))
        assert "genre: 武侠" in told[1]
        assert told[2] == TASK


async def test_a_repair_costs_the_tokens_of_both_calls() -> None:
    with provider(openai_says("{}"), openai_says(GOOD)) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
            async with service.client() as client:
                asked = AgentExecutionRequest(workflow_type="outline_generation", parameters={"task": TASK})
                assert (await client.execute_agent(asked)).tokens_used == 36


async def test_an_answer_that_is_wrong_twice_is_an_error_and_never_empty_data() -> None:
    with provider(openai_says("{}")) as model:
        with pytest.raises(ConnectError, match="model_bad_answer: ") as raised:
            await ask_outline(model)
        assert raised.value.code == Code.INTERNAL
        assert len(model.bodies) == 2


def as_json(message: Message[Any]) -> str:
    return message.to_json()


def report(agent: str, *, passed: bool = False) -> str:
    issues = (
        [] if passed else [DiagnosticIssue(title="动机不明", description="主角为何离开？", affected_entities=[agent])]
    )
    return as_json(
        DiagnosticReportData(
            passed=passed,
            quality_score=90 if passed else 40,
            issues=issues,
            affected_agents=[] if passed else [agent],
            correction_strategy="regenerate",
        )
    )


async def workflow_with(*answers: str, **asked: Any) -> tuple[Any, list[dict[str, Any]]]:  # noqa: ANN401
    with provider(*(openai_says(answer) for answer in answers)) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
            async with service.client() as client:
                return await client.execute_creative_workflow(CreativeWorkflowRequest(task=TASK, **asked)), model.bodies


@pytest.mark.parametrize(("agent", "rewritten"), [("outline_agent", 3), ("character_agent", 2), ("plot_agent", 1)])
async def test_a_review_that_finds_something_is_answered_by_a_correction(agent: str, rewritten: int) -> None:
    parts = [as_json(part) for part in await drafts()]
    answers = [*parts, report(agent), *parts[3 - rewritten :], report(agent, passed=True)]
    workflow, bodies = await workflow_with(*answers, max_reflections=3)
    assert (workflow.review_passed, workflow.reflection_count) == (True, 1)
    assert len(bodies) == len(answers)
    # 18 for each call, as the model says.
    assert workflow.tokens_used == 18 * len(answers)
    assert "动机不明: 主角为何离开？" in bodies[4]["messages"][-1]["content"]
    assert workflow.diagnostic_report.quality_score == 90


@pytest.mark.parametrize(("human", "strategy"), [(True, "human_review"), (False, "regenerate")])
async def test_reflections_end_where_the_caller_says(human: bool, strategy: str) -> None:
    parts = [as_json(part) for part in await drafts()]
    answers = [*parts, report("plot_agent"), parts[2], report("plot_agent"), parts[2], report("plot_agent")]
    workflow, bodies = await workflow_with(*answers, max_reflections=2, enable_human_review=human)
    assert (workflow.review_passed, workflow.reflection_count, len(bodies)) == (False, 2, 8)
    assert workflow.diagnostic_report.correction_strategy == strategy
    assert workflow.diagnostic_report.issues[0].title == "动机不明"


async def test_a_story_takes_outline_and_knowledge_from_the_project_unless_its_prompt_is_assembled() -> None:
    with provider(openai_says("好")) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
            (service.folder / "o.txt").write_text("第一幕：相遇。", encoding="utf-8")
            service.run("index", "--project", "p", "--doc-type", "outline", "o.txt")
            async with service.client() as client:
                asked = StoryContextRequest(project_id="p", mode="rewrite", selected_text="相遇", instruction="更短")
                story = await client.story_write(asked)
                assembled = await client.story_write(StoryContextRequest(project_id="p", assembled_prompt="已有一切"))
        first, second = ([message["content"] for message in body["messages"]] for body in model.bodies if body)
    assert first[0].startswith("Rewrite the author's text")
    assert "o: 第一幕：相遇。" in first[0]
    assert "【o】第一幕：相遇。" in first[0]
    assert first[1] == "相遇\n\n更短"
    stats = story.context_stats
    assert stats
    assert min(stats.stage_tokens, stats.outline_tokens, stats.rag_tokens) > 0
    assert stats.total_tokens == stats.stage_tokens + stats.outline_tokens + stats.rag_tokens
    assert second[1] == "已有一切"
    assert "第一幕" not in second[0]
    assert assembled.context_stats
    assert (assembled.context_stats.outline_tokens, assembled.context_stats.rag_tokens) == (0, 0)
    assert (story.model, story.tokens_used) == ("the-model", 18)
