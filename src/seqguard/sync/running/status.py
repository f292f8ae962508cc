"""seqguard sync status: how far a sync has come, read from the target, and what waits at the source."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.errors import SeqguardError
from seqguard.sync.mysql.streams import COPIED
from seqguard.sync.running.backlog import open_backlog, unit_of
from seqguard.sync.writing.postgres import row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seqguard.sync.event import Offset
    from seqguard.sync.mapping.config import Config
    from seqguard.sync.running.backlog import Waiting


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream. waiting is None when the source does not say.

    lag_seconds is how old the last applied change is, 0 when nothing waits. applied counts changes since the
    first start; per_second is None when it was not measured. lost says why the source cannot go on from there.
    """

    stream: str
    position: Offset
    applied_until: datetime | None
    updated: datetime
    applied: int
    per_second: float | None
    waiting: int | None
    lag_seconds: float | None
    lost: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """A sync: its streams, none when it never committed, and by source table and state its letters.

    unit is what waits in a stream: events, or bytes of binlog.
    """

    name: str
    unit: str
    streams: tuple[Stream, ...]
    letters: Mapping[str, Mapping[str, int]]

    @property
    def dead(self) -> int:
        """How many changes wait for a person."""
        return sum(
            count for states in self.letters.values() for state, count in states.items() if state != "waiting"
        )


@dataclass(frozen=True, slots=True)
class _Progress:
    stream: str
    offset: Offset
    at: datetime | None
    changes: int
    updated: datetime


def status(config: Config, seconds: float) -> Status:
    """Look; and look again after so many seconds for the rate. Writes nothing.

    Raises SeqguardError when the target cannot be read. The source need not be: then what waits is not known.
    """
    with _target(config) as connection:
        if not _is_installed(connection):
            return Status(config.name, unit_of(config), (), {})
        began, before = time.monotonic(), {one.stream: one.changes for one in _read(connection, config.name)}
        time.sleep(seconds)
        now, passed = _read(connection, config.name), time.monotonic() - began
        letters = _letters(connection, config.name)
    rates = {one.stream: (one.changes - before.get(one.stream, 0)) / passed for one in now if seconds}
    with open_backlog(config) as backlog:
        streams = tuple(_stream(one, rates.get(one.stream), backlog(one.stream, one.offset)) for one in now)
    return Status(config.name, unit_of(config), streams, letters)


def counts(config: Config) -> dict[str, dict[str, int]]:
    """By source table and state its letters. Raises SeqguardError when the target cannot be read."""
    with _target(config) as connection:
        return _letters(connection, config.name) if _is_installed(connection) else {}


def last_commit(config: Config) -> datetime | None:
    """When a position was last stored, None for never. Raises SeqguardError when the target cannot be read."""
    with _target(config) as connection:
        if not _is_installed(connection):
            return None
        return max((one.updated for one in _read(connection, config.name)), default=None)


@contextmanager
def _target(config: Config) -> Iterator[pg.Connection]:
    import psycopg

    try:
        with closing(pg.connect(config.conninfo)) as connection:
            yield connection
    except psycopg.Error as error:
        raise SeqguardError(f"the target: {pg.explain(error)}") from None


def _is_installed(connection: pg.Connection) -> bool:
    return bool(row(connection, pg.template("sync/sync_version"))[0])


def _stream(one: _Progress, rate: float | None, waiting: Waiting) -> Stream:
    lag = _lag(one.at, waiting.count)
    return Stream(
        one.stream, one.offset, one.at, one.updated, one.changes, rate, waiting.count, lag, waiting.lost
    )


def _lag(at: datetime | None, waiting: int | None) -> float | None:
    if waiting == 0:
        return 0.0
    return None if at is None else max(0.0, (datetime.now(UTC) - at).total_seconds())


def _read(connection: pg.Connection, sync: str) -> Sequence[_Progress]:
    rows = connection.execute(pg.template("sync/progress"), {"sync": sync})
    return [_Progress(*row) for row in rows if row[0] != COPIED]


def _letters(connection: pg.Connection, sync: str) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for source, state, count in connection.execute(pg.template("sync/letter_counts"), {"sync": sync}):
        counts.setdefault(source, {})[state] = count
    return counts
