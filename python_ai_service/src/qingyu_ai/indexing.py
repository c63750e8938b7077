"""The `index` command: files into the knowledge base."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from qingyu_ai.knowledge.document import Document
from qingyu_ai.knowledge.knowledge import Knowledge
from qingyu_ai.knowledge.store import Scope

_HEADING = re.compile(r"^#+\s*(.+)$", re.MULTILINE)
_NUMBER = re.compile(r"\d+")


class InputError(Exception):
    """A file that cannot be indexed; the message names it and what is wrong."""


def read_documents(paths: list[Path], doc_type: str) -> list[Document]:
    """The documents of all files, before any is indexed.

    A text or Markdown file is one document: its name is the id, its first heading the title, a number in its name (else
    its place among the files) the order. A `.json` file has one document or a list, a `.jsonl` file one per line.

    Raises `InputError`.
    """
    return [document for place, path in enumerate(paths, 1) for document in _read(path, place, doc_type)]


def _read(path: Path, place: int, doc_type: str) -> Iterator[Document]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error.strerror).lower()
        raise InputError(f"{path}: {why}") from None
    try:
        if path.suffix == ".jsonl":
            for line in filter(str.strip, text.splitlines()):
                yield Document.model_validate_json(line)
        elif path.suffix == ".json":
            found = json.loads(text)
            for item in found if isinstance(found, list) else [found]:
                yield Document.model_validate(item)
        else:
            heading, number = _HEADING.search(text), _NUMBER.search(path.stem)
            yield Document(
                id=path.stem,
                doc_type=doc_type,
                title=heading[1].strip() if heading else path.stem,
                text=text,
                order=int(number[0]) if number else place,
            )
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"{path}: {field}: {problem['msg']}") from None
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error})") from None


async def index(knowledge: Knowledge, scope: Scope, documents: list[Document]) -> None:
    """Indexes documents one after the other, a line of progress for each. Raises what the knowledge base raises."""
    stored = 0

    def tell(done: int, every: int, document: Document) -> None:
        nonlocal stored
        stored += done == every
        head = f"{stored if done == every else stored + 1}/{len(documents)}  {document.doc_type} {document.id}: "
        print(f"{head}{every} passages" if done == every else f"{head}{done} of {every} passages")  # noqa: T201

    total = await knowledge.index(scope, documents, tell)
    print(f"Indexed {len(documents)} documents, {total} passages, for project {scope.project}.")  # noqa: T201
