"""check: read every sequence and the columns that it feeds, and judge them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from seqguard import furthest, pg
from seqguard.catalog import selected_columns
from seqguard.model import FedColumn, Reading, Report, State
from seqguard.rules import report_on
from seqguard.selection import Selection

if TYPE_CHECKING:
    from decimal import Decimal

    from seqguard.pg import Connection

Progress = Callable[[int], None]
"""Called with the number of things done since the last call."""
At = Callable[[str], None]
"""Called with the name of what is done next on its own, because it may take long."""

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
    at: At | None = None,
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
    readings = read(connection, facts, timeouts, progress, at)
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
    at: At | None = None,
) -> list[Reading]:
    """Read the furthest value and the state for each row: in batches, one by one what fails there or is large."""
    advance = progress or (lambda _count: None)
    readings = {
        i: Reading(problem=problem) for i, fact in enumerate(facts) if (problem := fact.sequence_unreadable)
    }
    if readings:
        advance(len(readings))
    quick, alone = batches(facts, [i for i in range(len(facts)) if i not in readings])
    numbered = ({number: facts[number] for number in batch} for batch in quick)
    for batch, rows in zip(quick, furthest.read_batches(connection, numbered, timeouts), strict=True):
        if rows is None:
            alone += batch
            continue
        readings |= {row[0]: _reading(facts[row[0]], *row[1:]) for row in rows}
        advance(len(batch))
    for number in alone:
        if at:
            at(f"{facts[number].table}.{facts[number].column}")
        readings[number] = _read_alone(connection, number, facts[number], timeouts)
        advance(1)
    return [readings[i] for i in range(len(facts))]


def batches(facts: Sequence[FedColumn], numbers: Sequence[int]) -> tuple[list[list[int]], list[int]]:
    """Split row numbers into batches; a large table without an index is to be read on its own."""
    alone: list[int] = []
    quick: list[int] = []
    for i in numbers:
        (quick if facts[i].indexed or (facts[i].pages or 0) < LARGE else alone).append(i)
    return [quick[i : i + BATCH] for i in range(0, len(quick), BATCH)], alone


def _read_alone(connection: Connection, number: int, fact: FedColumn, timeouts: pg.Timeouts) -> Reading:
    import psycopg

    try:
        row = furthest.read_one(connection, number, fact, timeouts)
    except psycopg.Error as error:
        if pg.is_lost(connection):
            raise
        return Reading(problem=pg.explain(error))
    return _reading(fact, *row[1:])


def _reading(fact: FedColumn, value: Decimal | None, state: tuple[str | None, str | None]) -> Reading:
    last_value, is_called = state
    if last_value is None:
        return Reading(problem="the sequence went out of reach while it was read")
    rounded = math.floor if fact.increment > 0 else math.ceil
    if value is not None and value.is_nan():
        return Reading(problem=f"{fact.table}.{fact.column} changed while it was read: run again")
    return Reading(
        furthest=None if value is None else rounded(value),
        state=State(int(last_value), is_called == "t"),
        problem=fact.column_unreadable,
    )
