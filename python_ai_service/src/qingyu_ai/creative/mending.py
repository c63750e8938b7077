"""Mends what a language model wrote where the author would lose nothing by it.

A reference to what does not exist is dropped, an element without an id gets one, an event that is named by its title is
named by its id. What is missing (`rules.py`) is not made up here: the model is asked for it.
"""

from collections.abc import Collection, Iterable

from qingyu_ai.creative.rules import names_of, plain
from qingyu_ai.gen.qingyu.ai.ai_service_pb import CharactersData, OutlineData, PlotData, RelationshipNetwork


def mend_outline(outline: OutlineData) -> None:
    """Numbers chapters that have no numbers at all; a single one without is a hole. Drops chapters of the arc."""
    if not any(chapter.chapter_id for chapter in outline.chapters):
        for number, chapter in enumerate(outline.chapters, 1):
            chapter.chapter_id = number
    numbers = {chapter.chapter_id for chapter in outline.chapters}
    if arc := outline.story_arc:
        arc.setup = _known(arc.setup, numbers)
        arc.rising_action = _known(arc.rising_action, numbers)
        arc.climax = _known(arc.climax, numbers)
        arc.falling_action = _known(arc.falling_action, numbers)
        arc.resolution = _known(arc.resolution, numbers)


def mend_characters(characters: CharactersData, outline: OutlineData) -> None:
    """Gives ids where there are none; drops chapters and characters that do not exist."""
    if not any(character.character_id for character in characters.characters):
        for number, character in enumerate(characters.characters, 1):
            character.character_id = f"character-{number}"
    numbers = {chapter.chapter_id for chapter in outline.chapters}
    known = names_of(characters)
    for character in characters.characters:
        if numbers:
            character.chapters_involved = _known(character.chapters_involved, numbers)
            if character.first_appearance not in numbers:
                character.first_appearance = min(character.chapters_involved, default=0)
        character.relationships = [each for each in character.relationships if plain(each.character) in known]
    if characters.relationship_network:
        _mend_network(characters.relationship_network, known)


def mend_plot(plot: PlotData, outline: OutlineData) -> None:
    """Gives ids where there are none; drops chapters and events that do not exist."""
    if not any(event.event_id for event in plot.timeline_events):
        for number, event in enumerate(plot.timeline_events, 1):
            event.event_id = f"event-{number}"
    numbers = {chapter.chapter_id for chapter in outline.chapters}
    for event in plot.timeline_events:
        if numbers and event.chapter_id not in numbers:
            event.chapter_id = 0
    ids = {event.title: event.event_id for event in plot.timeline_events if event.title}
    ids |= {event.event_id: event.event_id for event in plot.timeline_events}
    for thread in plot.plot_threads:
        thread.events = _resolved(thread.events, ids)
    for conflict in plot.conflicts:
        conflict.escalation_events = _resolved(conflict.escalation_events, ids)


def _mend_network(network: RelationshipNetwork, known: Collection[str]) -> None:
    """What is left of an alliance or a conflict needs two who exist; a mentorship both."""
    for alliance in network.alliances:
        alliance.members = _characters(alliance.members, known)
    for conflict in network.conflicts:
        conflict.parties = _characters(conflict.parties, known)
    network.alliances = [alliance for alliance in network.alliances if len(alliance.members) > 1]
    network.conflicts = [conflict for conflict in network.conflicts if len(conflict.parties) > 1]
    network.mentorships = [
        mentorship
        for mentorship in network.mentorships
        if plain(mentorship.mentor) in known and plain(mentorship.student) in known
    ]


def _characters(named: Iterable[str], known: Collection[str]) -> list[str]:
    return [name for name in named if plain(name) in known]


def _known(named: Iterable[int], known: Collection[int]) -> list[int]:
    return [number for number in named if number in known]


def _resolved(named: Iterable[str], ids: dict[str, str]) -> list[str]:
    return [ids[name] for name in named if name in ids]
