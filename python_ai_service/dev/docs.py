"""Writes what the documents say from the settings; with `--check`, only says which of them is stale."""

import re
import sys
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from qingyu_ai.errors import Reason
from qingyu_ai.rpc.guard import CODES
from qingyu_ai.settings import Settings

SERVICE = Path(__file__).parent.parent
EXAMPLE = SERVICE.parent / ".env.example"
README = SERVICE / "README.md"
_PART = "# ---- python-service:{} ----\n"
_NAME = re.compile(r"^# ([A-Z][A-Z0-9_]*)=", re.MULTILINE)


def names(text: str) -> list[str]:
    """The settings that a `.env` file shows, commented out."""
    return _NAME.findall(text)


def example_text(others: set[str]) -> str:
    """The service's part of `.env.example`: its settings but for those that others show already."""
    entries = [
        f"# {field.description}\n# default: {_default(field)}\n# {name.upper()}={_value(field)}\n"
        for name, field in Settings.model_fields.items()
        if name.upper() not in others
    ]
    return "\n".join(entries)


def settings_table() -> str:
    """The README's table of settings."""
    rows = [
        f"| `{name.upper()}` | {_default(field)}{' (secret)' if _is_secret(field) else ''} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    ]
    return "| setting | default | meaning |\n|---|---|---|\n" + "".join(rows)


def reasons_table() -> str:
    """The README's table of errors."""
    rows = [f"| `{reason}` | {CODES[reason].value} |\n" for reason in Reason]
    return "| the message begins with | code |\n|---|---|\n" + "".join(rows)


def with_part(text: str, start: str, end: str, part: str) -> str:
    """The text with a fresh part between two lines."""
    head, _, rest = text.partition(start)
    return f"{head}{start}\n{part}\n{end}{rest.partition(end)[2]}"


def fresh() -> dict[Path, str]:
    """The documents as they should be."""
    example, readme = (path.read_text(encoding="utf-8") for path in (EXAMPLE, README))
    start, end = _PART.format("start"), _PART.format("end")
    others = set(names(with_part(example, start, end, "")))
    for name, table in (("settings", settings_table()), ("reasons", reasons_table())):
        readme = with_part(readme, f"<!-- {name}:start -->\n", f"<!-- {name}:end -->\n", table)
    return {EXAMPLE: with_part(example, start, end, example_text(others)), README: readme}


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in getattr(field.annotation, "__args__", ())


def _value(field: FieldInfo) -> str:
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return "" if field.default is None else str(field.default)


def _default(field: FieldInfo) -> str:
    return _value(field) or "none"


def main() -> int:
    """Writes or checks; 1 where a document is stale."""
    stale = [(path, text) for path, text in fresh().items() if path.read_text(encoding="utf-8") != text]
    for path, text in stale:
        if "--check" in sys.argv:
            print(f"{path.name} is stale: run 'npm run generate:python'", file=sys.stderr)  # noqa: T201
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
