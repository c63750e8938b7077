"""What a project knows: indexing and search."""

import asyncio
import logging
import re
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from qingyu_ai.embedding.embedder import Embedder
from qingyu_ai.errors import ServiceError
from qingyu_ai.knowledge.document import Document
from qingyu_ai.knowledge.split import split
from qingyu_ai.knowledge.store import Hit, KnowledgeStore, Passage, Scope
from qingyu_ai.tokens import cut_to_tokens, estimate_tokens

_log = logging.getLogger(__name__)

PASSAGES_BUDGET_TOKENS = 2000
_PASSAGES_TIMEOUT_S = 2.0
_LEFT_ALONE_S = 10.0
# The end of a prompt says what is wanted now.
_QUERY_CHARS = 2000
_SUMMARY_CHARS = 200
_TEXTS_PER_BATCH = 256
_HEADING = "本作品的资料，请与之保持一致 (facts of this work; stay consistent with them):"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model should know before it writes.

    `state` is `used` where there is a text, `none` where nothing is known, `unavailable` where the answer has to do
    without what may be known.
    """

    text: str = ""
    state: Literal["used", "none", "unavailable"] = "none"


class Knowledge:
    """The knowledge base with the embedder that fills and asks it.

    Args:
        store: Where passages and their vectors are.
        embedder: The embedder whose model the store was made for.
        top_k: How many passages a search gives where nobody says.
    """

    def __init__(self, store: KnowledgeStore, embedder: Embedder, top_k: int) -> None:
        self.store = store
        self._embedder = embedder
        self._top_k = top_k
        self._left_alone_until_s = 0.0

    async def index(
        self, scope: Scope, document: Document, tell: Callable[[int, int], None] = lambda _done, _all: None
    ) -> int:
        """Splits, embeds and stores a document in the place of the one with its type and id; the number of passages.

        Args:
            scope: Whose.
            document: What.
            tell: Called after each batch with the number of passages that are embedded, and of all.

        Raises what embedder and store raise; what the embedder raises leaves the old document as it was.
        """
        texts = split(document.text)
        vectors: list[array[float]] = []
        for start in range(0, len(texts), _TEXTS_PER_BATCH):
            batch = await self._embedder.embed(texts[start : start + _TEXTS_PER_BATCH])
            vectors += [array("f", vector) for vector in batch]
            tell(len(vectors), len(texts))
        summary = document.summary or document.text[:_SUMMARY_CHARS]
        summarized = document.model_copy(update={"summary": summary})
        passages = [Passage(text, vector) for text, vector in zip(texts, vectors, strict=True)]
        await self.store.replace(scope, summarized, passages)
        return len(passages)

    async def search(
        self, scope: Scope, query: str, top_k: int = 0, filters: Sequence[Sequence[str]] = ()
    ) -> list[Hit]:
        """The passages nearest to a query, best first; see `KnowledgeStore.search`. A `top_k` of 0 is the default."""
        if not await self.store.holds(scope):
            return []
        [vector] = await self._embedder.embed([query[-_QUERY_CHARS:]])
        return await self.store.search(scope, vector, top_k or self._top_k, filters)

    async def facts(self, scope: Scope, prompt: str) -> Facts:
        """What a model should know before it continues a prompt, in at most 2000 tokens.

        Writing goes on without it: a knowledge base that fails or is slow costs at most two seconds, and then nothing
        for ten.
        """
        if time.monotonic() < self._left_alone_until_s:
            return Facts(state="unavailable")
        try:
            async with asyncio.timeout(_PASSAGES_TIMEOUT_S):
                hits = await self.search(scope, prompt)
        except (ServiceError, TimeoutError) as error:
            _log.warning("wrote without the knowledge base: %s", getattr(error, "reason", "timeout"))
            self._left_alone_until_s = time.monotonic() + _LEFT_ALONE_S
            return Facts(state="unavailable")
        left = PASSAGES_BUDGET_TOKENS - estimate_tokens(_HEADING)
        lines = []
        for hit in hits:
            text = re.sub(r"\n{2,}", "\n", f"【{hit.document.title or hit.document.id}】{hit.text}")
            lines.append(cut_to_tokens(text, left))
            left -= estimate_tokens(text)
            if left <= 0:
                break
        return Facts("\n\n".join([_HEADING, *lines]), "used") if lines else Facts()
