"""What a project knows: indexing and search."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from array import array
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from qingyu_ai.embedding.embedder import Embedder
from qingyu_ai.embedding.prefixes import Prefixes
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.knowledge.document import Document
from qingyu_ai.knowledge.fusion import fused
from qingyu_ai.knowledge.ranking import is_related
from qingyu_ai.knowledge.split import split
from qingyu_ai.knowledge.store import Entry, Hit, KnowledgeStore, Passage, Scope, Wanted, head_of
from qingyu_ai.tokens import cut_to_tokens, estimate_tokens

_log = logging.getLogger(__name__)
A = TypeVar("A")

PASSAGES_BUDGET_TOKENS = 2000
OUTLINE_BUDGET_TOKENS = 2000
_PASSAGES_TIMEOUT_S = 2.0
_LEFT_ALONE_S = 10.0
_TIMEOUTS_IN_A_ROW = 3
# The end of a prompt says what is wanted now; for its terms less of it is enough.
_QUERY_CHARS = 2000
_TERMS_CHARS = 400
_PASSAGES_PER_BATCH = 256
_CANDIDATES = 50
_NO_PREFIXES = Prefixes()
_HEADING = "本作品的资料，请与之保持一致 (facts of this work; stay consistent with them):"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model should know before it writes.

    `state` is `used` where there is a text, `none` where nothing is known, `unavailable` where the answer has to do
    without what may be known.
    """

    text: str = ""
    state: Literal["used", "none", "unavailable"] = "none"


def _say_nothing(_done: int, _all: int, _document: Document) -> None:
    return


class Knowledge:
    """The knowledge base with the embedder that fills and asks it.

    Args:
        store: Where passages and their vectors are.
        embedder: The embedder whose model the store was made for.
        top_k: How many passages a search gives where nobody says.
        prefixes: What texts begin with before they are embedded.
    """

    def __init__(
        self, store: KnowledgeStore, embedder: Embedder, top_k: int, prefixes: Prefixes = _NO_PREFIXES
    ) -> None:
        self.store = store
        self._embedder = embedder
        self._top_k = top_k
        self._prefixes = prefixes
        self._left_alone_until_s = 0.0
        self._timeouts = 0

    async def index(
        self, scope: Scope, documents: Sequence[Document], tell: Callable[[int, int, Document], None] = _say_nothing
    ) -> int:
        """Splits, embeds and stores documents, each in the place of the one with its type and id; how many passages.

        Args:
            scope: Whose.
            documents: What; small ones are embedded and stored together.
            tell: Called with how many of a document's passages are embedded, how many it has, and the document. Equal
                numbers come once for each document, when it is stored.

        Raises what embedder and store raise; what the embedder raises leaves the old documents as they were.
        """
        total = 0
        for batch in _batches(documents):
            texts = [text for _, texts in batch for text in texts]
            vectors: list[array[float] | None] = []
            for start in range(0, len(texts), _PASSAGES_PER_BATCH):
                vectors += await self._vectors(texts[start : start + _PASSAGES_PER_BATCH])
                if len(vectors) < len(texts):
                    tell(len(vectors), len(texts), batch[0][0])
            passages = iter([Passage(text, vector) for text, vector in zip(texts, vectors, strict=True)])
            entries = [Entry(document, [next(passages) for _ in own]) for document, own in batch]
            await self.store.replace(scope, entries)
            for entry in entries:
                tell(len(entry.passages), len(entry.passages), entry.document)
            total += len(texts)
        await self.store.finish(scope)
        return total

    async def search(
        self,
        scope: Scope,
        query: str,
        top_k: int = 0,
        filters: Sequence[Sequence[str]] = (),
        before_chapter: str = "",
    ) -> list[Hit]:
        """The passages that fit a query, best first, each with a score from 0 to 1.

        With the embedded embedder the score is the share of the query's weight that a passage has (see
        `KnowledgeStore.matching`); with a model it tells how high terms and vectors rank the passage, 1 where it is the
        first of both.

        Args:
            scope: Whose.
            query: Its last 2000 characters count, of its terms those of the last 400.
            top_k: 1 to 100; 0 is the default.
            filters: See `Wanted.labels`.
            before_chapter: See `Wanted.before_chapter`.

        Raises what embedder and store raise.
        """
        wanted = Wanted(filters, before_chapter)
        limit = top_k or self._top_k
        terms = query[-_TERMS_CHARS:]
        if self._embedder.is_lexical:
            return await self.store.matching(scope, terms, limit, wanted)
        return await self._fused(scope, query[-_QUERY_CHARS:], terms, limit, wanted)

    async def facts(self, scope: Scope, prompt: str, *, chapter_id: str = "") -> Facts:
        """What a model should know before it continues a prompt, in at most 2000 tokens.

        Writing goes on without it: a knowledge base that fails costs nothing for ten seconds then, one that is slow two
        seconds, and after three times in a row nothing for ten, too.

        Args:
            scope: Whose.
            prompt: What is continued.
            chapter_id: The chapter that is written: nothing of it or of later ones is told.
        """
        hits = await self._asked(lambda: self.search(scope, prompt, before_chapter=chapter_id))
        if hits is None:
            return Facts(state="unavailable")
        hits = self._related(prompt[-_TERMS_CHARS:], hits)
        left = PASSAGES_BUDGET_TOKENS - estimate_tokens(_HEADING)
        lines = []
        for hit in hits:
            text = re.sub(r"\n{2,}", "\n", f"【{hit.document.title or hit.document.id}】{hit.text}")
            lines.append(cut_to_tokens(text, left))
            left -= estimate_tokens(text)
            if left <= 0:
                break
        return Facts("\n\n".join([_HEADING, *lines]), "used") if lines else Facts()

    async def outline(self, scope: Scope) -> Facts:
        """The project's outline, a line for each of its nodes in their order, in at most 2000 tokens.

        Writing goes on without it, as `facts` says.
        """
        nodes = await self._asked(lambda: self.store.documents(scope, "outline"))
        if nodes is None:
            return Facts(state="unavailable")
        in_order = sorted((node.document for node in nodes), key=lambda node: node.order)
        text = "\n".join(f"{node.title}: {node.summary or node.text}" for node in in_order)
        return Facts(cut_to_tokens(text, OUTLINE_BUDGET_TOKENS), "used") if text else Facts()

    async def _asked(self, ask: Callable[[], Awaitable[A]]) -> A | None:
        """What is asked of the knowledge base; None where writing has to go on without it."""
        if time.monotonic() < self._left_alone_until_s:
            return None
        try:
            async with asyncio.timeout(_PASSAGES_TIMEOUT_S):
                answer = await ask()
        except (ServiceError, TimeoutError) as error:
            reason = getattr(error, "reason", None)
            _log.warning("wrote without the knowledge base: %s", reason or "timeout")
            self._timeouts += reason is None
            if reason == Reason.KNOWLEDGE_UNAVAILABLE or self._timeouts >= _TIMEOUTS_IN_A_ROW:
                self._left_alone_until_s = time.monotonic() + _LEFT_ALONE_S
                self._timeouts = 0
            return None
        self._timeouts = 0
        return answer

    def _related(self, prompt: str, hits: list[Hit]) -> list[Hit]:
        """The hits that are worth being told; with vectors, all of them where a prompt is about the project at all."""
        related = [hit for hit in hits if is_related(prompt, f"{head_of(hit.document)}\n{hit.text}")]
        return related if self._embedder.is_lexical or not related else hits

    async def _vectors(self, texts: list[str]) -> list[array[float] | None]:
        if self._embedder.is_lexical:
            return [None] * len(texts)
        prefixed = [self._prefixes.passage + text for text in texts]
        return [array("f", vector) for vector in await self._embedder.embed(prefixed)]

    async def _fused(self, scope: Scope, query: str, terms: str, limit: int, wanted: Wanted) -> list[Hit]:
        async def nearest() -> list[Hit]:
            [vector] = await self._embedder.embed([self._prefixes.query + query])
            return await self.store.nearest(scope, vector, _CANDIDATES + limit, wanted)

        try:
            async with asyncio.TaskGroup() as group:
                by_terms = group.create_task(self.store.matching(scope, terms, _CANDIDATES + limit, wanted))
                by_vector = group.create_task(nearest())
        except BaseExceptionGroup as both:
            # The first one's failure ended the other one.
            raise both.exceptions[0] from None
        return fused(by_terms.result(), by_vector.result())[:limit]


def _batches(documents: Sequence[Document]) -> Iterator[list[tuple[Document, list[str]]]]:
    """Documents with the texts of their passages, as many as are embedded at once; a large one alone."""
    batch: list[tuple[Document, list[str]]] = []
    size = 0
    for document in documents:
        texts = split(document.text)
        if batch and size + len(texts) > _PASSAGES_PER_BATCH:
            yield batch
            batch, size = [], 0
        batch.append((document, texts))
        size += len(texts)
    if batch:
        yield batch
