"""check: read every sequence and the columns that it feeds, and judge them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from seqguard import furthest, pg
from seqguard.catalog import selected_columns
from seqguard.model import FedColumn, Reading, Report, SequenceReport, State
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
    jobs: int = 1,
    progress: Progress | None = None,
    expect: Progress | None = None,
    at: At | None = None,
) -> Report:
    """Compare every selected sequence with the data that it feeds.

    Writes nothing, so it runs on a standby and in a read-only transaction. A column that
    cannot be read makes its sequence `unreadable`; the others are judged all the same.
    With `unattached`, sequences that feed no column are listed too. With `jobs`, thousands of
    columns are read over so many connections, if `connection` is in autocommit mode: others
    are opened like it. `expect` is told how many columns there are to read, `progress` how
    many have been read.

    Raises SeqguardError for a pattern that matches nothing, psycopg.Error when the
    connection is lost.
    """
    server = pg.server(connection)
    facts = selected_columns(connection, selection, timeouts, unattached=unattached)
    if expect:
        expect(len(facts))
    reports = judged(connection, facts, timeouts, jobs, progress, at)
    return Report(server.version, server.database, tuple(reports))


def judged(
    connection: Connection,
    facts: Sequence[FedColumn],
    timeouts: pg.Timeouts,
    jobs: int = 1,
    progress: Progress | None = None,
    at: At | None = None,
) -> list[SequenceReport]:
    """The verdict on each sequence of these rows, in their order.

    It is made as soon as all of its columns are read, while the server reads on.
    """
    groups: dict[int, list[int]] = {}
    for i, fact in enumerate(facts):
        groups.setdefault(fact.sequence_oid, []).append(i)
    readings: dict[int, Reading] = {}
    reports: dict[int, SequenceReport] = {}
    for number, reading in read(connection, facts, timeouts, jobs, progress, at):
        readings[number] = reading
        sequence = facts[number].sequence_oid
        group = groups[sequence]
        if all(i in readings for i in group):
            reports[sequence] = report_on(tuple(facts[i] for i in group), tuple(readings[i] for i in group))
    return [reports[sequence] for sequence in groups]


def read(
    connection: Connection,
    facts: Sequence[FedColumn],
    timeouts: pg.Timeouts,
    jobs: int = 1,
    progress: Progress | None = None,
    at: At | None = None,
) -> Iterator[tuple[int, Reading]]:
    """Read the furthest value and the state for each row: in batches, one by one what fails there or is large.

    Yields the number of a row and what was read of it, in whatever order that comes.
    """
    advance = progress or (lambda _count: None)
    readable = []
    for i, fact in enumerate(facts):
        if fact.sequence_unreadable:
            yield i, Reading(problem=fact.sequence_unreadable)
            advance(1)
        else:
            readable.append(i)
    quick, alone = batches(facts, readable)
    numbered = [{number: facts[number] for number in batch} for batch in quick]
    for batch, rows in zip(quick, furthest.read_batches(connection, numbered, timeouts, jobs), strict=True):
        if rows is None:
            alone += batch
            continue
        for number, value, state in rows:
            yield number, _reading(facts[number], value, state)
        advance(len(batch))
    for number in alone:
        if at:
            at(
                f"{facts[number].table}.{facts[number].column}"
                if facts[number].table
                else facts[number].sequence
            )
        yield number, _read_alone(connection, number, facts[number], timeouts)
        advance(1)


def batches(facts: Sequence[FedColumn], numbers: Sequence[int]) -> tuple[list[list[int]], list[int]]:
    """Split row numbers into batches; what is large without an index, or temporary, is to be read on its own.

    What is temporary no other connection can read, and PostgreSQL 17 does not even say so: it finds no rows.
    """
    alone: list[int] = []
    quick: list[int] = []
    for i in numbers:
        is_quick = (facts[i].indexed or (facts[i].pages or 0) < LARGE) and not facts[i].is_temporary
        (quick if is_quick else alone).append(i)
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


def _reading(fact: FedColumn, value: Decimal | None, state: tuple[bytes, bytes] | None) -> Reading:
    if state is None:
        return Reading(problem="the sequence went out of reach while it was read")
    last_value, is_called = state
    rounded = math.floor if fact.increment > 0 else math.ceil
    if value is not None and value.is_nan():
        return Reading(problem=f"{fact.table}.{fact.column} changed while it was read: run again")
    return Reading(
        furthest=None if value is None else rounded(value),
        state=State(int(last_value), is_called == b"t"),
        problem=fact.column_unreadable,
    )
