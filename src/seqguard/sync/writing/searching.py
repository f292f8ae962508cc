"""Which steps of an operation fail, found within the transaction that is open and without keeping anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seqguard import pg
from seqguard.sync.writing.postgres import is_transient, line_of
from seqguard.sync.writing.sink import only_looking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import psycopg

    from seqguard.sync.mapping.step import Step
    from seqguard.sync.writing.sink import Lines, Sink

PARENT_MISSING = "23503"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to do with one table, and the steps that it does, in the order of its lines. lines: of an upsert.

    rounds: whether it is one of those that do a table's steps in their order.
    passes_over: whether it leaves out keys that do not fit the table, for no row can have them.
    """

    kind: Literal["upsert", "delete"]
    sink: Sink
    run: Callable[[], int]
    steps: Sequence[Step]
    lines: Lines | None = None
    rounds: bool = False
    passes_over: bool = False


def failing(connection: pg.Connection, operations: Sequence[Operation], failed: Operation) -> Sequence[Step]:
    """The rows of a table that fail; the other tables are written once for it."""
    found: list[Step] = []
    with only_looking(connection):
        place = next(n for n, one in enumerate(operations) if one is failed)
        for operation in operations[:place]:
            operation.run()
        for operation in _with_rounds(operations[place:]):
            found += _failing(connection, operation)
    return found


def _failing(connection: pg.Connection, operation: Operation) -> Iterator[Step]:
    """Carry out what can be of an operation; the steps that cannot. Those that lack a parent are not meant."""
    if operation.lines is None:
        operation.run()
        return
    parts = [list(range(len(operation.steps)))]
    while parts:
        part = parts.pop()
        lines = [operation.lines[n] for n in part]
        state = _error_of(connection, operation.sink, lines) if part else None
        lacking = operation.sink.orphans(lines) if state == PARENT_MISSING else set()
        if lacking:
            parts.append([n for place, n in enumerate(part) if place not in lacking])
        elif state and len(part) > 1:
            middle = len(part) // 2
            parts += [part[middle:], part[:middle]]
        elif state and state != PARENT_MISSING:
            yield operation.steps[part[0]]


def _error_of(connection: pg.Connection, sink: Sink, lines: Lines) -> str | None:
    """Upsert rows, or say which SQLSTATE is in the way."""
    import psycopg

    try:
        with connection.transaction():
            sink.upsert(lines)
    except psycopg.Error as error:
        if is_transient(error) or pg.is_lost(connection):
            raise
        return error.sqlstate
    return None


def _with_rounds(operations: Sequence[Operation]) -> Iterator[Operation]:
    """The first operation, and the others of its table's rounds."""
    first = operations[0]
    for operation in operations:
        if operation is not first and not (first.rounds and operation.rounds and operation.sink is first.sink):
            return
        yield operation


def orphans(operations: Sequence[Operation]) -> Sequence[Step]:
    """The steps of the first operation that has some whose rows reference rows which are not there.

    Where a foreign key can be deferred, what counts is what is there after all operations.
    """
    for operation in operations:
        found = _orphans(operation, at_end=False)
        if found:
            return found
        operation.run()
    return [step for operation in operations for step in _orphans(operation, at_end=True)]


def _orphans(operation: Operation, *, at_end: bool) -> list[Step]:
    if operation.lines is None:
        return []
    return [operation.steps[n] for n in sorted(operation.sink.orphans(operation.lines, at_end=at_end))]


def blamed(operation: Operation, error: psycopg.Error) -> Step | None:
    """The step whose line COPY could not read."""
    line = line_of(error)
    return operation.steps[line - 1] if line and line <= len(operation.steps) else None
