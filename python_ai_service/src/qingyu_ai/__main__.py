"""`python -m qingyu_ai` serves; with a command it fills, lists or clears the knowledge base."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine

from qingyu_ai.errors import ServiceError
from qingyu_ai.indexing.commands import add_commands, needs_settings, run
from qingyu_ai.indexing.decoding import InputError
from qingyu_ai.settings import Settings, SettingsError, load_settings
from qingyu_ai.telemetry.log import start_logging


def main() -> int:
    """Runs a command; the exit code is 0, 1 where it failed, 2 where it was told something wrong."""
    arguments = _arguments()
    try:
        settings = load_settings() if arguments.command is None or needs_settings(arguments) else None
    except SettingsError as error:
        print("\n".join(error.problems), file=sys.stderr)  # noqa: T201
        return 2
    start_logging(settings.log_level if settings else "warning", sys.stdout)
    try:
        asyncio.run(_task(settings, arguments))
    except InputError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    except (ServiceError, ImportError, OSError) as error:
        print(error.message if isinstance(error, ServiceError) else error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _task(settings: Settings | None, arguments: argparse.Namespace) -> Coroutine[object, object, None]:
    if arguments.command or settings is None:
        return run(settings, arguments)
    from qingyu_ai.server import serve

    return serve(settings)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m qingyu_ai",
        description="The Python AI service. Without a command it serves. Settings come from the environment and .env.",
    )
    add_commands(parser.add_subparsers(dest="command", title="commands", metavar="COMMAND"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
