"""seqguard keeps PostgreSQL sequences ahead of the columns that they feed.

    report = seqguard.check(connection)
    report = seqguard.fix(connection)
    seqguard.guard(connection, "public.users")

Each takes a psycopg 3 connection that the caller owns and leaves open. In a
transaction of the caller's they work inside it and never commit it; on an
autocommit connection each step is a transaction of its own.

Names are imported when first used: `seqguard --help` must not wait for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seqguard.version import __version__

if TYPE_CHECKING:
    from seqguard.checking import check
    from seqguard.errors import SeqguardError
    from seqguard.fixing import fix
    from seqguard.guarding import guard, guard_new_tables, guards, unguard, uninstall
    from seqguard.model import ColumnReport, Guard, Repair, Report, SequenceReport
    from seqguard.pg import Timeouts
    from seqguard.script import sql_script
    from seqguard.selection import Selection

_HOMES = {
    "checking": ("check",),
    "errors": ("SeqguardError",),
    "fixing": ("fix",),
    "guarding": ("guard", "guard_new_tables", "guards", "unguard", "uninstall"),
    "model": ("ColumnReport", "Guard", "Repair", "Report", "SequenceReport"),
    "pg": ("Timeouts",),
    "script": ("sql_script",),
    "selection": ("Selection",),
}

__all__ = [
    "ColumnReport",
    "Guard",
    "Repair",
    "Report",
    "Selection",
    "SeqguardError",
    "SequenceReport",
    "Timeouts",
    "__version__",
    "check",
    "fix",
    "guard",
    "guard_new_tables",
    "guards",
    "sql_script",
    "unguard",
    "uninstall",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # it would let every misspelt name pass

    def __getattr__(name: str) -> Any:
        for module, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"seqguard.{module}"), name)
        raise AttributeError(f"module 'seqguard' has no attribute {name!r}")
