"""check: read every sequence and the columns that it feeds, and judge them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.catalog import selected_columns
from seqguard.model import FedColumn, Reading, Report, State
from seqguard.rules import report_on
from seqguard.selection import Selection

if TYPE_CHECKING:
    from decimal import Decimal

    from seqguard.pg import Connection

Progress = Callable[[int], None]
"""Called with the number of things done since the last call."""

BATCH = 100
"""Columns read in one statement: see docs/design/speed.md."""
LARGE = 1_000
"""Pages from which a table without an index is read in a statement of its own."""


def check(
    connection: Connection,
    selection: Selection = Selection(),
    *,
    unattached: bool = False,
    timeouts: pg.Timeouts = pg.Timeouts(),
    progress: Progress | None = None,
    expect: Progress | None = None,
) -> Report:
    """Compare every selected sequence with the data that it feeds.

    Writes nothing, so it runs on a standby and in a read-only transaction. A column that
    cannot be read makes its sequence `unreadable`; the others are judged all the same.
    With `unattached`, sequences that feed no column are listed too. `expect` is told how
    many columns there are to read, `progress` how many have been read.

    Raises SeqguardError for a pattern that matches nothing, psycopg.Error when the
    connection is lost.
    """
    server = pg.server(connection)
    facts = selected_columns(connection, selection, timeouts, unattached=unattached)
    if expect:
        expect(len(facts))
    readings = read(connection, facts, timeouts, progress)
    groups = groupby(zip(facts, readings, strict=True), key=lambda pair: pair[0].sequence_oid)
    reports = (report_on(*_unzip(pairs)) for _, pairs in groups)
    return Report(server.version, server.database, tuple(reports))


def _unzip(pairs: Iterable[tuple[FedColumn, Reading]]) -> tuple[tuple[FedColumn, ...], tuple[Reading, ...]]:
    facts, readings = zip(*pairs, strict=True)
    return facts, readings


def read(
    connection: Connection,
    facts: Sequence[FedColumn],
    timeouts: pg.Timeouts,
    progress: Progress | None = None,
) -> list[Reading]:
    """Read the furthest value and the state for each row, in batches."""
    readings = {
        i: Reading(problem=problem) for i, fact in enumerate(facts) if (problem := fact.sequence_unreadable)
    }
    if progress and readings:
        progress(len(readings))
    for batch in batches(facts, [i for i in range(len(facts)) if i not in readings]):
        readings |= _read_batch(connection, facts, batch, timeouts)
        if progress:
            progress(len(batch))
    return [readings[i] for i in range(len(facts))]


def batches(facts: Sequence[FedColumn], numbers: Sequence[int]) -> list[list[int]]:
    """Split row numbers into batches; a large table without an index gets one of its own."""
    slow = [i for i in numbers if not facts[i].indexed and (facts[i].pages or 0) >= LARGE]
    quick = [i for i in numbers if i not in set(slow)]
    return [quick[i : i + BATCH] for i in range(0, len(quick), BATCH)] + [[i] for i in slow]


def _read_batch(
    connection: Connection, facts: Sequence[FedColumn], batch: list[int], timeouts: pg.Timeouts
) -> dict[int, Reading]:
    """Read a batch; when it fails, column by column, so that each that fails waits only once more."""
    import psycopg

    try:
        rows = pg.read_batch(connection, {number: facts[number] for number in batch}, timeouts)
    except psycopg.Error as error:
        if pg.is_lost(connection):
            raise
        if len(batch) == 1:
            return {batch[0]: Reading(problem=pg.explain(error))}
        alone = (_read_batch(connection, facts, [number], timeouts) for number in batch)
        return {number: reading for readings in alone for number, reading in readings.items()}
    return {row[0]: _reading(facts[row[0]], *row[1:]) for row in rows}


def _reading(fact: FedColumn, furthest: Decimal | None, state: tuple[str | None, str | None]) -> Reading:
    last_value, is_called = state
    if last_value is None:
        return Reading(problem="the sequence went out of reach while it was read")
    rounded = math.floor if fact.increment > 0 else math.ceil
    if furthest is not None and furthest.is_nan():
        return Reading(problem=f"{fact.table}.{fact.column} changed while it was read: run again")
    return Reading(
        furthest=None if furthest is None else rounded(furthest),
        state=State(int(last_value), is_called == "t"),
        problem=fact.column_unreadable,
    )
