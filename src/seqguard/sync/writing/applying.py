"""Steps into the tables, within the transaction that is open; what fails is narrowed down to single changes."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.sync.failure import BadValueError
from seqguard.sync.mapping.step import Delete, Rekey, Truncate, Upsert
from seqguard.sync.writing.explaining import NOT_YET, explanation, meaning
from seqguard.sync.writing.netting import Net, parents_first, segments
from seqguard.sync.writing.postgres import is_of_table, is_transient, row
from seqguard.sync.writing.searching import PARENT_MISSING, Operation, blamed, failing, orphans
from seqguard.sync.writing.sink import bad_ones, only_looking

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    import psycopg

    from seqguard.sync.mapping.step import Step
    from seqguard.sync.writing.netting import Round, Segment
    from seqguard.sync.writing.pending import Pending
    from seqguard.sync.writing.sink import Lines, Sink

_TAKEN = "23505"
_REFUSED = frozenset({"23502", "23514"})
"""NOT NULL and CHECK: whether a row is refused does not depend on other rows."""
_UNFIT = "the value does not go into the target: change the mapping or the row at the source"


class StaleTableError(Exception):
    """A table is no longer what it was when it was read."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(reason)
        self.source = source


class NewTypesError(Exception):
    """A column has another type than when its table was read, or an enum another label: values may fit now."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Steps, and all that can be done of them without the target."""

    steps: Sequence[Step]
    operations: Sequence[Operation]


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a part could not be applied.

    step is to blame where that is known; apart are all those that fail so, where they can be told at once.
    alone are those that fail in the midst of the others, and are to be tried in their own place.
    """

    error: psycopg.Error
    sink: Sink
    step: Step | None
    apart: Sequence[Step] = ()
    alone: Sequence[Step] = ()


class Applier:
    """Applies steps to the tables of one connection."""

    def __init__(
        self, connection: pg.Connection, sinks: Mapping[str, Sink], insert_from: int, look_every: float
    ) -> None:
        """So many new rows of a table, or more, are tried as a COPY into the table itself.

        When values do not fit, types are looked at again, once in so many seconds.
        """
        self._connection = connection
        self._insert_from, self._look_every = insert_from, look_every
        self._looked = dict.fromkeys(sinks, time.monotonic())
        order = parents_first({sink.target.oid: sink.target.references for sink in sinks.values()})
        self._sinks = dict(sorted(sinks.items(), key=lambda item: order.index(item[1].target.oid)))
        self._ordered: dict[str, Container[str]] = {}
        self._parents = _parents(connection, sinks.values())
        self._defers = bool(sinks) and _has_deferrable(connection, [sink.target.oid for sink in sinks.values()])

    @property
    def in_order(self) -> frozenset[str]:
        """Source tables whose steps settle() did in the order of their changes."""
        return frozenset(self._ordered)

    @property
    def defers(self) -> bool:
        """Whether rows may wait for one another until the end of a transaction."""
        return self._defers

    def ready(self, steps: Sequence[Step]) -> Ready | None:
        """Steps made ready; None where a value does not fit. Asks the target nothing: another thread may do it."""
        try:
            return Ready(steps, self._operations(steps, {}))
        except _BadStepsError:
            return None

    def settle(self, steps: Sequence[Step], pending: Pending, ready: Ready | None = None) -> Counter[str]:
        """Apply steps in the transaction that is open; what cannot be applied becomes letters.

        A part that fails is split in the order of its changes, so that each part leads from one state
        of the source to another. A table whose rows hand unique values to one another is written in the order of
        its changes, the others not. What then waits for another row is tried once more: it may have come.
        Raises StaleTableError where a whole table is not as it was, NewTypesError where values may fit when the tables
        are read again, psycopg.Error for what may pass.
        """
        self._ordered = {}
        for sink in self._sinks.values():
            sink.begin()
        counts: Counter[str] = Counter()
        self._settle(steps, pending, counts, ready)
        waiting = pending.waiting(steps)
        if counts or len(waiting) > 1:
            self._settle(waiting, pending, counts)
        return counts

    def _settle(
        self, steps: Sequence[Step], pending: Pending, counts: Counter[str], ready: Ready | None = None
    ) -> None:
        parts = [steps]
        while parts:
            part = parts.pop()
            failure = self._attempt(part, pending, counts, ready) if part else None
            if failure and len(part) == 1:
                self._give_up(part[0], failure, pending)
            elif failure and failure.apart:
                parts.append(self._without(part, failure, pending))
            elif failure and failure.alone:
                parts.extend(reversed(_cut(part, failure.alone)))
            elif failure:
                self._require_table(failure)
                parts.extend(reversed(_split(part, failure.step)))

    def _attempt(
        self, part: Sequence[Step], pending: Pending, counts: Counter[str], ready: Ready | None
    ) -> _Failure | None:
        """Apply a part as a whole, or nothing of it. Values that fit nowhere are found without trying."""
        import psycopg

        fit, operations = self._encoded(pending.adopting(part), pending, ready)
        operation = None
        done: Counter[str] = Counter()
        try:
            with self._connection.transaction():
                self._defer()
                for operation in operations:
                    done[operation.kind] += operation.run()
                self._check_deferred()
        except psycopg.Error as error:
            if is_transient(error) or operation is None or pg.is_lost(self._connection):
                raise
            if len(part) > 1 and self._needs_order(operation, error):
                return self._attempt(part, pending, counts, None)
            return self._failure(part, operations, operation, error)
        counts.update(done)
        pending.applied(step.change for step in fit)
        return None

    def _needs_order(self, failed: Operation, error: psycopg.Error) -> bool:
        """Whether a unique violation may be one of rows that hand values to one another; keep their order from now."""
        sink = failed.sink
        source, oid = sink.mapping.source, sink.target.oid
        if error.sqlstate != _TAKEN or failed.lines is None or failed.rounds:
            return False
        if source in self._ordered or [one.target.oid for one in self._sinks.values()].count(oid) > 1:
            return False
        self._ordered[source] = sink.unique
        return True

    def _failure(
        self, part: Sequence[Step], operations: Sequence[Operation], failed: Operation, error: psycopg.Error
    ) -> _Failure:
        step = blamed(failed, error)
        apart = self._apart(operations, failed, error) if len(part) > 1 else ()
        seek = len(part) > 1 and not (apart or step or is_of_table(error))
        if seek:
            self._defer()
        alone = failing(self._connection, operations, failed) if seek else ()
        return _Failure(error, failed.sink, step, apart, alone)

    def _apart(
        self, operations: Sequence[Operation], failed: Operation, error: psycopg.Error
    ) -> Sequence[Step]:
        """The steps that fail for the same reason, all at once: there may be thousands."""
        found: Sequence[Step] = ()
        with only_looking(self._connection):
            if error.sqlstate == PARENT_MISSING:
                self._defer()
                found = orphans(operations)
            elif error.sqlstate in _REFUSED and failed.lines is not None:
                found = [failed.steps[n] for n in sorted(failed.sink.refused(failed.lines, error))]
        return found

    def _without(self, part: Sequence[Step], failure: _Failure, pending: Pending) -> list[Step]:
        """The part without the steps that fail for one reason: those that lack a parent wait, the others are dead."""
        state = failure.error.sqlstate or ""
        waits = state == PARENT_MISSING
        for step in failure.apart:
            detail = NOT_YET if waits else meaning(state)
            pending.add(step.change, "waiting" if waits else "dead", state, pg.explain(failure.error), detail)
        gone = {id(step.change) for step in failure.apart}
        return [step for step in part if id(step.change) not in gone]

    def _defer(self) -> None:
        if self._defers:
            self._connection.execute("SET CONSTRAINTS ALL DEFERRED")

    def _check_deferred(self) -> None:
        if self._defers:
            self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def _encoded(
        self, part: Sequence[Step], pending: Pending, ready: Ready | None
    ) -> tuple[Sequence[Step], Sequence[Operation]]:
        """The operations of a part, without the steps whose values do not fit: those become letters."""
        if ready and part is ready.steps and not self._ordered:
            return part, self._looked_at(ready.operations)
        while True:
            try:
                return part, self._looked_at(self._operations(part, self._ordered))
            except _BadStepsError as bad:
                self._look_again({step.table.source for step, _ in bad.found})
                for step, error in bad.found:
                    pending.add(step.change, "dead", error.sqlstate, str(error), _UNFIT)
                gone = {id(step.change) for step, _ in bad.found}
                part = [step for step in part if id(step.change) not in gone]

    def _looked_at(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        self._look_again({one.sink.mapping.source for one in operations if one.passes_over})
        return operations

    def _look_again(self, sources: Iterable[str]) -> None:
        for source in sources:
            if time.monotonic() - self._looked[source] >= self._look_every:
                self._looked[source] = time.monotonic()
                if self._sinks[source].has_new_types():
                    raise NewTypesError

    def _operations(self, part: Sequence[Step], ordered: Mapping[str, Container[str]]) -> list[Operation]:
        found = segments(part, self._parents, ordered)
        return [one for segment in found for one in self._of_segment(segment)]

    def _of_segment(self, segment: Segment) -> Iterator[Operation]:
        if isinstance(segment, Truncate):
            sink = self._sinks[segment.table.source]
            yield Operation("delete", sink, sink.empty, [segment])
        elif isinstance(segment, Rekey):
            yield _rekey(self._sinks[segment.table.source], segment)
        else:
            yield from self._net(segment)

    def _net(self, net: Net) -> Iterator[Operation]:
        """Upserts, parents first; then deletes, children first."""
        for source, sink in self._sinks.items():
            if source in net.upserts:
                yield self._upsert(sink, net.upserts[source])
            for round_ in net.rounds.get(source, ()):
                yield from self._round(sink, round_)
        for source, sink in reversed(self._sinks.items()):
            if source in net.deletes:
                yield _delete(sink, net.deletes[source])

    def _round(self, sink: Sink, round_: Round) -> Iterator[Operation]:
        if round_.deletes:
            yield replace(_delete(sink, round_.deletes), rounds=True)
        if round_.upserts:
            lines = _encoded(sink, round_.upserts)
            yield Operation("upsert", sink, lambda: sink.upsert(lines), round_.upserts, lines, rounds=True)

    def _upsert(self, sink: Sink, steps: Sequence[Upsert]) -> Operation:
        lines = _encoded(sink, steps)
        new = len(steps) >= self._insert_from and all(step.change.before is None for step in steps)
        write = sink.insert if new else sink.upsert
        return Operation("upsert", sink, lambda: write(lines), steps, lines)

    def _require_table(self, failure: _Failure) -> None:
        """Tell an error of a whole table from one of some rows: it comes without rows, too."""
        import psycopg

        if not is_of_table(failure.error):
            return
        try:
            with self._connection.transaction(force_rollback=True):
                failure.sink.probe()
        except psycopg.Error as error:
            if is_of_table(error):
                raise StaleTableError(failure.sink.mapping.source, pg.explain(error)) from error
            raise

    def _give_up(self, step: Step, failure: _Failure, pending: Pending) -> None:
        self._require_table(failure)
        state = failure.error.sqlstate or ""
        detail = explanation(self._connection, failure.sink, step, failure.error)
        pending.add(
            step.change,
            "waiting" if state == PARENT_MISSING else "dead",
            state,
            pg.explain(failure.error),
            detail,
        )


class _BadStepsError(Exception):
    def __init__(self, found: Sequence[tuple[Step, BadValueError]]) -> None:
        super().__init__()
        self.found = found


def _encoded(sink: Sink, steps: Sequence[Upsert]) -> Lines:
    try:
        return sink.encode(steps)
    except BadValueError:
        raise _BadStepsError(bad_ones(sink, steps)) from None


def _delete(sink: Sink, steps: Sequence[Delete]) -> Operation:
    """A key that cannot be in the target is not there."""
    found = [(step, line) for step in steps if (line := sink.encode_key(step.key))]
    lines = [line for _, line in found]
    passes_over = len(found) < len(steps)
    return Operation(
        "delete", sink, lambda: sink.delete(lines), [step for step, _ in found], passes_over=passes_over
    )


def _rekey(sink: Sink, step: Rekey) -> Operation:
    row = Upsert(step.table, step.key, step.row, step.change)
    try:
        lines = sink.encode([row])
    except BadValueError as error:
        raise _BadStepsError([(step, error)]) from None
    old = sink.encode_key(step.old_key)
    if old is None:
        return Operation("upsert", sink, lambda: sink.upsert(lines), [step], passes_over=True)
    return Operation("upsert", sink, lambda: sink.rekey([old], lines), [step])


def _split(part: Sequence[Step], blamed: Step | None) -> list[Sequence[Step]]:
    """Halves, in order; or what comes before the step to blame, the step, and halves of the rest."""
    if blamed is None:
        middle = len(part) // 2
        return [part[:middle], part[middle:]]
    place = next(index for index, step in enumerate(part) if step.change is blamed.change)
    middle = (place + 1 + len(part)) // 2
    return [part[:place], [part[place]], part[place + 1 : middle], part[middle:]]


def _cut(part: Sequence[Step], alone: Sequence[Step]) -> list[Sequence[Step]]:
    """The part in pieces, in order: these steps each alone, and what is between them."""
    marked = {id(step.change) for step in alone}
    pieces: list[list[Step]] = [[]]
    for step in part:
        if id(step.change) in marked:
            pieces += [[step], []]
        else:
            pieces[-1].append(step)
    return [piece for piece in pieces if piece]


def _parents(connection: pg.Connection, sinks: Iterable[Sink]) -> frozenset[tuple[str, str]]:
    """The tables that foreign keys point at."""
    names = {sink.target.oid: (sink.target.schema, sink.target.name) for sink in sinks}
    found = connection.execute(pg.template("sync/referenced"), {"tables": list(names)})
    return frozenset(names[oid] for (oid,) in found)


def _has_deferrable(connection: pg.Connection, tables: Sequence[int]) -> bool:
    return bool(row(connection, pg.template("sync/deferrable"), {"tables": list(tables)})[0])
