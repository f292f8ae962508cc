"""Steps into the tables, within the transaction that is open; what fails is narrowed down to single changes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seqguard import pg
from seqguard.sync.failure import BadValueError
from seqguard.sync.mapping.step import Delete, Rekey, Truncate, Upsert
from seqguard.sync.writing.explaining import NOT_YET, explanation, meaning
from seqguard.sync.writing.netting import Net, parents_first, segments
from seqguard.sync.writing.postgres import is_of_table, is_transient, line_of, row
from seqguard.sync.writing.sink import bad_ones, only_looking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import psycopg

    from seqguard.sync.mapping.step import Step
    from seqguard.sync.writing.netting import Segment
    from seqguard.sync.writing.pending import Pending
    from seqguard.sync.writing.sink import Lines, Sink

_PARENT_MISSING = "23503"
_REFUSED = frozenset({"23502", "23514"})
"""NOT NULL and CHECK: whether a row is refused does not depend on other rows."""
_UNFIT = "the value does not go into the target: change the mapping or the row at the source"


class StaleTableError(Exception):
    """A table is no longer what it was when it was read."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(reason)
        self.source = source


@dataclass(frozen=True, slots=True)
class _Operation:
    """One thing to do with one table, and the steps that it does, in the order of its lines. lines: of an upsert."""

    kind: Literal["upsert", "delete"]
    sink: Sink
    run: Callable[[], int]
    steps: Sequence[Step]
    lines: Lines | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """Steps, and all that can be done of them without the target."""

    steps: Sequence[Step]
    operations: Sequence[_Operation]


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a part could not be applied.

    step is to blame where that is known; apart are all those that fail so, where they can be told at once.
    """

    error: psycopg.Error
    sink: Sink
    step: Step | None
    apart: Sequence[Step] = ()


class Applier:
    """Applies steps to the tables of one connection."""

    def __init__(self, connection: pg.Connection, sinks: Mapping[str, Sink], insert_from: int) -> None:
        """So many new rows of a table, or more, are tried as a COPY into the table itself."""
        self._connection = connection
        self._insert_from = insert_from
        order = parents_first({sink.target.oid: sink.target.references for sink in sinks.values()})
        self._sinks = dict(sorted(sinks.items(), key=lambda item: order.index(item[1].target.oid)))
        self._parents = _parents(connection, sinks.values())
        self._defers = bool(sinks) and _has_deferrable(connection, [sink.target.oid for sink in sinks.values()])

    def ready(self, steps: Sequence[Step]) -> Ready | None:
        """Steps made ready; None where a value does not fit. Asks the target nothing: another thread may do it."""
        try:
            return Ready(steps, self._operations(steps))
        except _BadStepsError:
            return None

    def settle(self, steps: Sequence[Step], pending: Pending, ready: Ready | None = None) -> Counter[str]:
        """Apply steps in the transaction that is open; what cannot be applied becomes letters.

        A part that fails is split in the order of its changes, so that each part leads from one state
        of the source to another. What then waits for another row is tried once more: it may have come. Raises StaleTableError where a whole table is not as it was,
        psycopg.Error for what may pass.
        """
        for sink in self._sinks.values():
            sink.begin()
        counts: Counter[str] = Counter()
        self._settle(steps, pending, counts, ready)
        if counts:
            self._settle([step for step in steps if pending.waits(step.change)], pending, counts)
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
            apart = self._apart(operations, operation, error) if len(part) > 1 else ()
            return _Failure(error, operation.sink, _blamed(operation, error), apart)
        counts.update(done)
        pending.applied(step.change for step in fit)
        return None

    def _apart(
        self, operations: Sequence[_Operation], failed: _Operation, error: psycopg.Error
    ) -> Sequence[Step]:
        """The steps that fail for the same reason, all at once: there may be thousands."""
        found: Sequence[Step] = ()
        with only_looking(self._connection):
            if error.sqlstate == _PARENT_MISSING:
                self._defer()
                found = _orphans(operations)
            elif error.sqlstate in _REFUSED and failed.lines is not None:
                found = [failed.steps[n] for n in sorted(failed.sink.refused(failed.lines, error))]
        return found

    def _without(self, part: Sequence[Step], failure: _Failure, pending: Pending) -> list[Step]:
        """The part without the steps that fail for one reason: those that lack a parent wait, the others are dead."""
        state = failure.error.sqlstate or ""
        waits = state == _PARENT_MISSING
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
    ) -> tuple[Sequence[Step], Sequence[_Operation]]:
        """The operations of a part, without the steps whose values do not fit: those become letters."""
        if ready and part is ready.steps:
            return part, ready.operations
        while True:
            try:
                return part, self._operations(part)
            except _BadStepsError as bad:
                for step, error in bad.found:
                    pending.add(step.change, "dead", error.sqlstate, str(error), _UNFIT)
                gone = {id(step.change) for step, _ in bad.found}
                part = [step for step in part if id(step.change) not in gone]

    def _operations(self, part: Sequence[Step]) -> list[_Operation]:
        return [one for segment in segments(part, self._parents) for one in self._of_segment(segment)]

    def _of_segment(self, segment: Segment) -> Iterator[_Operation]:
        if isinstance(segment, Truncate):
            sink = self._sinks[segment.table.source]
            yield _Operation("delete", sink, sink.empty, [segment])
        elif isinstance(segment, Rekey):
            yield _rekey(self._sinks[segment.table.source], segment)
        else:
            yield from self._net(segment)

    def _net(self, net: Net) -> Iterator[_Operation]:
        """Upserts, parents first; then deletes, children first."""
        for source, sink in self._sinks.items():
            if source in net.upserts:
                yield self._upsert(sink, net.upserts[source])
        for source, sink in reversed(self._sinks.items()):
            if source in net.deletes:
                yield _delete(sink, net.deletes[source])

    def _upsert(self, sink: Sink, steps: Sequence[Upsert]) -> _Operation:
        try:
            lines = sink.encode(steps)
        except BadValueError:
            raise _BadStepsError(bad_ones(sink, steps)) from None
        new = len(steps) >= self._insert_from and all(step.change.before is None for step in steps)
        write = sink.insert if new else sink.upsert
        return _Operation("upsert", sink, lambda: write(lines), steps, lines)

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
            "waiting" if state == _PARENT_MISSING else "dead",
            state,
            pg.explain(failure.error),
            detail,
        )


class _BadStepsError(Exception):
    def __init__(self, found: Sequence[tuple[Step, BadValueError]]) -> None:
        super().__init__()
        self.found = found


def _delete(sink: Sink, steps: Sequence[Delete]) -> _Operation:
    """A key that cannot be in the target is not there."""
    found = [(step, line) for step in steps if (line := sink.encode_key(step.key))]
    lines = [line for _, line in found]
    return _Operation("delete", sink, lambda: sink.delete(lines), [step for step, _ in found])


def _rekey(sink: Sink, step: Rekey) -> _Operation:
    row = Upsert(step.table, step.key, step.row, step.change)
    try:
        lines = sink.encode([row])
    except BadValueError as error:
        raise _BadStepsError([(step, error)]) from None
    old = sink.encode_key(step.old_key)
    if old is None:
        return _Operation("upsert", sink, lambda: sink.upsert(lines), [step])
    return _Operation("upsert", sink, lambda: sink.rekey([old], lines), [step])


def _orphans(operations: Sequence[_Operation]) -> Sequence[Step]:
    """The steps of the first operation that has some whose rows reference rows which are not there."""
    for operation in operations:
        if operation.lines is not None:
            found = [operation.steps[n] for n in sorted(operation.sink.orphans(operation.lines))]
            if found:
                return found
        operation.run()
    return ()


def _blamed(operation: _Operation, error: psycopg.Error) -> Step | None:
    line = line_of(error)
    return operation.steps[line - 1] if line and line <= len(operation.steps) else None


def _split(part: Sequence[Step], blamed: Step | None) -> list[Sequence[Step]]:
    """Halves, in order; or what comes before the step to blame, the step, and halves of the rest."""
    if blamed is None:
        middle = len(part) // 2
        return [part[:middle], part[middle:]]
    place = next(index for index, step in enumerate(part) if step.change is blamed.change)
    middle = (place + 1 + len(part)) // 2
    return [part[:place], [part[place]], part[place + 1 : middle], part[middle:]]


def _parents(connection: pg.Connection, sinks: Iterable[Sink]) -> frozenset[tuple[str, str]]:
    """The tables that foreign keys point at."""
    names = {sink.target.oid: (sink.target.schema, sink.target.name) for sink in sinks}
    found = connection.execute(pg.template("sync/referenced"), {"tables": list(names)})
    return frozenset(names[oid] for (oid,) in found)


def _has_deferrable(connection: pg.Connection, tables: Sequence[int]) -> bool:
    return bool(row(connection, pg.template("sync/deferrable"), {"tables": list(tables)})[0])
