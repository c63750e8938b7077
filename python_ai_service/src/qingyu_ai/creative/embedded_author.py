"""The author without a model: small structures that hang together, always the same for the same task.

It writes the same as the Node stand-in of `npm run dev` (dev/embedded-author.ts); a contract test compares the two.
"""

import re

from qingyu_ai.creative.author import Brief, M, Written
from qingyu_ai.creative.rules import characters_problems, outline_problems, plot_problems
from qingyu_ai.embedded import fnv1a
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    BackgroundData,
    ChapterData,
    CharacterData,
    CharactersData,
    Conflict,
    ConflictData,
    DevelopmentArc,
    DiagnosticIssue,
    DiagnosticReportData,
    EventImpact,
    KeyPlotPoints,
    Mentorship,
    OutlineData,
    PersonalityData,
    PlotData,
    PlotThread,
    RelationshipData,
    RelationshipNetwork,
    StoryArc,
    TimelineEventData,
)
from qingyu_ai.tokens import HAN, pieces_of

_TITLE_CHARS = 20
_WORDS_PER_CHAPTER = 3000
_LEADS = 10
_PLOTTED_CHAPTERS = 200
_HASHED_CHARS = 1000


class EmbeddedAuthor:
    """See `Author`."""

    async def outline(self, brief: Brief) -> Written[OutlineData]:
        """Five chapters along the five parts of a story."""
        say = _Language(brief.task)
        hero, rival = _names(brief.task)
        parts = say.parts()
        chapters = [
            ChapterData(
                chapter_id=number,
                title=say(f"第{number}章 {part}", f"Chapter {number}: {part}"),
                summary=say(f"{hero}与{rival}的故事：{part}。", f"{hero} and {rival}: {part}."),
                key_events=[say(f"{hero}面对{part}", f"{hero} faces the {part}")],
                characters_involved=[hero, rival],
                conflict_type=say("人物冲突", "between people"),
                emotional_tone=say("由静入动", "from calm to storm"),
                estimated_word_count=_WORDS_PER_CHAPTER,
                chapter_goal=say(f"推进到{part}之后", f"to get beyond the {part}"),
                cliffhanger=say("门外响起了脚步声。", "Steps sounded outside the door."),
            )
            for number, part in enumerate(parts, 1)
        ]
        outline = OutlineData(
            title=brief.task.strip()[:_TITLE_CHARS],
            genre=say("长篇小说", "novel"),
            core_theme=say("选择与代价", "choices and their price"),
            target_audience=say("成年读者", "adults"),
            estimated_total_words=_WORDS_PER_CHAPTER * len(parts),
            chapters=chapters,
            story_arc=StoryArc(setup=[1], rising_action=[2], climax=[3], falling_action=[4], resolution=[5]),
        )
        return _written(brief, outline)

    async def characters(self, brief: Brief, outline: OutlineData) -> Written[CharactersData]:
        """Two people who stand against each other."""
        say = _Language(brief.task)
        hero, rival = _names(brief.task)
        numbers = [chapter.chapter_id for chapter in outline.chapters] or [1]
        people = [(hero, rival, "protagonist", 24), (rival, hero, "antagonist", 31)]
        characters = [
            CharacterData(
                character_id=f"character-{index}",
                name=name,
                role_type=role,
                importance="major",
                age=age,
                gender=say("女", "female") if index == 1 else say("男", "male"),
                appearance=say("青衣，目光沉静。", "Plain clothes and a calm look."),
                personality=PersonalityData(
                    traits=[say("坚韧", "tough")],
                    strengths=[say("守信", "true to a word")],
                    weaknesses=[say("多疑", "slow to trust")],
                    core_values=say("自由", "freedom"),
                    fears=say("遗忘", "being forgotten"),
                ),
                background=BackgroundData(
                    summary=say(f"{name}自小在河边长大。", f"{name} grew up by the river."),
                    family=say("父母早逝", "parents died early"),
                    education=say("私塾三年", "three years of school"),
                    key_experiences=[say("一场大雨", "a great rain")],
                ),
                motivation=say("找回失去的信", "to find the lost letter"),
                relationships=[
                    RelationshipData(
                        character=other,
                        relation_type="rival",
                        description=say("旧识，如今立场相反", "old friends on two sides"),
                        dynamics=say("由敌意到理解", "from enmity to understanding"),
                    )
                ],
                development_arc=DevelopmentArc(
                    starting_point=say("回避", "avoiding"),
                    turning_points=[say("读到旧信", "reads the old letter")],
                    ending_point=say("承担", "bearing it"),
                    growth_theme=say("成长", "growth"),
                ),
                role_in_story=role,
                first_appearance=numbers[0],
                chapters_involved=numbers,
            )
            for index, (name, other, role, age) in enumerate(people, 1)
        ]
        network = RelationshipNetwork(
            conflicts=[Conflict(parties=[hero, rival])], mentorships=[Mentorship(mentor=rival, student=hero)]
        )
        return _written(brief, CharactersData(characters=characters, relationship_network=network))

    async def plot(self, brief: Brief, outline: OutlineData, characters: CharactersData) -> Written[PlotData]:
        """One event for each of the first 200 chapters, on one thread."""
        say = _Language(brief.task)
        # Each takes part in each event: with all of a large cast that would be millions of names.
        names = [character.name for character in characters.characters[:_LEADS]] or list(_names(brief.task))
        chapters = outline.chapters[:_PLOTTED_CHAPTERS] or [ChapterData(chapter_id=1, title=brief.task[:_TITLE_CHARS])]
        ids = [f"event-{number}" for number, _ in enumerate(chapters, 1)]
        kinds = ("铺垫", "冲突", "高潮", "转折", "结局")
        events = [
            TimelineEventData(
                event_id=event_id,
                timestamp=say(f"第{number}日", f"day {number}"),
                location=say("河边小城", "the town by the river"),
                title=chapter.title,
                description=chapter.summary or chapter.title,
                participants=names,
                event_type=kinds[min(number, len(kinds)) - 1],
                impact=EventImpact(
                    on_plot=say("局势再变", "things change again"),
                    on_characters={name: say("更近真相", "closer to the truth") for name in names},
                    emotional_impact=say("不安", "unrest"),
                ),
                causes=ids[number - 2 : number - 1] if number > 1 else [],
                consequences=ids[number : number + 1],
                chapter_id=chapter.chapter_id,
            )
            for number, (event_id, chapter) in enumerate(zip(ids, chapters, strict=True), 1)
        ]
        middle = ids[len(ids) // 2]
        thread = PlotThread(
            thread_id="thread-1",
            title=say("主线", "main thread"),
            description=say("一封旧信引出的故事", "what an old letter leads to"),
            type="main",
            events=ids,
            starting_event=ids[0],
            climax_event=middle,
            resolution_event=ids[-1],
            characters_involved=names,
        )
        conflict = ConflictData(
            conflict_id="conflict-1",
            type="人物冲突",
            parties=names,
            description=say("信该不该公开", "whether the letter may be read"),
            escalation_events=ids[:-1],
            resolution_event=ids[-1],
        )
        points = KeyPlotPoints(
            inciting_incident=ids[0],
            plot_point_1=ids[min(1, len(ids) - 1)],
            midpoint=middle,
            plot_point_2=ids[max(0, len(ids) - 2)],
            climax=middle,
            resolution=ids[-1],
        )
        plot = PlotData(timeline_events=events, plot_threads=[thread], conflicts=[conflict], key_plot_points=points)
        return _written(brief, plot)

    async def review(
        self, brief: Brief, outline: OutlineData, characters: CharactersData, plot: PlotData
    ) -> Written[DiagnosticReportData]:
        """Checks the rules that a program can check."""
        found = {
            "outline_agent": outline_problems(outline),
            "character_agent": characters_problems(characters, outline),
            "plot_agent": plot_problems(plot, outline),
        }
        issues = [
            DiagnosticIssue(
                id=f"issue-{number}",
                severity="high",
                category="consistency",
                title=problem,
                description=problem,
                affected_entities=[agent],
            )
            for number, (agent, problem) in enumerate(
                ((agent, problem) for agent, problems in found.items() for problem in problems), 1
            )
        ]
        report = DiagnosticReportData(
            passed=not issues,
            quality_score=max(0, 100 - 10 * len(issues)),
            issues=issues,
            correction_strategy="regenerate" if issues else "none",
            affected_agents=[agent for agent, problems in found.items() if problems],
            reasoning_chain=[f"{agent}: {len(problems)} problems" for agent, problems in found.items()],
        )
        return _written(brief, report)


class _Language:
    """Says the Chinese or the English of two texts, as the task is written."""

    def __init__(self, task: str) -> None:
        self._is_chinese = re.search(f"[{HAN}]", task) is not None

    def __call__(self, chinese: str, english: str) -> str:
        return chinese if self._is_chinese else english

    def parts(self) -> tuple[str, ...]:
        if self._is_chinese:
            return ("相遇", "追寻", "决裂", "醒悟", "归来")
        return ("meeting", "search", "breach", "awakening", "return")


def _names(task: str) -> tuple[str, str]:
    say = _Language(task)
    heroes = (say("林青羽", "Mara"), say("沈知微", "Elin"), say("苏晚", "Tess"))
    rivals = (say("顾长风", "Corvin"), say("陆沉", "Aldous"), say("谢惊蛰", "Bram"))
    seed = fnv1a(task[:_HASHED_CHARS])
    return heroes[seed % len(heroes)], rivals[seed // len(heroes) % len(rivals)]


def _written(brief: Brief, data: M) -> Written[M]:
    return Written(data, len(pieces_of(brief.task)) + len(pieces_of(data.to_json())))
