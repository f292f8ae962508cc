"""A worker prepares the next batch while the server works on one: what comes of it is the same."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import one, rows
from writing import STREAM, USERS, batch, change, dsn, target, user

from seqguard.errors import SeqguardError
from seqguard.sync.event import Batch
from seqguard.sync.failure import TransientError
from seqguard.sync.running.worker import Limits, Worker
from seqguard.sync.writing.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conftest import Connection

    from seqguard.sync.event import Offset
    from seqguard.sync.source import Stored
    from seqguard.sync.writing.writer import Applied

__all__ = ["dsn", "target"]

SIZE = 600


class Listed:
    """A source of batches that are known beforehand. Afterwards it fails, or is at its end."""

    may_run_ahead = True

    def __init__(self, batches: list[Batch], failure: SeqguardError | None = None) -> None:
        self._left, self._failure = list(batches), failure

    def start(self, stored: Stored) -> None:
        stored(STREAM)

    def poll(self, limit: int, seconds: float) -> Batch:  # noqa: ARG002
        if self._left:
            return self._left.pop(0)
        if self._failure:
            raise self._failure
        return Batch()

    def committed(self, positions: Mapping[str, Offset]) -> None: ...

    def lag(self) -> int | None:
        return len(self._left)

    def close(self) -> None: ...


class Evicted(Listed):
    """A source that brings nothing, and then fails; the next time it has begun anew."""

    _read = False

    def poll(self, limit: int, seconds: float) -> Batch:  # noqa: ARG002
        self._read = not self._read
        if self._read:
            return Batch()
        raise TransientError("another reader came")

    def lag(self) -> int | None:
        return None


class Told:
    """A watch that calls something after the first batch."""

    def __init__(self, after_first: Callable[[], object] = bool) -> None:
        self._after_first: Callable[[], object] | None = after_first
        self.failures = 0
        self.waits: list[float] = []

    def started(self) -> None: ...

    def took(self, batch: Batch) -> None: ...

    def applied(self, batch: Batch, applied: Applied, seconds: float) -> None:  # noqa: ARG002
        if self._after_first:
            self._after_first()
            self._after_first = None

    def stopped(self, tables: Mapping[str, str]) -> None: ...

    def looked(self, lag: int | None, *, idle: bool) -> None: ...

    def failed(self, error: TransientError, wait: float, lag: int | None) -> None:  # noqa: ARG002
        self.failures += 1
        self.waits.append(wait)

    def recovered(self) -> None: ...


def users(version: str) -> Batch:
    return batch(*[user(n, version) for n in range(1, SIZE + 1)])


def names(target: Connection) -> list[tuple[str, int]]:
    return [(name, count) for name, count in rows(target, "SELECT name, count(*) FROM users GROUP BY 1")]


def work(dsn: str, source: Listed, watch: Told, stop: threading.Event | None = None) -> None:
    with closing(Writer(dsn, "s", [USERS])) as writer:
        Worker(source, writer, watch, stop or threading.Event(), Limits(until_caught_up=True)).run()


def test_batches_are_applied_in_their_order(target: Connection, dsn: str) -> None:
    gone = batch(*[change("users", {"id": n}, None) for n in range(1, SIZE)])
    work(dsn, Listed([users("a"), users("b"), gone, batch(user(1, "c"))]), Told())
    assert rows(target, "SELECT id, name FROM users ORDER BY id") == [(1, "c"), (SIZE, "b")]


def test_a_batch_is_applied_when_there_is_none_behind_it(target: Connection, dsn: str) -> None:
    with pytest.raises(SeqguardError, match="purged"):
        work(dsn, Listed([users("a")], SeqguardError("the binlog was purged")), Told())
    assert names(target) == [("a", SIZE)]


def test_a_batch_that_was_prepared_for_a_lost_connection_is_prepared_anew(target: Connection, dsn: str) -> None:
    def cut() -> None:
        target.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    watch = Told(cut)
    work(dsn, Listed([users("a"), users("b")]), watch)
    assert watch.failures == 1
    assert names(target) == [("b", SIZE)]


def test_a_batch_that_was_prepared_is_left_for_the_next_start_when_the_worker_stops(
    target: Connection, dsn: str
) -> None:
    stop, batches = threading.Event(), [users("a"), users("b")]
    work(dsn, Listed(batches), Told(stop.set), stop)
    assert names(target) == [("a", SIZE)]
    stored = one(target, 'SELECT "offset" FROM seqguard_sync.positions')
    assert stored == batches[0].positions[STREAM]


class Tired(Told):
    """A watch that stops the worker at the fifth failure."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop

    def failed(self, error: TransientError, wait: float, lag: int | None) -> None:
        super().failed(error, wait, lag)
        if self.failures == 5:
            self._stop.set()


@pytest.mark.usefixtures("target")
def test_reading_nothing_for_a_moment_between_failures_does_not_shorten_the_waits(dsn: str) -> None:
    stop = threading.Event()
    watch = Tired(stop)
    work(dsn, Evicted([]), watch, stop)
    assert watch.waits[4] >= 0.8, "half of 0.1 s, doubled four times, at the least"
