"""Several sessions that write to one table at once, and one that watches its sequence.

Ordinary writers insert without an id in transactions that stay open for a moment. Explicit
writers insert ids from an allocator of their own, each so far ahead that no ordinary insert
can reach it by itself: a duplicate key is then the fault of whoever moved the sequence.
"""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Connection

TABLE = "CREATE TABLE t (id serial PRIMARY KEY, note text)"
ORDINARY_WRITERS = 5
EXPLICIT_WRITERS = 2
ORDINARY = 2_000
EXPLICIT = 150
AHEAD = 100_000
DEADLINE = 30.0


@dataclass
class Outcome:
    """What happened: inserts that were done, ordinary ones that failed, steps back of the sequence."""

    ordinary: int = 0
    explicit: int = 0
    duplicates: int = 0
    samples: int = 0
    steps_back: int = 0
    repairs: int = 0

    @property
    def finished(self) -> bool:
        """Whether enough was tried for a verdict."""
        return self.ordinary + self.duplicates >= ORDINARY and self.explicit >= EXPLICIT


class Run:
    """One run against a table t; `repair` is called over and over meanwhile."""

    def __init__(self, dsn: str, repair: Callable[[Connection], object] | None = None) -> None:
        self.dsn = dsn
        self.repair = repair
        self.outcome = Outcome()
        self.ids = itertools.count(AHEAD, AHEAD)
        self.seen = 0
        self.lock = threading.Lock()
        self.deadline = time.monotonic() + DEADLINE

    def __call__(self) -> Outcome:
        """Run to the end; whatever a thread raises is raised here."""
        work = [self.insert_ordinary] * ORDINARY_WRITERS + [self.insert_explicit] * EXPLICIT_WRITERS
        work += [self.watch, *([self.mend] if self.repair else [])]
        with ThreadPoolExecutor(len(work)) as pool:
            for future in [pool.submit(self.session, task) for task in work]:
                future.result()
        return self.outcome

    def session(self, task: Callable[[Connection], None]) -> None:
        """Do a task over and over on a connection of its own."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while not self.outcome.finished:
                assert time.monotonic() < self.deadline, self.outcome
                task(connection)

    def insert_ordinary(self, connection: Connection) -> None:
        """Two inserts without an id in one transaction."""
        try:
            with connection.transaction():
                connection.execute("INSERT INTO t (note) VALUES ('ordinary')")
                time.sleep(0.002)
                connection.execute("INSERT INTO t (note) VALUES ('ordinary')")
        except (errors.UniqueViolation, errors.DeadlockDetected):  # two that wait for each other's id
            self.add(duplicates=2)
        else:
            self.add(ordinary=2)

    def insert_explicit(self, connection: Connection) -> None:
        """One insert with an id."""
        connection.execute("INSERT INTO t VALUES (%s, 'explicit')", [next(self.ids)])
        self.add(explicit=1)
        time.sleep(0.01)

    def watch(self, connection: Connection) -> None:
        """A look at the sequence.

        SELECT last_value would read it without a lock, and nextval writes a value 32 further on
        for an instant while it logs it.
        """
        row = connection.execute("SELECT COALESCE(pg_sequence_last_value('t_id_seq'), 0)").fetchone()
        assert row
        self.add(samples=1, steps_back=row[0] < self.seen)
        self.seen = row[0]
        time.sleep(0.0005)

    def mend(self, connection: Connection) -> None:
        """One repair."""
        assert self.repair
        self.repair(connection)
        self.add(repairs=1)
        time.sleep(0.005)

    def add(self, **counts: int) -> None:
        """Count up."""
        with self.lock:
            for name, count in counts.items():
                setattr(self.outcome, name, getattr(self.outcome, name) + count)


def rows_in(db: Connection) -> int:
    """How many rows the table has."""
    row = db.execute("SELECT count(*) FROM t").fetchone()
    assert row
    return int(row[0])
