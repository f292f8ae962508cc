"""The facts that seqguard reads and the results that it returns: frozen, typed, no I/O.

Facts are tuples, which are quick to make: a large database has tens of thousands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Status = Literal["ok", "behind", "exhausted", "unreadable", "unjudged"]
GuardState = Literal["installed", "outdated", "disabled", "missing", "unguardable"]

STATUSES: tuple[Status, ...] = ("ok", "behind", "exhausted", "unreadable", "unjudged")


class Definition(NamedTuple):
    """What CREATE SEQUENCE says of a sequence."""

    increment: int = 1
    minimum: int = 1
    maximum: int = 2**63 - 1
    cache: int = 1
    cycle: bool = False

    @property
    def direction(self) -> int:
        """1 for an ascending sequence, -1 for a descending one."""
        return 1 if self.increment > 0 else -1

    @property
    def limit(self) -> int:
        """The last value that the sequence can reach."""
        return self.maximum if self.increment > 0 else self.minimum

    @property
    def wrapped_start(self) -> int:
        """Where a cycling sequence goes on after its limit."""
        return self.minimum if self.increment > 0 else self.maximum

    def nearest_limit(self, type_maximum: int | None) -> int:
        """The sequence's limit, or that of its narrowest column where it is nearer."""
        if type_maximum is None:
            return self.limit
        return min(self.limit, type_maximum) if self.increment > 0 else max(self.limit, -type_maximum - 1)


class State(NamedTuple):
    """What a sequence relation holds."""

    last_value: int
    is_called: bool


class Judgement(NamedTuple):
    """The outcome of the rules for one sequence.

    next_value: what the next nextval returns, None when it would fail.
    target: the last_value that repairs the sequence, None unless it is behind.
    steps: how many nextval calls lead there.
    """

    status: Status
    next_value: int | None
    target: int | None = None
    steps: int = 0


class FedColumn(NamedTuple):
    """One row of sql/fed_columns.sql: a sequence and a column that it feeds, as the catalogs have them.

    table_oid is None for a sequence that feeds no column. The *_unreadable fields hold
    the statement that would help; unjudged says why. unguardable and what follows it is what
    installing a guard takes, and asked for only then.
    """

    sequence_oid: int
    sequence_schema: str
    sequence_name: str
    sequence: str
    state: str
    sequence_owner: str
    increment: int
    minimum: int
    maximum: int
    cache: int
    cycle: bool
    is_owner: bool
    sequence_unreadable: str | None
    table_oid: int | None
    table_schema: str | None
    table_name: str | None
    table: str | None
    column_name: str | None
    column: str | None
    kind: str | None
    number_pattern: str | None
    type_maximum: int | None
    indexed: bool
    pages: int | None
    is_own: bool
    locked_as: str | None
    unjudged: str | None
    column_unreadable: str | None
    furthest_query: str | None
    guard_state: GuardState | None
    unguardable: str | None = None
    guard_name: str | None = None
    guard_shape: str | None = None
    guard_function: str | None = None
    guard_arguments: str | None = None

    @property
    def is_temporary(self) -> bool:
        """Whether the sequence or the table is of this session only."""
        return self.sequence_schema.startswith("pg_temp_") or (self.table_schema or "").startswith("pg_temp_")

    @property
    def definition(self) -> Definition:
        """The definition of the sequence."""
        return Definition(self.increment, self.minimum, self.maximum, self.cache, self.cycle)


@dataclass(frozen=True, slots=True)
class GuardTrigger:
    """One row of sql/guard_triggers.sql: a guard that is there."""

    schema: str
    table: str
    name: str
    qualified_table: str


class Reading(NamedTuple):
    """What was read of one fed column, and of its sequence in the same statement.

    problem says why nothing was read; then the other fields are None.
    """

    furthest: int | None = None
    state: State | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """A fed column: table and column as format('%I') prints them, kind, furthest value."""

    table: str
    column: str
    kind: str
    furthest: int | None
    indexed: bool


@dataclass(frozen=True, slots=True)
class Repair:
    """What fix did with a sequence: the last_value that it moved to, or why it did not."""

    moved_to: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class SequenceReport:
    """The verdict on one sequence.

    facts are the catalog rows that it rests on. repair is set by fix.
    """

    sequence: str
    status: Status
    next_value: int | None
    furthest: int | None
    last_value: int | None
    is_called: bool | None
    increment: int
    target: int | None
    steps: int
    guarded: bool
    columns: tuple[ColumnReport, ...]
    notes: tuple[str, ...]
    facts: tuple[FedColumn, ...] = field(repr=False, default=())
    repair: Repair | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What check and fix return: every selected sequence, in the order of their names."""

    server_version: str
    database: str
    sequences: tuple[SequenceReport, ...]

    @property
    def summary(self) -> dict[str, int]:
        """How many sequences have each status."""
        counts: dict[str, int] = dict.fromkeys(STATUSES, 0)
        for sequence in self.sequences:
            counts[sequence.status] += 1
        return counts

    @property
    def in_sync(self) -> bool:
        """True when every sequence is ok."""
        return all(sequence.status == "ok" for sequence in self.sequences)

    def with_status(self, *statuses: Status) -> tuple[SequenceReport, ...]:
        """The sequences that have one of these statuses."""
        return tuple(sequence for sequence in self.sequences if sequence.status in statuses)


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard on one fed column. problem says why it is not installed.

    column and sequence are empty where the guard has nothing left to guard. moved_to is the last_value that
    guard moved the sequence to, None where it was not behind.
    """

    table: str
    column: str
    sequence: str
    name: str | None
    state: GuardState
    problem: str | None = None
    moved_to: int | None = None
