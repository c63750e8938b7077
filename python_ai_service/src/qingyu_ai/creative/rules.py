"""What a structure must have to be worth anything. Each rule gives sentences that name the field.

The dangling references among them can be mended (`mending.py`); the rest only its author can repair. Words that look
like enums are open sets, and some texts may name what is no element: a plot's conflict can be with fate, a crowd takes
part in an event, and a cause, a turning point or a key plot point may be told in words. None of them is a problem.
"""

from collections.abc import Collection, Iterable

from qingyu_ai.gen.qingyu.ai.ai_service_pb import CharactersData, DiagnosticReportData, OutlineData, PlotData

# A model is told twenty; a caller's structure may have one in each of its elements.
_MAX_PROBLEMS = 100


def outline_problems(outline: OutlineData) -> list[str]:
    """A title, and numbered chapters with title and summary that the arc refers to."""
    problems = _missing({"title": outline.title, "chapters": outline.chapters})
    for index, chapter in enumerate(outline.chapters):
        problems += _missing({"title": chapter.title, "summary": chapter.summary}, f"chapters[{index}].")
    numbers = {chapter.chapter_id for chapter in outline.chapters}
    if len(numbers) < len(outline.chapters) or any(number < 1 for number in numbers):
        problems.append("chapters: each needs a chapterId of its own, from 1")
    if outline.story_arc:
        arc = outline.story_arc
        for part in (arc.setup, arc.rising_action, arc.climax, arc.falling_action, arc.resolution):
            problems += _unknown("storyArc: chapter", part, numbers)
    return problems[:_MAX_PROBLEMS]


def characters_problems(characters: CharactersData, outline: OutlineData) -> list[str]:
    """At least one character, each with an id of its own and a name; chapters and characters that exist."""
    problems = _missing({"characters": characters.characters})
    ids = {character.character_id for character in characters.characters}
    if len(ids) < len(characters.characters):
        problems.append("characters: each needs a characterId of its own")
    numbers = {chapter.chapter_id for chapter in outline.chapters}
    known = names_of(characters)
    for index, character in enumerate(characters.characters):
        at = f"characters[{index}]."
        problems += _missing({"characterId": character.character_id, "name": character.name}, at)
        if numbers:
            first = [character.first_appearance] if character.first_appearance else []
            problems += _unknown(f"{at}firstAppearance: chapter", first, numbers)
            problems += _unknown(f"{at}chaptersInvolved: chapter", character.chapters_involved, numbers)
        others = (plain(relationship.character) for relationship in character.relationships)
        problems += _unknown(f"{at}relationships: character", others, known)
        if len(problems) > _MAX_PROBLEMS:
            break
    return (problems + _network_problems(characters, known))[:_MAX_PROBLEMS]


def plot_problems(plot: PlotData, outline: OutlineData) -> list[str]:
    """At least one event, each with an id of its own and a title; chapters and events that exist."""
    problems = _missing({"timelineEvents": plot.timeline_events})
    ids = {event.event_id for event in plot.timeline_events}
    if len(ids) < len(plot.timeline_events):
        problems.append("timelineEvents: each needs an eventId of its own")
    numbers = {chapter.chapter_id for chapter in outline.chapters}
    for index, event in enumerate(plot.timeline_events):
        at = f"timelineEvents[{index}]."
        problems += _missing({"eventId": event.event_id, "title": event.title}, at)
        if numbers and event.chapter_id:
            problems += _unknown(f"{at}chapterId: chapter", [event.chapter_id], numbers)
    for index, thread in enumerate(plot.plot_threads):
        problems += _unknown(f"plotThreads[{index}].events: event", thread.events, ids)
    for index, conflict in enumerate(plot.conflicts):
        problems += _unknown(f"conflicts[{index}].escalationEvents: event", conflict.escalation_events, ids)
    return problems[:_MAX_PROBLEMS]


def report_problems(report: DiagnosticReportData) -> list[str]:
    """A score of 0 to 100, and issues where it did not pass."""
    problems = []
    if not 0 <= report.quality_score <= 100:
        problems.append("qualityScore: must be from 0 to 100")
    if not report.passed and not report.issues:
        problems.append("issues: must say why it did not pass")
    return problems


def names_of(characters: CharactersData) -> set[str]:
    """By what characters can be referred to: ids and names, as `plain` has them."""
    return {plain(each) for who in characters.characters for each in (who.character_id, who.name) if each}


def plain(name: str) -> str:
    """A name without differences that mean nothing."""
    return name.strip().casefold()


def _network_problems(characters: CharactersData, known: set[str]) -> list[str]:
    network = characters.relationship_network
    if network is None:
        return []
    named = {
        "alliances": (member for alliance in network.alliances for member in alliance.members),
        "conflicts": (party for conflict in network.conflicts for party in conflict.parties),
        "mentorships": (each for mentorship in network.mentorships for each in (mentorship.mentor, mentorship.student)),
    }
    return [
        problem
        for field, who in named.items()
        for problem in _unknown(f"relationshipNetwork.{field}: character", map(plain, who), known)
    ]


def _missing(fields: dict[str, object], at: str = "") -> list[str]:
    return [f"{at}{name}: is empty" for name, value in fields.items() if not value]


def _unknown(what: str, named: Iterable[object], known: Collection[object]) -> list[str]:
    problems: list[str] = []
    for item in named:
        if item not in known:
            problems.append(f"{what} {str(item)[:60]} does not exist")
            if len(problems) == _MAX_PROBLEMS:
                break
    return problems
