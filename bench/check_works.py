"""What bench/check.py times, and what it counts."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq

import seqguard
from seqguard.catalog import selected_columns
from seqguard.checking import BATCH
from seqguard.cli.common import JOBS
from seqguard.model import Reading, State
from seqguard.rules import report_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from seqguard.model import SequenceReport

Connection = psycopg.Connection[Any]
FLOOR, STATES, ONE_BY_ONE, JUDGED = "floor", "with states", "one by one", "judged one by one"
ALONE, CHECK, FIX = "check -j 1", "check", "fix"

BARE = """
SELECT format('%I.%I', tn.nspname, t.relname), quote_ident(a.attname), format('%I.%I', sn.nspname, s.relname)
FROM pg_class AS s
JOIN pg_namespace AS sn ON sn.oid = s.relnamespace
JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid
    AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
JOIN pg_class AS t ON t.oid = d.refobjid
JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE s.relkind = 'S'
"""
"""The columns that own sequences, as a careful script finds them: table, column, sequence."""


def floor(connection: Connection) -> None:
    found = connection.execute(BARE).fetchall()
    in_batches(connection, [f"(SELECT max({column}) FROM {table})" for table, column, _ in found])


def with_states(connection: Connection) -> None:
    in_batches(connection, [compared(*names) for names in connection.execute(BARE).fetchall()])


def one_by_one(connection: Connection) -> None:
    for names in connection.execute(BARE).fetchall():
        connection.execute(compared(*names)).fetchall()


def judged_one_by_one(connection: Connection) -> list[SequenceReport]:
    """What check finds, with its catalog query and its rules, but with one statement a table, and never ahead."""
    reports = []
    for fact in selected_columns(connection, seqguard.Selection(), seqguard.Timeouts()):
        assert fact.table
        assert fact.column
        query = compared(fact.table, fact.column, fact.sequence)
        for furthest, last_value, is_called in connection.execute(query.encode()):
            reports.append(report_on((fact,), (Reading(furthest, State(last_value, is_called)),)))
    return reports


def in_batches(connection: Connection, queries: list[str]) -> None:
    for start in range(0, len(queries), BATCH):
        connection.execute(" UNION ALL ".join(queries[start : start + BATCH])).fetchall()


def compared(table: str, column: str, sequence: str) -> str:
    """What a verdict takes: the data, and where the sequence is."""
    return f"SELECT (SELECT max({column}) FROM {table}), last_value, is_called FROM {sequence}"


WORKS: dict[str, Callable[[Connection], object]] = {
    FLOOR: floor,
    STATES: with_states,
    ONE_BY_ONE: one_by_one,
    JUDGED: judged_one_by_one,
    ALONE: seqguard.check,
    CHECK: partial(seqguard.check, jobs=JOBS),
    FIX: partial(seqguard.fix, jobs=JOBS),
}


@dataclass(frozen=True)
class Time:
    """Seconds that a client waits, and CPU seconds of the backend of its first connection."""

    wall: float
    cpu: float


@dataclass
class Figure:
    """What a case took: for each work a time a round, and its round trips."""

    case: str
    sequences: int
    many: bool
    times: dict[str, list[Time]] = field(default_factory=dict)
    round_trips: dict[str, int] = field(default_factory=dict)

    def seconds(self, work: str) -> float | None:
        times = self.times.get(work)
        return median(time.wall for time in times) if times else None

    def ratio(self, work: str, other: str, clock: str = "wall") -> float | None:
        """The median of the rounds' ratios."""
        if work not in self.times or other not in self.times:
            return None
        pairs = zip(self.times[work], self.times[other], strict=True)
        return float(median(getattr(a, clock) / getattr(b, clock) for a, b in pairs))


def connected(conninfo: str) -> Connection:
    return psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)


def backend_seconds(pid: int) -> float:
    """CPU time of a process on this machine."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def timed(conninfo: str, work: Callable[[Connection], object]) -> Time:
    """What work takes on a connection of its own, as a command would."""
    with connected(conninfo) as connection:
        pid = connection.info.backend_pid
        cpu, started = backend_seconds(pid), time.perf_counter()
        work(connection)
        return Time(time.perf_counter() - started, backend_seconds(pid) - cpu)


def round_trips(conninfo: str, work: Callable[[Connection], object]) -> int:
    """How often the client sends after it has received."""
    with connected(conninfo) as connection, tempfile.TemporaryFile("w+b") as file:
        connection.pgconn.trace(file.fileno())
        connection.pgconn.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
        work(connection)
        connection.pgconn.untrace()
        file.seek(0)
        turns, last = 0, b"B"
        for line in file:
            if line[:2] in (b"F\t", b"B\t"):
                turns += (line[:1], last) == (b"F", b"B")
                last = line[:1]
    return turns
