"""Repairs as SQL for psql."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqguard.fixing import plan, repair_sql
from seqguard.render.printable import printable
from seqguard.version import __version__

if TYPE_CHECKING:
    from seqguard.fixing import Move
    from seqguard.model import Report


def repairs(report: Report, margin: int = 0, lock_timeout: int | None = 1_000) -> str:
    """What fix would run, as a script that is as safe as fix and may be run twice."""
    moves = plan(report, margin)
    settings = {
        "client_encoding": "'UTF8'",
        "search_path": "pg_catalog, pg_temp",
        "standard_conforming_strings": "on",
        **({} if lock_timeout is None else {"lock_timeout": f"{lock_timeout:d}"}),
    }
    head = [
        *(f"SET {name} = {value};" for name, value in settings.items()),
        f"-- seqguard {__version__}: {len(moves)} to move forward in database {_plain(report.database)}",
    ]
    left = [
        f"-- left as it is: {_plain(sequence.sequence)} is {sequence.status}. {_plain('; '.join(sequence.notes))}"
        for sequence in report.with_status("exhausted", "unreadable", "unjudged")
    ]
    reset = [f"RESET {name};" for name in settings]
    return "\n".join([*head, *(_repair(move) for move in moves), *left, "", *reset])


def _repair(move: Move) -> str:
    if move.problem:
        return f"\n-- left as it is: {_plain(move.sequence)}. {_plain(move.problem)}"
    return f"\n-- {_plain(move.sequence)} to last_value {move.target}\n{repair_sql(move)};"


def _plain(text: str) -> str:
    """Text that stays on its comment line, whatever a name holds."""
    return printable(" ".join(text.split()))
