"""Brings a project's knowledge up to date, wherever it is."""

from collections.abc import Callable, Sequence
from typing import Protocol

from qingyu_ai.indexing.wire import Listed
from qingyu_ai.knowledge.document import Document
from qingyu_ai.knowledge.store import Stored

Tell = Callable[[str], None]
# Of those that had another title.
_SHOWN = 5
DocumentKey = tuple[str, str]


class Catalogue(Protocol):
    """The documents of one project. Every method raises `ServiceError`."""

    async def listed(self, *doc_types: str) -> list[Listed]:
        """All documents of some types, of all where none is named; in no order."""
        ...

    async def put(self, documents: Sequence[Document], tell: Tell) -> int:
        """Puts documents in the places of those with their types and ids; the number of passages."""
        ...

    async def remove(self, documents: Sequence[DocumentKey]) -> int:
        """Removes documents by type and id; how many were there."""
        ...


async def update(catalogue: Catalogue, project: str, documents: Sequence[Document], *, prune: bool, tell: Tell) -> None:
    """Indexes what is new or changed, and tells how that goes.

    Args:
        catalogue: The project's.
        project: Its name, for a person.
        documents: Each with a type and id of its own.
        prune: Whether all other documents of the project are removed.
        tell: Is told lines for a person.

    Raises `ServiceError`; what was indexed until then stays, so that the same call goes on from there.
    """
    known = {(document.doc_type, document.id): document for document in await catalogue.listed()}
    changed = [
        (before, document)
        for document in documents
        if (before := known.get((document.doc_type, document.id))) is None
        or before.digest != Stored.of(document).digest
    ]
    unchanged = len(documents) - len(changed)
    passages = await catalogue.put([document for _, document in changed], tell) if changed else 0
    tell(f"Indexed {len(changed)} documents, {passages} passages, for project {project}.")
    replaced = [(before, document) for before, document in changed if before]
    if replaced:
        tell(f"{len(replaced)} of them replaced what had their ids.")
    # Most likely another text, from another folder: its place below its own folder is the same.
    others_place = [(before, document) for before, document in replaced if before.title != document.title]
    for before, document in others_place[:_SHOWN]:
        tell(f"Warning: {document.doc_type} {document.id} was {before.title} and is now {document.title}.")
    if others_place:
        tell(f"Warning: {len(others_place)} had another title; to keep both, --root names a folder above both.")
    if unchanged:
        tell(f"{unchanged} documents had not changed.")
    others = sorted(known.keys() - {(document.doc_type, document.id) for document in documents})
    if prune:
        tell(f"Removed {await catalogue.remove(others) if others else 0} other documents.")
    elif others:
        tell(f"{len(others)} other documents of the project stay; --prune removes them.")
