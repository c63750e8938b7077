"""What a structure must have to be worth anything. Each rule gives sentences that name the field."""

from collections.abc import Iterable

from qingyu_ai.gen.qingyu.ai.ai_service_pb import CharactersData, DiagnosticReportData, OutlineData, PlotData


def outline_problems(outline: OutlineData) -> list[str]:
    """A title, and numbered chapters with title and summary that the arc refers to."""
    problems = _missing({"title": outline.title, "chapters": outline.chapters})
    for index, chapter in enumerate(outline.chapters):
        problems += _missing({"title": chapter.title, "summary": chapter.summary}, f"chapters[{index}].")
    numbers = [chapter.chapter_id for chapter in outline.chapters]
    if len(set(numbers)) < len(numbers) or any(number < 1 for number in numbers):
        problems.append("chapters: each needs a chapterId of its own, from 1")
    if outline.story_arc:
        arc = outline.story_arc
        named = [*arc.setup, *arc.rising_action, *arc.climax, *arc.falling_action, *arc.resolution]
        problems += _unknown("storyArc: chapter", named, numbers)
    return problems


def characters_problems(characters: CharactersData, outline: OutlineData) -> list[str]:
    """At least one character, each with an id of its own and a name, in chapters that exist."""
    problems = _missing({"characters": characters.characters})
    ids = [character.character_id for character in characters.characters]
    if len(set(ids)) < len(ids):
        problems.append("characters: each needs a characterId of its own")
    numbers = [chapter.chapter_id for chapter in outline.chapters]
    for index, character in enumerate(characters.characters):
        at = f"characters[{index}]."
        problems += _missing({"characterId": character.character_id, "name": character.name}, at)
        if numbers:
            problems += _unknown(f"{at}chaptersInvolved: chapter", character.chapters_involved, numbers)
    return problems


def plot_problems(plot: PlotData, outline: OutlineData) -> list[str]:
    """At least one event, each with an id of its own and a title; threads and events refer to what exists."""
    problems = _missing({"timelineEvents": plot.timeline_events})
    ids = [event.event_id for event in plot.timeline_events]
    if len(set(ids)) < len(ids):
        problems.append("timelineEvents: each needs an eventId of its own")
    numbers = [chapter.chapter_id for chapter in outline.chapters]
    for index, event in enumerate(plot.timeline_events):
        at = f"timelineEvents[{index}]."
        problems += _missing({"eventId": event.event_id, "title": event.title}, at)
        if numbers and event.chapter_id:
            problems += _unknown(f"{at}chapterId: chapter", [event.chapter_id], numbers)
    for index, thread in enumerate(plot.plot_threads):
        problems += _unknown(f"plotThreads[{index}].events: event", thread.events, ids)
    return problems


def report_problems(report: DiagnosticReportData) -> list[str]:
    """A score of 0 to 100, and issues where it did not pass."""
    problems = []
    if not 0 <= report.quality_score <= 100:
        problems.append("qualityScore: must be from 0 to 100")
    if not report.passed and not report.issues:
        problems.append("issues: must say why it did not pass")
    return problems


def _missing(fields: dict[str, object], at: str = "") -> list[str]:
    return [f"{at}{name}: is empty" for name, value in fields.items() if not value]


def _unknown(what: str, named: Iterable[object], known: Iterable[object]) -> list[str]:
    there = set(known)
    return [f"{what} {item} does not exist" for item in named if item not in there]
