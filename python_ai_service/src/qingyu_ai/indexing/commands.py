"""The commands that fill, list and clear the knowledge base, here or of a service that runs elsewhere."""

import argparse
import codecs
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from qingyu_ai.callers import TENANT, TENANT_IN_WORDS
from qingyu_ai.indexing.catalogue import Catalogue, update
from qingyu_ai.indexing.decoding import InputError
from qingyu_ai.indexing.reading import Reading, read_documents
from qingyu_ai.indexing.remote import RemoteCatalogue
from qingyu_ai.indexing.wire import Listed, in_order
from qingyu_ai.settings import Key, Settings

_INDEX = """\
Puts texts into the knowledge base; what has not changed since is skipped.

A folder stands for all .txt, .md, .json and .jsonl files in it. A text file is a chapter: its path below the folder
that all given files share is its id, and its name tells its place (12.md, 第十二章 雨夜.txt, 第二卷/第三章.md). A novel
in one file becomes its chapters. JSON files hold whole documents: characters, worlds, events, outline nodes."""
_URL = "the HTTP port of a running service, like https://service:8000; PYTHON_AI_TOKEN is sent to it"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds index, documents and remove to the command line."""
    index = _command(commands, "index", "put texts into the knowledge base", _INDEX)
    index.add_argument("--doc-type", default="chapter", help="what text files are: chapter (default), outline, ...")
    index.add_argument(
        "--encoding", default="utf-8", type=_encoding, help="of the files: utf-8 (default), gb18030, ..."
    )
    index.add_argument(
        "--root", type=Path, help="the folder that ids begin below; default: the one that all files share"
    )
    index.add_argument("--prune", action="store_true", help="remove all documents of the project that these files lack")
    index.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".txt, .md, .json, .jsonl or a folder")
    documents = _command(commands, "documents", "list what is indexed", "Lists the documents of a project.")
    documents.add_argument("--doc-type", help="only these: chapter, character, ...")
    documents.add_argument("--json", action="store_true", help="one JSON object a line")
    remove = _command(commands, "remove", "remove documents", "Removes documents of a project from the knowledge base.")
    remove.add_argument("--doc-type", default="chapter", help="of the ids: chapter (default), character, ...")
    remove.add_argument("--all", action="store_true", help="every document of the project, of all types")
    remove.add_argument("ids", nargs="*", metavar="ID", help="as `documents` lists them")


def needs_settings(arguments: argparse.Namespace) -> bool:
    """Whether a command uses the knowledge base that the service's settings name."""
    return arguments.url is None


async def run(settings: Settings | None, arguments: argparse.Namespace) -> None:
    """Runs a command. Raises `InputError`, `ServiceError` and what keeps the service from being put together.

    Args:
        settings: The service's; None where it runs elsewhere.
        arguments: As `add_commands` reads them.
    """
    match arguments.command:
        case "index":
            reading = Reading(arguments.doc_type, arguments.encoding, arguments.root)
            documents = read_documents(arguments.files, reading)
            async with _opened(settings, arguments) as catalogue:
                await update(catalogue, arguments.project, documents, prune=arguments.prune, tell=_say)
        case "documents":
            wanted = (arguments.doc_type,) if arguments.doc_type else ()
            async with _opened(settings, arguments) as catalogue:
                _show(in_order(await catalogue.listed(*wanted)), as_json=arguments.json)
        case _:
            if bool(arguments.ids) == arguments.all:
                raise InputError("remove: name documents or give --all")
            async with _opened(settings, arguments) as catalogue:
                await _remove(catalogue, arguments)


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, short: str, long: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=short, description=long, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--project", required=True, help="the project that they belong to")
    command.add_argument("--tenant", type=_tenant, help="the gateway's tenant; needed outside development")
    command.add_argument("--url", help=_URL)
    command.add_argument(
        "--insecure", action="store_true", help="send the token to an http URL that is not this machine's own"
    )
    return command


def _tenant(told: str) -> str:
    if not re.fullmatch(TENANT, told):
        raise argparse.ArgumentTypeError(f"must be {TENANT_IN_WORDS}")
    return told


def _encoding(told: str) -> str:
    try:
        b"".decode(codecs.lookup(told).name)
    except LookupError:
        raise argparse.ArgumentTypeError(f"{told} is no encoding that Python knows") from None
    return told


class _Token(BaseSettings):
    """The one setting that a command needs for a service elsewhere."""

    model_config = Settings.model_config

    python_ai_token: Key | None = None


@asynccontextmanager
async def _opened(settings: Settings | None, arguments: argparse.Namespace) -> AsyncIterator[Catalogue]:
    """The project's documents, where the command says they are."""
    if settings is None:
        try:
            token = _Token().python_ai_token
        except ValidationError:
            raise InputError("PYTHON_AI_TOKEN: must be visible ASCII characters") from None
        secret = token.get_secret_value() if token else None
        yield RemoteCatalogue(
            arguments.url, secret, arguments.tenant, arguments.project, is_insecure=arguments.insecure
        )
        return
    if arguments.tenant is None and not settings.is_development:
        raise InputError("--tenant: is needed where ENVIRONMENT is not development")
    _tell_of_a_new_folder(settings)
    # The service's rooms take a second to import.
    from qingyu_ai.app import default_tenant, open_app
    from qingyu_ai.indexing.local import LocalCatalogue
    from qingyu_ai.knowledge.store import Scope

    tenant = default_tenant(settings) if arguments.tenant is None else arguments.tenant
    async with open_app(settings) as app:
        yield LocalCatalogue(app.knowledge, Scope(tenant, arguments.project))


def _tell_of_a_new_folder(settings: Settings) -> None:
    """Most likely a command that runs in another folder than the service."""
    folder = Path(settings.knowledge_uri)
    if settings.knowledge_is_a_file and not folder.is_absolute() and not folder.exists():
        told = f"{folder.resolve()} is new: a service that runs in another folder has a knowledge base of its own."
        print(told, file=sys.stderr)  # noqa: T201


async def _remove(catalogue: Catalogue, arguments: argparse.Namespace) -> None:
    if arguments.all:
        found = [(document.doc_type, document.id) for document in await catalogue.listed()]
    else:
        found = [(arguments.doc_type, id_) for id_ in dict.fromkeys(arguments.ids)]
    removed = await catalogue.remove(found) if found else 0
    _say(f"Removed {removed} documents.")
    if removed < len(found):
        _say(f"{len(found) - removed} were not there.")


def _show(documents: list[Listed], *, as_json: bool) -> None:
    for document in documents:
        if as_json:
            _say(json.dumps(document.model_dump(), ensure_ascii=False))
        else:
            _say(
                f"{document.doc_type}  {document.id}  {document.order}  {document.passages} passages  {document.title}"
            )
    if not as_json:
        _say(f"{len(documents)} documents, {sum(document.passages for document in documents)} passages.")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201
