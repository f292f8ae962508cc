"""Builds the SQL that is installed in a database from the files in seqguard/sql."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from seqguard.version import __version__

_PARTS = (
    "judge",
    "planning",
    "check",
    "move_forward",
    "fix",
    "advance",
    "fast_path",
    "guard",
    "new_tables",
    "guard_all",
    "rights",
)


@cache
def sql_file(name: str) -> str:
    """The text of seqguard/sql/NAME.sql."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


@cache
def _parts() -> str:
    view = "-- Every sequence, every column that it feeds, and the guard on it.\n"
    view += "CREATE OR REPLACE VIEW seqguard.fed_columns AS\n" + sql_file("fed_columns").rstrip() + ";\n"
    return "\n".join([sql_file("install/schema"), view, *(sql_file(f"install/{part}") for part in _PARTS)])


def installed_version() -> str:
    """What seqguard.version() answers in a database that this release has set up."""
    return f"{__version__}+{hashlib.sha256(_parts().encode()).hexdigest()[:12]}"


def installation() -> str:
    """The statements that create schema seqguard, or bring an older one up to date."""
    return _parts().replace("{version}", installed_version())


def sql_script() -> str:
    """The self-contained SQL file: what `guard` installs, and a last step that guards every table.

    It is idempotent and runs in psql with no Python at hand. Run it outside a transaction
    block: it commits table by table.
    """
    head = sql_file("install/head").replace("{version}", __version__)
    return "\n".join([head, extension_script(), sql_file("install/run")])


def extension_script() -> str:
    """The script of the PostgreSQL extension: the same without guarding anything."""
    return "\n".join([sql_file("install/settings"), installation()])
