"""What a source hands on: changes of single rows, whatever brought them, and where they stood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """The value of a JSON column, as text: numbers in it keep their digits."""

    text: str


@dataclass(frozen=True, slots=True)
class ZeroDate:
    """A date that MySQL takes and no calendar has: 0000-00-00, 2024-02-00. text is what is known of it."""

    text: str


Value = (
    None | bool | int | float | Decimal | str | bytes | date | datetime | timedelta | JsonDocument | ZeroDate
)
"""A value of a row. Every source brings its own representation into these types:

integers, YEAR, BIT(n > 1) and TINYINT as int, BIT(1) as bool, DECIMAL as Decimal, DATETIME as naive and
TIMESTAMP as aware datetime (UTC), TIME as timedelta (it may be negative, or longer than a day),
ENUM as str, SET as str with commas, binary strings as bytes.
"""

Row = Mapping[str, Value]
"""The columns of a row by their names in the source."""

Offset = Mapping[str, Json]
"""A place in a stream, in the terms of its source. Stored as it is, understood by nobody else."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in one of a source's streams: the binlog, or a partition of a topic."""

    stream: str
    offset: Offset


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one row: an insert has no before, a delete no after, a truncate neither.

    table is the source table's name. before may hold the key's columns only; after is the whole row.
    position is where reading would go on after this change. at is when the source wrote it,
    None when unknown, and in the rows of a snapshot.
    """

    table: str
    before: Row | None
    after: Row | None
    position: Position
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BadMessage:
    """A message that no change can be made of: no JSON, no change event, a value that is not of its type.

    table is the source table, position is after the message, reason says what is wrong with it. key and value
    are its bytes as they came: they may hold NUL, and be no UTF-8.
    """

    table: str
    position: Position
    reason: str
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll of a source brought: changes in their order, and where each stream stands after them.

    positions may move on without changes: nothing of interest was read. stopped tells of the source tables
    whose columns no longer are what the mapping needs, and why; their changes are among the changes no less.
    lacks: by source table that has rows here, mapped columns that no row has: they are from before these came. bad are messages that no change can be made of: the writer stores each as a dead letter, in the
    transaction that stores positions, which are beyond them.
    """

    changes: Sequence[Change] = ()
    positions: Mapping[str, Offset] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)
    lacks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    bad: Sequence[BadMessage] = ()
