"""The documents of a project in the knowledge base that the settings name."""

from collections.abc import Sequence

from qingyu_ai.indexing.catalogue import DocumentKey, Tell
from qingyu_ai.indexing.wire import Listed
from qingyu_ai.knowledge.document import Document
from qingyu_ai.knowledge.knowledge import Knowledge
from qingyu_ai.knowledge.store import Scope


class LocalCatalogue:
    """A `Catalogue` beside the service."""

    def __init__(self, knowledge: Knowledge, scope: Scope) -> None:
        self._knowledge = knowledge
        self._scope = scope

    async def listed(self, *doc_types: str) -> list[Listed]:
        return [Listed.of(stored) for stored in await self._knowledge.store.documents(self._scope, *doc_types)]

    async def put(self, documents: Sequence[Document], tell: Tell) -> int:
        stored = 0

        def progress(done: int, every: int, document: Document) -> None:
            nonlocal stored
            stored += done == every
            number = stored if done == every else stored + 1
            passages = every if done == every else f"{done} of {every}"
            tell(f"{number}/{len(documents)}  {document.doc_type} {document.id}: {passages} passages")

        return await self._knowledge.index(self._scope, documents, progress)

    async def remove(self, documents: Sequence[DocumentKey]) -> int:
        return await self._knowledge.store.remove(self._scope, documents)
