"""What can be indexed."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# Bounds that keep what is stored beside each passage below Milvus's 64 KiB.
Name = Annotated[str, Field(min_length=1, max_length=200)]
Names = Annotated[tuple[Name, ...], Field(max_length=30)]


class Document(BaseModel):
    """One text of a project; its shape is also that of the `.json` and `.jsonl` files that `index` reads.

    Attributes:
        id: Unique within the project and type; indexing it again replaces it.
        doc_type: chapter, character, timeline, outline, world, or any other word.
        order: Place of a chapter in the novel, from 1; 0 = unknown.
        chapter_id: The chapter that the text belongs to; of a chapter, its own id.
        character_ids: Who appears in it; of a character, its own id is added.
        timeline_ids: The events that it tells of; of an event, its own id is added.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Name
    doc_type: str = Field("chapter", min_length=1, max_length=64)
    title: str = Field("", max_length=500)
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    summary: str = Field("", max_length=2000)
    order: int = Field(0, ge=0)
    chapter_id: str = Field("", max_length=200)
    character_ids: Names = ()
    timeline_ids: Names = ()
    alias: Names = ()
    traits: Names = ()
    background: str = Field("", max_length=2000)
    impact: str = Field("", max_length=2000)
    participants: Names = ()
    level: int = Field(0, ge=0)
    settings: Annotated[dict[Name, Name], Field(max_length=30)] = {}

    def labels(self) -> list[str]:
        """What a search can filter by, as `kind:value`."""
        own: dict[str, list[str]] = {"chapter": [], "character": [], "timeline": []} | {self.doc_type: [self.id]}
        chapters = [self.chapter_id] if self.chapter_id else own["chapter"]
        return [
            label("doc_type", self.doc_type),
            *(label("chapter", chapter) for chapter in chapters),
            *(label("character", character) for character in (*self.character_ids, *own["character"])),
            *(label("timeline", event) for event in (*self.timeline_ids, *own["timeline"])),
        ]


def label(kind: str, value: str) -> str:
    """One thing that a search can filter by."""
    return f"{kind}:{value}"
