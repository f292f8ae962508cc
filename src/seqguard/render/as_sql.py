"""Repairs as SQL for psql."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqguard.fixing import plan, repair_sql
from seqguard.render.printable import printable
from seqguard.version import __version__

if TYPE_CHECKING:
    from seqguard.fixing import Move
    from seqguard.model import Report


_PARSING = {"client_encoding": "'UTF8'", "standard_conforming_strings": "on"}
"""How the script itself is read. Poolers know these two, and keep them apart for each client."""


def repairs(report: Report, margin: int = 0, lock_timeout: int | None = 1_000) -> str:
    """What fix would run, as a script that is as safe as fix and may be run twice.

    Each repair is a transaction that takes its settings with it when it ends: behind a pooler in
    transaction mode, the next one may run on another server connection.
    """
    moves = plan(report, margin)
    head = [
        *(f"SET {name} = {value};" for name, value in _PARSING.items()),
        f"-- seqguard {__version__}: {len(moves)} to move forward in database {_plain(report.database)}",
    ]
    left = [
        f"-- left as it is: {_plain(sequence.sequence)} is {sequence.status}. {_plain('; '.join(sequence.notes))}"
        for sequence in report.with_status("exhausted", "unreadable", "unjudged")
    ]
    reset = [f"RESET {name};" for name in _PARSING]
    return "\n".join([*head, *(_repair(move, lock_timeout) for move in moves), *left, "", *reset])


def _repair(move: Move, lock_timeout: int | None) -> str:
    if move.problem:
        return f"\n-- left as it is: {_plain(move.sequence)}. {_plain(move.problem)}"
    begin = "BEGIN; SET LOCAL search_path = pg_catalog, pg_temp;"
    if lock_timeout is not None:
        begin += f" SET LOCAL lock_timeout = {lock_timeout:d};"
    comment = f"-- {_plain(move.sequence)} to last_value {move.target}"
    return f"\n{comment}\n{begin}\n{repair_sql(move)};\nCOMMIT;"


def _plain(text: str) -> str:
    """Text that stays on its comment line, whatever a name holds."""
    return printable(" ".join(text.split()))
