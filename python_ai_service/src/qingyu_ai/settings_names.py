"""Names of settings that are almost right."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from dotenv import dotenv_values

_LIKENESS = 0.82
# Near to settings, but read or written by OpenTelemetry, by the SDKs of vendors, by Kubernetes.
_OF_OTHERS = re.compile(r"(OTEL|AZURE)_.*|OPENAI_(ADMIN_KEY|API_TYPE)|.*_SERVICE_(HOST|PORT)")
# Other names for the same thing, too far away to be seen.
_SYNONYMS = {
    "MILVUS_ADDRESS": "MILVUS_URI",
    "OPENAI_API_BASE": "OPENAI_BASE_URL",
    "REDIS_URI": "REDIS_HOST",
    "REDIS_URL": "REDIS_HOST",
}


@dataclass(frozen=True, slots=True)
class MistakenName:
    """A variable that nobody reads, and the setting that it is probably meant to be."""

    name: str
    meant: str

    def __str__(self) -> str:
        return f"{self.name}: is no setting; is {self.meant} meant?"


def mistaken_names(settings: Iterable[str]) -> list[MistakenName]:
    """Those in the environment and in `.env` that are almost the name of one of the settings."""
    known = {name.upper() for name in settings}
    return mistaken(known, {*os.environ, *dotenv_values(".env", encoding="utf-8")})


def mistaken(known: set[str], given: Iterable[str]) -> list[MistakenName]:
    """Those of `given` that are almost, but not quite, one of `known`, sorted.

    Names of the gateway's and of other programs are left alone.
    """
    others = sorted(name for name in {name.upper() for name in given} - known if not _OF_OTHERS.fullmatch(name))
    meant = {
        name: _SYNONYMS.get(name) or next(iter(get_close_matches(name, known, n=1, cutoff=_LIKENESS)), None)
        for name in others
    }
    return [MistakenName(name, setting) for name, setting in meant.items() if setting]
