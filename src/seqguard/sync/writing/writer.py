"""The writer: a batch of changes into the target, in one transaction with the position."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from seqguard import pg
from seqguard.errors import SeqguardError
from seqguard.sync.event import Batch
from seqguard.sync.failure import OtherColumnsError, TransientError
from seqguard.sync.writing.alike import alike
from seqguard.sync.writing.applying import Applier, NewTypesError, StaleTableError
from seqguard.sync.writing.deadletters import DeadLetters
from seqguard.sync.writing.letters import is_message, of_message
from seqguard.sync.writing.pending import Pending, keys_of
from seqguard.sync.writing.positions import Positions, install
from seqguard.sync.writing.postgres import is_of_table, open_session, telling_transient
from seqguard.sync.writing.sequences import Sequences
from seqguard.sync.writing.sink import Sink
from seqguard.sync.writing.translated import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from seqguard.model import FedColumn
    from seqguard.sync.event import Change, Offset
    from seqguard.sync.mapping.table import TableMapping
    from seqguard.sync.writing.applying import Ready
    from seqguard.sync.writing.letters import Letter
    from seqguard.sync.writing.translated import Work

T = TypeVar("T")

_MOST_AT_ONCE = 5_000
"""Letters that are tried again in one transaction: any number may wait, and only these are in memory."""
_SWITCHED = 20
"""So much longer is the wait until the next look for letters after some that took a session of their own."""
_AT_A_STRETCH = 1.0
"""Seconds that letters are tried again for, as long as some of them can be applied."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a writer waits.

    lock_timeout: for a lock, in milliseconds. patience: for the row that a change references, in seconds: any
    number of changes may wait so. retry_every: seconds between looks for those to try again.
    insert_from: so many new rows of a table in one batch are first tried as a COPY into the table itself.
    look_every: seconds between looks at a table's types while values do not fit.
    """

    lock_timeout: int = 10_000
    patience: float = 600.0
    retry_every: float = 0.5
    insert_from: int = 500
    look_every: float = 1.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch came to.

    changes: by source table, how many there were. upserts and deletes: rows that were written.
    waiting, dead and stopped: by source table, new letters. retried: letters that were applied at last.
    tables: by source table that has been stopped now, why. sequences: what could not be moved, and why.
    in_order: source tables that were, for the first time, written in the order of their changes, which takes longer:
    a unique constraint refused a row of them.
    """

    changes: Mapping[str, int] = field(default_factory=dict)
    upserts: int = 0
    deletes: int = 0
    waiting: Mapping[str, int] = field(default_factory=dict)
    dead: Mapping[str, int] = field(default_factory=dict)
    stopped: Mapping[str, int] = field(default_factory=dict)
    retried: int = 0
    tables: Mapping[str, str] = field(default_factory=dict)
    sequences: Mapping[str, str] = field(default_factory=dict)
    in_order: frozenset[str] = frozenset()


class Writer:
    """Applies batches to the target. One thread, one connection, which is opened again when it was lost."""

    def __init__(
        self,
        target: str | Callable[[], pg.Connection],
        sync: str,
        mappings: Iterable[TableMapping],
        limits: Limits = Limits(),
    ) -> None:
        """The target is a connection string, or makes autocommit connections. sync is the name of this sync."""
        self._connect = (lambda: pg.connect(target)) if isinstance(target, str) else target
        self._mappings = {mapping.source: mapping for mapping in mappings}
        self._limits = limits
        self._positions = Positions(sync)
        self._letters = DeadLetters(sync)
        self._session: _Session | None = None
        self._next_retry = 0.0
        self.stopped = {source: one.stopped for source, one in self._mappings.items() if one.stopped}
        """By source table, why it is stopped: its changes become letters."""
        self._told: set[str] = set()
        self._told_in_order: frozenset[str] = frozenset()
        self._told_sequences: dict[str, str] = {}

    def map_with(self, mapping: TableMapping) -> None:
        """Write a table by another mapping from now on. Between two sessions: after close()."""
        self._mappings[mapping.source] = mapping

    def _await(self, lacks: Mapping[str, frozenset[str]]) -> bool:
        """Leave out the columns that the rows at hand do not have yet, and no others; return whether that is new."""
        is_new = False
        for source, names in lacks.items():
            mapping = self._mappings[source]
            if mapping.awaited.keys() != names and source not in self.stopped:
                self.close()
                self.map_with(mapping.awaiting(names))
                is_new = True
        return is_new

    def stored(self, stream: str) -> Offset | None:
        """Where the target stands in a stream, None when nowhere. From here on this writer moves it.

        Raises TransientError when the target cannot be reached.
        """
        with telling_transient():
            return self._positions.read(self._open().connection, stream)

    def prepare(self, batch: Batch) -> Prepared:
        """Do what can be done of a batch without the target. Another thread may, while a batch is applied."""
        session, stopped = self._session, {**self.stopped, **batch.stopped}
        work = translated(batch.changes, session.mappings if session else self._mappings, stopped)
        furthest = session.sequences.furthest(work.steps) if session else {}
        ready = session.applier.ready(work.steps) if session else None
        return Prepared(session, frozenset(stopped), work, furthest, ready)

    def apply(self, batch: Batch, prepared: Prepared | None = None) -> Applied:
        """Apply a batch and move the positions, in one transaction, or nothing. An empty one may retry letters.

        prepared: what prepare() made of this batch.

        A change that cannot be applied becomes a letter. Raises TransientError when the target cannot be
        reached or is busy: the same batch may be applied again. Raises LostStreamError when another worker
        has a stream: start again from stored().
        """
        for table, reason in batch.stopped.items():
            self.stopped.setdefault(table, reason)
        self._await(batch.lacks)
        result = Applied()
        if batch.changes or batch.positions:
            result = self._attempted(partial(self._write, batch, prepared))
        elif self._session:
            result = Applied(sequences=self._owed_sequences(self._session))
        in_order = result.in_order - self._told_in_order
        self._told_in_order |= in_order
        result = replace(result, sequences=self._news(result.sequences), in_order=in_order)
        told, self._told = self._told, set(self.stopped)
        tables = {table: reason for table, reason in self.stopped.items() if table not in told}
        return replace(result, retried=self._retried_if_due(), tables=tables)

    def _owed_sequences(self, session: _Session) -> dict[str, str]:
        """Try sequences again that could not be moved; what fails for a moment is left for the next time."""
        try:
            return self._attempted(lambda: session.sequences.advance(session.connection, {}))
        except TransientError:
            return {}

    def _news(self, problems: Mapping[str, str]) -> dict[str, str]:
        """The problems that were not told yet. How far a sequence is behind makes no new one."""
        kinds = {name: re.sub(r"\d+", "", why) for name, why in problems.items()}
        news = {name: problems[name] for name, kind in kinds.items() if self._told_sequences.get(name) != kind}
        self._told_sequences |= kinds
        return news

    def _attempted(self, attempt: Callable[[], T]) -> T:
        """Do something; where a table is not as it was, read the tables and do it again."""
        refreshed: set[str] = set()
        while True:
            try:
                with telling_transient():
                    return attempt()
            except NewTypesError:
                self.close()
            except OtherColumnsError as other:
                self._await(other.lacks)
            except StaleTableError as stale:
                self._renew(stale, refreshed)
            except TransientError:
                self._close_if_lost()
                raise

    def retry(self, ids: Sequence[int]) -> int:
        """Try these letters again, in the order of their ids; returns how many were applied.

        Raises TransientError when the target cannot be reached or is busy.
        """
        applied, left = 0, sorted(ids)
        while left:
            tried, count = self._attempted(partial(self._retry_ids, left[:_MOST_AT_ONCE]))
            applied += count
            left = [number for number in left if number not in tried]
        return applied

    def close(self) -> None:
        """Let go of the connection. May be called twice."""
        if self._session:
            self._session.connection.close()
            self._session = None

    def _open(self) -> _Session:
        if self._session is None or pg.is_lost(self._session.connection):
            connection = open_session(self._connect, self._limits.lock_timeout)
            try:
                with telling_transient():
                    self._session = self._session_on(connection)
            except BaseException:
                connection.close()
                raise
        return self._session

    def _session_on(self, connection: pg.Connection) -> _Session:
        install(connection)
        sinks: dict[str, Sink] = {}
        for number, (source, mapping) in enumerate(self._mappings.items()):
            if source not in self.stopped:
                try:
                    sinks[source] = Sink(connection, mapping, number)
                except Exception as error:
                    if not _is_final(error):
                        raise
                    self.stopped[source] = pg.explain(error)
        applier = Applier(connection, sinks, self._limits.insert_from, self._limits.look_every)
        return _Session(connection, dict(self._mappings), applier, Sequences(connection, sinks.values()))

    def _close_if_lost(self) -> None:
        if self._session and pg.is_lost(self._session.connection):
            self.close()

    def _renew(self, stale: StaleTableError, refreshed: set[str]) -> None:
        """Read the target's tables again; one that still is not right is stopped."""
        if stale.source in refreshed:
            self.stopped[stale.source] = str(stale)
        refreshed.add(stale.source)
        self.close()

    def _write(self, batch: Batch, prepared: Prepared | None) -> Applied:
        session = self._open()
        if not prepared or prepared.session is not session or prepared.stopped != set(self.stopped):
            prepared = self.prepare(batch)
        pending = Pending(self._mappings, batch.changes)
        problems = session.sequences.advance(session.connection, prepared.furthest)
        with session.connection.transaction():
            self._positions.move(session.connection, batch.positions, batch.changes)
            self._load(session.connection, batch.changes, pending)
            counts = _settled(session, prepared, pending)
            states = self._store(session.connection, pending, [of_message(message) for message in batch.bad])
        self._positions.settle(batch.positions)
        return Applied(
            changes=Counter(change.table for change in batch.changes),
            upserts=counts["upsert"],
            deletes=counts["delete"],
            waiting=states.get("waiting", {}),
            dead=states.get("dead", {}),
            stopped=states.get("stopped", {}),
            sequences=problems,
            in_order=session.applier.in_order,
        )

    def _load(self, connection: pg.Connection, changes: Sequence[Change], pending: Pending) -> None:
        """The letters that are stored for the rows of these changes."""
        for source in self._letters.tables(connection, self._mappings):
            own = [change for change in changes if change.table == source]
            if any(change.before is None and change.after is None for change in own):
                letters = self._letters.of_table(connection, source)
            else:
                keys = {key for change in own for key in keys_of(change, self._mappings[source]) if key}
                letters = self._letters.of_rows(connection, source, keys) if keys else []
            for letter in letters:
                pending.load(letter)

    def _store(
        self, connection: pg.Connection, pending: Pending, more: Sequence[Letter] = ()
    ) -> dict[str, dict[str, int]]:
        """Store the letters as they are now; returns how many new ones, by state and source table."""
        if pending.replaced:
            self._letters.drop(connection, pending.replaced)
        changed = [*pending.changed, *more]
        if not changed:
            return {}
        return self._letters.put(connection, changed, self._limits.patience)

    def _retried_if_due(self) -> int:
        """Try letters again whose time has come; what fails for a moment now is left for the next time."""
        total, until = 0, time.monotonic() + _AT_A_STRETCH
        lacks = {source: frozenset(mapping.awaited) for source, mapping in self._mappings.items()}
        while self._next_retry <= time.monotonic() < until:
            try:
                retried = self._attempted(self._retry_due)
            except TransientError:
                retried = 0
            total += retried
            if not retried:
                self._next_retry = time.monotonic() + self._limits.retry_every
                break
        if self._await(lacks):
            self._next_retry = time.monotonic() + _SWITCHED * self._limits.retry_every
        return total

    def _retry_due(self) -> int:
        session = self._open()
        if not self._letters.is_due(session.connection):
            return 0
        with session.connection.transaction():
            together = session.applier.defers
            found = self._letters.due(session.connection, _MOST_AT_ONCE, together=together)
            letters = sorted(self._alike([letter for letter, _ in found]), key=lambda letter: letter.id or 0)
            return self._retry(session, letters, frozenset(letter.id for letter, is_due in found if not is_due))

    def _retry_ids(self, ids: Sequence[int]) -> tuple[set[int], int]:
        """Try those that bring the same columns as the first; returns which were tried or are gone, and how many applied."""
        session = self._open()
        with session.connection.transaction():
            letters = [one for one in self._letters.by_id(session.connection, ids) if not is_message(one)]
            now = self._alike(letters)
            later = {letter.id for letter in letters} - {letter.id for letter in now}
            return set(ids) - later, self._retry(session, now)

    def _alike(self, letters: Sequence[Letter]) -> list[Letter]:
        """Those that bring the same columns as the first of their table: one transaction writes one set of columns.

        Raises OtherColumnsError where the table is not mapped with just these.
        """
        found, lacks = alike(letters, self._lacks)
        if any(self._mappings[table].awaited.keys() != names for table, names in lacks.items()):
            raise OtherColumnsError(lacks)
        return found

    def _lacks(self, change: Change) -> frozenset[str] | None:
        """The columns that a change's row is written without; None where it writes none."""
        mapping = self._mappings.get(change.table)
        if mapping is None or change.after is None or change.table in self.stopped:
            return None
        return mapping.lacked_by(change.after)

    def _retry(
        self, session: _Session, letters: Sequence[Letter], early: Container[int | None] = frozenset()
    ) -> int:
        """Try letters again; those that are tried early, along with others, do not wait longer for it."""
        changes = [letter.change for letter in letters]
        prepared = self.prepare(Batch(changes))
        pending = Pending(self._mappings, changes)
        for letter in letters:
            pending.load(letter)
        session.sequences.advance(session.connection, prepared.furthest)
        _settled(session, prepared, pending)
        pending.applied(prepared.work.idle)
        pending.keep(early)
        self._store(session.connection, pending)
        return len(pending.replaced)


@dataclass(frozen=True, slots=True)
class _Session:
    """A connection and what hangs on it. mappings: those of its sinks, though the writer's change meanwhile."""

    connection: pg.Connection
    mappings: Mapping[str, TableMapping]
    applier: Applier
    sequences: Sequences


@dataclass(frozen=True, slots=True)
class Prepared:
    """What can be done of a batch without the target: for one session, with these tables stopped."""

    session: _Session | None
    stopped: frozenset[str]
    work: Work
    furthest: Mapping[FedColumn, int]
    ready: Ready | None


def _settled(session: _Session, prepared: Prepared, pending: Pending) -> Counter[str]:
    for refused in prepared.work.refused:
        pending.add(*refused)
    return session.applier.settle(prepared.work.steps, pending, prepared.ready)


def _is_final(error: Exception) -> bool:
    """Whether a table cannot be written as it is now, rather than just now."""
    import psycopg

    if isinstance(error, psycopg.Error):
        return is_of_table(error)
    return isinstance(error, SeqguardError) and not isinstance(error, TransientError)
