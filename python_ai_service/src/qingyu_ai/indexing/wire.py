"""The shapes of the administration's requests and answers, for both of its ends."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from qingyu_ai.callers import TENANT
from qingyu_ai.knowledge.document import Document, Name
from qingyu_ai.knowledge.store import Stored

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_DOCUMENTS = 1_000
MAX_KEYS = 50_000
PATH = "/api/v1/knowledge"


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tenant: Annotated[str, Field(pattern=TENANT)] | None = None
    project: Name


class Key(BaseModel):
    """What names a document within its project."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    doc_type: Annotated[str, Field(min_length=1, max_length=64)]
    id: Name


class PutRequest(_Request):
    """Documents that take the places of those with their types and ids."""

    documents: Annotated[list[Document], Field(min_length=1, max_length=MAX_DOCUMENTS)]


class PutAnswer(BaseModel):
    """How many documents were indexed, as how many passages."""

    indexed: int
    passages: int


class RemoveRequest(_Request):
    """Either the documents that go, or those that stay when all others go."""

    documents: Annotated[list[Key], Field(max_length=MAX_KEYS)] | None = None
    keep: Annotated[list[Key], Field(max_length=MAX_KEYS)] | None = None

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if (self.documents is None) == (self.keep is None):
            raise ValueError("give either documents or keep")
        return self


class RemoveAnswer(BaseModel):
    """How many documents were there and are gone."""

    removed: int


class Listed(BaseModel):
    """An indexed document; the digest is that of the whole document as it was given."""

    doc_type: str
    id: str
    title: str
    order: int
    passages: int
    digest: str

    @classmethod
    def of(cls, stored: Stored) -> Self:
        """What a list tells of a document."""
        document = stored.document
        return cls(
            doc_type=document.doc_type,
            id=document.id,
            title=document.title,
            order=document.order,
            passages=stored.passages,
            digest=stored.digest,
        )


class ListAnswer(BaseModel):
    """The documents of a project, by type, order and id."""

    documents: list[Listed]


def in_order(documents: list[Listed]) -> list[Listed]:
    """By type, place and id."""
    return sorted(documents, key=lambda document: (document.doc_type, document.order, document.id))
