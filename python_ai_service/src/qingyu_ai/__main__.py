"""`python -m qingyu_ai` serves; `python -m qingyu_ai index --project P FILE...` fills the knowledge base."""

import argparse
import asyncio
import sys
from pathlib import Path

from qingyu_ai.app import default_tenant, open_app
from qingyu_ai.errors import ServiceError
from qingyu_ai.indexing import InputError, index, read_documents
from qingyu_ai.knowledge.store import Scope
from qingyu_ai.server import PortError, serve
from qingyu_ai.settings import Settings, SettingsError, load_settings
from qingyu_ai.telemetry.log import start_logging


def main() -> int:
    """Runs a command; the exit code is 0, 1 where it failed, 2 where it was told something wrong."""
    arguments = _arguments()
    try:
        settings = load_settings()
    except SettingsError as error:
        print("\n".join(error.problems), file=sys.stderr)  # noqa: T201
        return 2
    start_logging(settings.log_level, sys.stdout)
    try:
        asyncio.run(serve(settings) if arguments.command is None else _index(settings, arguments))
    except InputError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    except (PortError, ServiceError, ImportError, OSError) as error:
        print(error.message if isinstance(error, ServiceError) else error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m qingyu_ai", description="The Python AI service.")
    commands = parser.add_subparsers(dest="command", metavar="index")
    command = commands.add_parser("index", help="put texts into the knowledge base")
    command.add_argument("--project", required=True, help="the project that they belong to")
    command.add_argument("--tenant", help="the gateway's tenant; needed outside development")
    command.add_argument("--doc-type", default="chapter", help="of text files: chapter, character, outline, ...")
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".txt, .md, .json or .jsonl, in UTF-8")
    return parser.parse_args()


async def _index(settings: Settings, arguments: argparse.Namespace) -> None:
    if arguments.tenant is None and not settings.is_development:
        raise InputError("--tenant: is needed where ENVIRONMENT is not development")
    tenant = default_tenant(settings) if arguments.tenant is None else arguments.tenant
    documents = read_documents(arguments.files, arguments.doc_type)
    async with open_app(settings) as app:
        await index(app.knowledge, Scope(tenant, arguments.project), documents)


if __name__ == "__main__":
    sys.exit(main())
