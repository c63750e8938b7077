"""How well and how fast a project's knowledge is found: `npm run bench:knowledge`.

Prints recall@5, the share of the questions whose answer is among the first five passages, of two stories: for lexical
search, for vectors alone and for both, among 72, 2,600 and 25,000 passages of one project; and milliseconds for each
call, also of a small project beside them.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import detective, novel
from bench.novel import Question
from qingyu_ai.embedding.embedded import EmbeddedEmbedder
from qingyu_ai.embedding.embedder import Embedder
from qingyu_ai.knowledge.knowledge import Knowledge
from qingyu_ai.knowledge.local_store import LocalStore
from qingyu_ai.knowledge.store import Hit, Scope, Wanted

TOP = 5
SIZES = (72, 2_600, 25_000)
BOOKS = {"novel": novel, "detective": detective}
Search = Callable[[str], Awaitable[Sequence[Hit]]]


class VectorsToo(EmbeddedEmbedder):
    """The embedded embedder, taken for one whose vectors say more than terms."""

    is_lexical = False


async def recall(search: Search, asked: Sequence[Question]) -> tuple[float, float, list[str]]:
    """The share of questions whose answer is found, the milliseconds of a search (median), and what was not found."""
    missed, times = [], []
    for question in asked:
        started = time.perf_counter()
        hits = await search(question.text)
        times.append((time.perf_counter() - started) * 1000)
        if not any(answer in hit.text for answer in question.answers for hit in hits[:TOP]):
            missed.append(question.text)
    return 1 - len(missed) / len(asked), median(times), missed


async def measure(name: str, size: int, embedder: Embedder, folder: Path, *, verbose: bool) -> None:
    """Prints the figures for a story in a project of so many passages."""
    book = BOOKS[name]
    questions = book.questions()
    project, small = Scope("bench", f"novel among {size}"), Scope("bench", "the novel alone")
    knowledge = Knowledge(LocalStore(folder, embedder.model), embedder, TOP)
    started = time.perf_counter()
    passages = await knowledge.index(project, [*book.novel(), *book.others(size - 72)])
    print(f"{name}: {passages} passages, indexed in {time.perf_counter() - started:.1f} s")
    await knowledge.index(small, book.novel())

    # As after a restart: nothing of what was indexed is in this process's memory.
    store = LocalStore(folder, embedder.model)
    knowledge = Knowledge(store, embedder, TOP)

    async def vectors(query: str) -> Sequence[Hit]:
        [vector] = await embedder.embed([query])
        return await store.nearest(project, vector, TOP, Wanted())

    ways: dict[str, Search] = {"terms": lambda query: store.matching(project, query, TOP, Wanted())}
    if not embedder.is_lexical:
        ways |= {"vectors": vectors, "both": lambda query: knowledge.search(project, query)}
    ways["terms, the novel alone beside it"] = lambda query: store.matching(small, query, TOP, Wanted())
    for way, search in ways.items():
        started = time.perf_counter()
        await search(questions[0].text)
        first_ms = (time.perf_counter() - started) * 1000
        share, usual_ms, missed = await recall(search, questions)
        print(f"  {way:34} recall@{TOP} {share:.2f}   {usual_ms:6.1f} ms, the first {first_ms:6.1f} ms")
        if verbose:
            print("".join(f"    missed: {question}\n" for question in missed), end="")
    started = time.perf_counter()
    documents = len(await store.documents(project))
    print(f"  {documents} documents listed in {(time.perf_counter() - started) * 1000:.1f} ms")
    if verbose:
        for query in [*book.UNRELATED, *(question.text for question in questions)]:
            scores = [f"{hit.score:.2f}" for hit in await knowledge.search(project, query)]
            print(f"    {query}: {' '.join(scores)}")


def main() -> None:
    """Reads the arguments and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, action="append", help="passages of the project; several times for several")
    parser.add_argument("--vectors", action="store_true", help="store and search vectors, too")
    parser.add_argument("--verbose", action="store_true", help="what was missed, and the scores")
    arguments = parser.parse_args()
    embedder = VectorsToo() if arguments.vectors else EmbeddedEmbedder()
    for size in arguments.size or SIZES:
        for name in BOOKS:
            with TemporaryDirectory(prefix="qingyu-bench-") as folder:
                asyncio.run(measure(name, size, embedder, Path(folder) / "knowledge", verbose=arguments.verbose))


if __name__ == "__main__":
    main()
