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
    head = [
        "SET client_encoding = 'UTF8';",
        f"-- seqguard {__version__}: {len(moves)} to move forward in database {_plain(report.database)}",
        "SET search_path = pg_catalog, pg_temp;",
        *([] if lock_timeout is None else [f"SET lock_timeout = {lock_timeout:d};"]),
    ]
    left = [
        f"-- left as it is: {_plain(sequence.sequence)} is {sequence.status}. {_plain('; '.join(sequence.notes))}"
        for sequence in report.with_status("exhausted", "unreadable", "unjudged")
    ]
    return "\n".join([*head, *(_repair(move) for move in moves), *left])


def _repair(move: Move) -> str:
    if move.problem:
        return f"\n-- left as it is: {_plain(move.sequence)}. {_plain(move.problem)}"
    return f"\n-- {_plain(move.sequence)} to last_value {move.target}\n{repair_sql(move)};"


def _plain(text: str) -> str:
    """Text that stays on its comment line, whatever a name holds."""
    return printable(" ".join(text.split()))
