"""What is generated in this repository: `python tests/generated.py` writes it, test_generated.py checks it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reference import command_reference

from seqguard.script import extension_script, sql_script
from seqguard.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent

_CONTROL = f"""\
comment = 'keeps sequences ahead of the columns that they feed'
default_version = '{__version__}'
encoding = UTF8
relocatable = false
superuser = false
"""

GENERATED: dict[str, Callable[[], str]] = {
    "docs/commands.md": command_reference,
    "sql/auto-sync-sequences.sql": sql_script,
    "sql/seqguard.control": lambda: _CONTROL,
    f"sql/seqguard--{__version__}.sql": extension_script,
    "examples/legacy-revamp/databases/postgres/auto-sync-sequences.sql": sql_script,
}
"""Path from the root of the repository -> what makes its content."""


def main() -> None:
    """Write every generated file."""
    for path, content in GENERATED.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(content(), encoding="utf-8")


if __name__ == "__main__":
    main()
