"""Reads files into documents."""

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from qingyu_ai.indexing.chapters import Section, first_heading, keys, places, split_chapters
from qingyu_ai.indexing.decoding import InputError, read_text
from qingyu_ai.indexing.place import PER_VOLUME, folder_volume, place_of, volume_of
from qingyu_ai.knowledge.document import Document

_TEXTS = (".txt", ".md", ".markdown")
_KINDS = (*_TEXTS, ".json", ".jsonl")


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read.

    Attributes:
        doc_type: What text files are.
        encoding: Of all files.
        root: The folder that ids are relative to; None: the one that all given files have in common.
    """

    doc_type: str = "chapter"
    encoding: str = "utf-8"
    root: Path | None = None


def read_documents(given: Sequence[Path], reading: Reading) -> list[Document]:
    """The documents of all files, before any is indexed.

    A folder stands for the texts in it, hidden ones left out. A text or Markdown file is one document: its path below
    the root, without what follows the dot, is its id, its first heading the title, and its name, else its place among
    the files, tells its order (`place_of`). A novel in one file becomes its chapters (`split_chapters`), with ids below
    the file's. A `.json` file has one document or a list, a `.jsonl` file one per line.

    Raises `InputError`, also where two documents have the same type and id.
    """
    files = [file for path in given for file in _files(path)]
    root = (reading.root or _common_folder(given)).resolve()
    several = sum(1 for file in files if file.suffix.lower() not in (".json", ".jsonl")) > 1
    sources: dict[tuple[str, str], str] = {}
    documents = []
    for number, file in enumerate(files, 1):
        for source, document in _read(file, root, number if several else 0, reading):
            key = document.doc_type, document.id
            if key in sources:
                raise InputError(f"{source}: {document.doc_type} {document.id} is also in {sources[key]}")
            sources[key] = source
            documents.append(document)
    return documents


def _files(path: Path) -> list[Path]:
    """The path itself, or the files in a folder, chapters in their order."""
    if not path.is_dir():
        return [path]
    found = [
        file
        for file in path.rglob("*")
        if file.suffix.lower() in _KINDS
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not found:
        raise InputError(f"{path}: no file in it ends with {', '.join(_KINDS)}")
    return sorted(found, key=lambda file: (*_sort_key(file.relative_to(path)), str(file)))


def _sort_key(path: Path) -> tuple[int, int]:
    place = place_of(path.stem, _volume(path))
    return (1, 0) if place is None else (0, place.order)


def _volume(path: Path) -> int:
    """Which volume the folders of a path are, the nearest first; 0 where none is one."""
    return next((volume for folder in reversed(path.parts[:-1]) if (volume := folder_volume(folder))), 0)


def _common_folder(given: Sequence[Path]) -> Path:
    folders = [(path if path.is_dir() else path.parent).resolve() for path in given]
    return Path(os.path.commonpath(folders))


def _read(file: Path, root: Path, place: int, reading: Reading) -> Iterator[tuple[str, Document]]:
    """Documents, each with where it was found."""
    text = read_text(file, reading.encoding)
    if not text.strip():
        raise InputError(f"{file}: is empty")
    if file.suffix.lower() == ".jsonl":
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                where = f"{file}: line {number}"
                yield where, _document(_json(line, where), where)
    elif file.suffix.lower() == ".json":
        found = _json(text, str(file))
        for number, item in enumerate(found if isinstance(found, list) else [found], 1):
            where = f"{file}: item {number}" if isinstance(found, list) else str(file)
            yield where, _document(item, where)
    else:
        path = file.resolve()
        if not path.is_relative_to(root):
            raise InputError(f"{file}: is not below {root}")
        yield from _novel(file, path.relative_to(root), text, place, reading)


def _novel(file: Path, path: Path, text: str, place: int, reading: Reading) -> Iterator[tuple[str, Document]]:
    """The chapters of a text file, or the file as one; `path` is below the root, `place` 0 where it is the only one."""
    # macOS writes some letters of names as two characters.
    identity = unicodedata.normalize("NFC", path.with_suffix("").as_posix())
    sections = split_chapters(text)
    if not sections:
        stands = place_of(path.stem, _volume(path))
        order = stands.order if stands else _volume(path) * PER_VOLUME + (place or 1)
        yield _text_document(str(file), identity, first_heading(text) or path.stem, text, order, reading)
        return
    stand = places(sections, _volume_of_novel(path, sections, place))
    for section, key, stands in zip(sections, keys(sections), stand, strict=True):
        where = f"{file}: {section.title or 'before the first heading'}"
        yield _text_document(
            where, f"{identity}/{key}", section.title or path.stem, section.text, stands.order, reading
        )


def _volume_of_novel(path: Path, sections: list[Section], place: int) -> int:
    """Which volume a file of several chapters is: the one that it or its folder names.

    One of several files whose chapters have no numbers counts as the volume of its own number or place.
    """
    volume = volume_of(path.stem) or _volume(path)
    if volume or place == 0 or any(place_of(section.title) for section in sections if section.title):
        return volume
    return folder_volume(path.stem) or place


def _text_document(
    where: str, identity: str, title: str, text: str, order: int, reading: Reading
) -> tuple[str, Document]:
    fields = {"id": identity, "doc_type": reading.doc_type, "title": title[:500], "text": text, "order": order}
    return where, _document(fields, where)


def _json(text: str, where: str) -> Any:  # noqa: ANN401 (what JSON is)
    try:
        return from_json(text)
    except ValueError as error:
        why = str(error) if "\n" in text else str(error).replace("line 1 column", "column")
        raise InputError(f"{where}: is not JSON ({why})") from None


def _document(fields: Any, where: str) -> Document:  # noqa: ANN401 (checked here)
    if not isinstance(fields, Mapping):
        raise InputError(f"{where}: is no document, which is a JSON object")
    try:
        return Document.model_validate(fields)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"{where}: {field}: {problem['msg']}") from None
