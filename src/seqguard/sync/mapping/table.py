"""The mapping: which source table goes to which target table, and what becomes of its columns."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    from seqguard.sync.event import Row, Value

    Targets = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class TableMapping:
    """One source table and where it goes.

    key: the source columns that identify a row; their targets must be unique in the target.
    columns: target column by source column, every mapped column in the order of the source table.
    values: by source column, what a value becomes, by its text; what is not listed is an error for that row.
      NULL stays NULL.
    constants: target columns that get the same value in every row.
    ignore: by source column, values of rows that are not taken at all, neither written nor deleted:
      what keeps a row that we wrote from coming back. One column is enough.
    only: by source column, values of rows that are wanted, in all of these columns; as with PostgreSQL's row
      filters, a row that leaves the filter is deleted from the target, one that enters it is inserted.
    zero_dates_as_null: what a zero date becomes: NULL, or an error for that row.
    truncates: whether a truncate of the source table empties the target.
    types: by source column, the Debezium type of its values, where messages do not tell (no schema part).
    awaited: target column by source column, of those that are mapped as soon as the source's rows have them.
    reads: the target of each source column that is read, None for one that only a filter looks at.
    stopped: why none of its changes is applied, "" where they are.
    plan: all this as translate() needs it, made from the other fields.

    Raises ValueError when a column of the key is not among the mapped ones.
    """

    source: str
    target_schema: str
    target_table: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    values: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    constants: Mapping[str, Value] = field(default_factory=dict)
    ignore: Mapping[str, frozenset[Value]] = field(default_factory=dict)
    only: Mapping[str, frozenset[Value]] = field(default_factory=dict)
    zero_dates_as_null: bool = False
    truncates: bool = True
    types: Mapping[str, str] = field(default_factory=dict)
    awaited: Mapping[str, str] = field(default_factory=dict)
    stopped: str = ""
    reads: Targets = field(init=False, repr=False, compare=False)
    plan: Plan = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        missing = [name for name in self.key if name not in self.columns]
        if missing:
            raise ValueError(f"table {self.source}: column {missing[0]} of the key is not mapped")
        filters = sorted({*self.ignore, *self.only} - self.columns.keys())
        object.__setattr__(self, "reads", {**self.columns, **dict.fromkeys(filters)})
        object.__setattr__(self, "plan", _plan(self))

    @property
    def target_key(self) -> tuple[str, ...]:
        """The target columns of the key."""
        return self.plan.target_key

    def lacked_by(self, row: Row) -> frozenset[str]:
        """The mapped and awaited columns that a row is written without, for it does not bring them.

        No column is, where the row brings one that is not read any more: that may have been renamed.
        """
        whole = self.columns.keys() | self.awaited.keys()
        if row.keys() - whole - self.reads.keys():
            return frozenset()
        return frozenset(whole - row.keys() - {*self.key, *self.ignore, *self.only})

    def awaiting(self, names: Container[str]) -> TableMapping:
        """The mapping with these of its columns awaited, and no others."""
        whole = {**self.columns, **self.awaited}
        return replace(
            self,
            columns={name: to for name, to in whole.items() if name not in names},
            awaited={name: to for name, to in whole.items() if name in names},
        )


def new_columns(columns: Iterable[tuple[str, str]], before: Targets, key: Container[str]) -> dict[str, str]:
    """Which of these source columns, with their targets, did not go over before: older rows lack them.

    before: what was read of the table, and where that went; when that is empty nothing is new. Not a column that
    has taken the place of another: rows without it would lose that one's value.
    """
    fed = {*before.values()}
    return {
        name: to for name, to in columns if before and name not in before and name not in key and to not in fed
    }


@dataclass(frozen=True, slots=True)
class TableRules:
    """What the file says of one table. With the source's columns it becomes a TableMapping.

    columns: the renames; a column that is not among them keeps its name.
    leave_out: source columns that are not mapped. Neither is one whose target column gets a constant.
    truncates: None when the file does not say; then a table with ignore is not emptied, for it has rows of others.
    The other fields are those of TableMapping.
    """

    source: str
    target_schema: str
    target_table: str
    key: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    values: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    constants: Mapping[str, Value] = field(default_factory=dict)
    ignore: Mapping[str, frozenset[Value]] = field(default_factory=dict)
    only: Mapping[str, frozenset[Value]] = field(default_factory=dict)
    zero_dates_as_null: bool = False
    truncates: bool | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    topic: str | None = None

    @property
    def target(self) -> str:
        """Schema and table of the target, for people."""
        return f"{self.target_schema}.{self.target_table}"

    def target_of(self, column: str) -> str | None:
        """The target column of a source column, None when it is not mapped."""
        target = self.columns.get(column, column)
        return None if column in self.leave_out or target in self.constants else target

    def source_columns(self, targets: Iterable[str]) -> list[str]:
        """The source columns that these target columns are filled from, when only the target is known.

        A column of the target that the source does not have must be in leave_out.
        """
        sources = {target: source for source, target in self.columns.items()}
        return [sources.get(target, target) for target in targets if target not in self.constants]

    def complete(self, columns: Iterable[str]) -> TableMapping:
        """The mapping of a source table that has these columns.

        Raises ValueError when a column of the key is not among the mapped ones.
        """
        return TableMapping(
            source=self.source,
            target_schema=self.target_schema,
            target_table=self.target_table,
            key=self.key,
            columns={name: target for name in columns if (target := self.target_of(name)) is not None},
            values=self.values,
            constants=self.constants,
            ignore=self.ignore,
            only=self.only,
            zero_dates_as_null=self.zero_dates_as_null,
            truncates=not self.ignore if self.truncates is None else self.truncates,
            types=self.types,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A mapping as translate() needs it.

    read: the mapped columns of a row in their order, as a tuple. read_key: the same of the key's columns.
    targets: the target columns of what read gives, then those of the constants, whose values are constants.
    target_key: the target columns of the key.
    key_of: the key in a row of the target. values: source column, target column, value by value.
    key_values: by place in the key, value by value.
    """

    read: Callable[[Row], tuple[Value, ...]]
    read_key: Callable[[Row], tuple[Value, ...]]
    targets: tuple[str, ...]
    constants: tuple[Value, ...]
    target_key: tuple[str, ...]
    key_of: Callable[[Row], tuple[Value, ...]]
    values: tuple[tuple[str, str, Mapping[Value, Value]], ...]
    key_values: tuple[tuple[int, Mapping[Value, Value]], ...]
    ignore: tuple[tuple[str, frozenset[Value]], ...]
    only: tuple[tuple[str, frozenset[Value]], ...]


def _plan(table: TableMapping) -> Plan:
    values = {name: _by_value(listed) for name, listed in table.values.items() if name in table.columns}
    target_key = tuple(table.columns[name] for name in table.key)
    return Plan(
        read=_getter(tuple(table.columns)),
        read_key=_getter(table.key),
        targets=(*table.columns.values(), *table.constants),
        constants=tuple(table.constants.values()),
        target_key=target_key,
        key_of=_getter(target_key),
        values=tuple((name, table.columns[name], listed) for name, listed in values.items()),
        key_values=tuple((place, values[name]) for place, name in enumerate(table.key) if name in values),
        ignore=tuple(table.ignore.items()),
        only=tuple(table.only.items()),
    )


def _getter(names: tuple[str, ...]) -> Callable[[Row], tuple[Value, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: tuple(row[name] for name in names)


def _by_value(listed: Mapping[str, Value]) -> dict[Value, Value]:
    """A value map by what a source may bring: the keys of TOML are texts, its columns need not be."""
    found: dict[Value, Value] = {}
    for text, value in listed.items():
        for meaning in _meanings(text):
            found.setdefault(meaning, value)
    return found


def _meanings(text: str) -> Iterator[Value]:
    yield text
    if text in {"false", "true"}:
        yield text == "true"
    if _NUMBER.fullmatch(text):
        yield Decimal(text)
    for read in (date.fromisoformat, datetime.fromisoformat):
        with suppress(ValueError):
            yield read(text)


_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
