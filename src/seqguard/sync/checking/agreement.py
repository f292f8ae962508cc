"""The mapping checked against the columns of both databases: every finding at once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from seqguard.sync.checking import fitting
from seqguard.sync.kafka.connect_types import by_hint
from seqguard.sync.mapping.table import new_columns

if TYPE_CHECKING:
    from seqguard.sync.event import Value
    from seqguard.sync.mapping.table import TableRules
    from seqguard.sync.mysql.client import SourceColumn
    from seqguard.sync.target.catalog import TargetColumn, TargetTable

Judge = Callable[["TargetColumn", "Value"], str | None]
"""Why a target column does not take a value, None when it does."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not agree. key is the key of the file, within the table's section; table is "" outside of them.

    A warning tells of rows that may fail; anything else keeps every row of the table from going over.
    stops: it keeps only this table's from going over, while the others go on.
    """

    table: str
    key: str
    text: str
    warning: bool = False
    stops: bool = False

    def __str__(self) -> str:
        return f"{f'table {self.table}: ' if self.table else ''}{self.key}: {self.text}"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one table of the file.

    source: the source table's columns, None when its catalog cannot be read. target: None when there is no
    such table. mapped: target tables that the file names. unique: the source's unique keys. goes_on: the target
    has rows already, and a column that the source got since then keeps nobody from going on. before: the target of
    each source column that was read when the position was last stored, None for one that only a filter looked at.
    anew: how the rows are copied again, for people.
    """

    rules: TableRules
    source: Mapping[str, SourceColumn] | None
    target: TargetTable | None
    mapped: frozenset[tuple[str, str]]
    judge: Judge
    unique: Sequence[frozenset[str]] = ()
    goes_on: bool = False
    before: Mapping[str, str | None] = field(default_factory=dict)
    anew: str = ""

    @property
    def lost(self) -> list[str]:
        """Columns that went over, are still needed, and are gone from the source."""
        if self.source is None:
            return []
        gone = [name for name in self.before if name not in self.source]
        return [name for name in gone if self._needs(name, self.source)]

    def _needs(self, name: str, source: Iterable[str]) -> bool:
        """Whether a column that is gone is used, and no other one has taken its place."""
        rules = self.rules
        to = rules.target_of(name)
        column = self.target.columns.get(to or "") if self.target else None
        is_filled = column is None or column.computed or to in map(rules.target_of, source)
        return name in {*rules.key, *rules.ignore, *rules.only} or not is_filled

    @property
    def awaited(self) -> dict[str, str]:
        """Columns that did not go over before: the log may hold rows without them."""
        return new_columns(self.pairs, self.before, self.rules.key) if self.goes_on else {}

    @property
    def ignored(self) -> list[str]:
        """Columns that are not mapped although the source has them: where rows go over already, those of no target."""
        if not (self.goes_on and self.source and self.target):
            return []
        rules, has = self.rules, self.target.columns
        named = {*rules.key, *rules.columns}
        return [name for name in self.source if name not in named and rules.target_of(name) not in {None, *has}]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Source and target column of everything that is mapped, as far as it is known."""
        names = self._expected() if self.source is None else [*self.source, *self.lost]
        ignored = self.ignored
        return [
            (name, target)
            for name in names
            if (target := self.rules.target_of(name)) is not None and name not in ignored
        ]

    def _expected(self) -> list[str]:
        """Without the source's catalog: what was read before, or what the target has, and what the file names."""
        if self.before:
            return list(self.before)
        columns = self.target.columns.values() if self.target else ()
        of_target = self.rules.source_columns(column.name for column in columns if not column.computed)
        return list(dict.fromkeys([*of_target, *self.rules.key, *self.rules.columns]))


def findings(known: Known) -> Iterator[Finding]:
    """Everything that is wrong with one table."""
    yield from _of_hints(known.rules)
    if known.source is not None:
        yield from _of_names(known, known.source)
        yield from _of_filters(known, known.source)
        yield from _of_source_key(known, known.source)
        yield from _of_ignored(known)
        if known.lost:
            yield Finding(known.rules.source, "columns", lost_text(known), stops=True)
    if known.target is not None:
        yield from _of_columns(known, known.target)
        yield from _of_constants(known, known.target)
        yield from _of_values(known, known.target)
        yield from _of_key(known, known.target)
        yield from _of_unfilled(known, known.target)
        yield from _of_parents(known, known.target)


def missing_source(
    rules: TableRules, database: str, tables: Iterable[str], *, warning: bool = False
) -> Finding:
    """The source has no such table. A warning where its rows went over before."""
    text = f"database {database} has no such table{near(rules.source, tables)}"
    more = " any more: nothing comes from it; take it out of the file" if warning else ""
    return Finding(rules.source, "source", text + more, warning=warning)


def lost_text(known: Known) -> str:
    """What stops a table whose source has lost columns, and what to do about it; "" where it has lost none."""
    if not known.lost:
        return ""
    listed = ", ".join(known.lost)
    return (
        f"{known.rules.source} has no column {listed} any more, which went over before: the table is stopped. Put it"
        " in leave_out, and out of key and filters, and retry its letters; or map the column that took its place and"
        f" copy the rows again {known.anew}"
    )


def near(name: str, names: Iterable[str]) -> str:
    """What a name may have been meant to be, to be appended."""
    found = get_close_matches(name, list(names), n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def _of_hints(rules: TableRules) -> Iterator[Finding]:
    """Types of messages that no decoder knows."""
    for name, hint in rules.types.items():
        try:
            by_hint(hint)
        except ValueError as error:
            yield Finding(rules.source, f"types.{name}", str(error))


def _of_names(known: Known, source: Mapping[str, SourceColumn]) -> Iterator[Finding]:
    """Columns that the file names and the source does not have."""
    rules = known.rules
    named = [("key", name) for name in rules.key] + [("leave_out", name) for name in rules.leave_out]
    for key in ("columns", "values", "ignore", "only", "types"):
        named += [(f"{key}.{name}", name) for name in getattr(rules, key)]
    for key, name in named:
        if name not in {*source, *known.lost} and not (key == "key" and not known.unique):
            text = f"{rules.source} has no column {name}{near(name, source)}"
            yield Finding(rules.source, key, text, warning=key == "leave_out")


def _of_filters(known: Known, source: Mapping[str, SourceColumn]) -> Iterator[Finding]:
    """Filters whose values no row can have."""
    rules = known.rules
    for key, filters in (("ignore", rules.ignore), ("only", rules.only)):
        for name, listed in filters.items():
            for value in listed if name in source else ():
                why = fitting.never_holds(source[name].type, value)
                if why:
                    yield Finding(rules.source, f"{key}.{name}", why)


def _of_columns(known: Known, target: TargetTable) -> Iterator[Finding]:
    """Columns that the target does not have, computes itself, gets twice, or that cannot hold the source's."""
    rules = known.rules
    taken: dict[str, str] = {}
    for name, to in known.pairs:
        key = f"columns.{name}"
        if to in taken:
            yield Finding(
                rules.source, key, f"{to} is already the target of {taken[to]}: leave one of them out"
            )
        taken[to] = name
        if to not in target.columns:
            text = f"{rules.target} has no column {to}{near(to, target.columns)}; rename {name} in columns, or put it in leave_out"
            yield Finding(rules.source, key, text)
        elif target.columns[to].computed:
            yield Finding(rules.source, key, f"{to} is GENERATED ALWAYS AS (...): leave {name} out")
        elif known.source and name in known.source:
            yield from _of_types(known, known.source[name], target.columns[to])


def _of_types(known: Known, source: SourceColumn, target: TargetColumn) -> Iterator[Finding]:
    """What the types and NULL make impossible, or possible only for some rows."""
    rules, key = known.rules, f"columns.{source.name}"
    if source.nullable and not target.nullable:
        text = f"{source.name} may be NULL and {target.name} may not: rows with NULL become dead letters"
        yield Finding(rules.source, key, text, warning=True)
    if source.name in rules.values:
        return
    told = f"{source.name} is {source.type}, {rules.target}.{target.name} is {target.type}"
    for fault in fitting.faults(source.type, target):
        yield Finding(rules.source, key, f"{told}: {fault.text}", warning=fault.warning)


def _of_constants(known: Known, target: TargetTable) -> Iterator[Finding]:
    rules = known.rules
    for name, value in rules.constants.items():
        column = target.columns.get(name)
        if column is None:
            text = f"{rules.target} has no column {name}{near(name, target.columns)}"
            yield Finding(rules.source, f"constants.{name}", text)
        elif column.computed:
            yield Finding(
                rules.source, f"constants.{name}", f"{name} is GENERATED ALWAYS AS (...): take it out"
            )
        elif why := known.judge(column, value):
            yield Finding(rules.source, f"constants.{name}", _refused(value, rules, column, why))


def _refused(value: Value, rules: TableRules, column: TargetColumn, why: str) -> str:
    return f"{value!r} does not go into {rules.target}.{column.name}, which is {column.type}: {why}"


def _of_values(known: Known, target: TargetTable) -> Iterator[Finding]:
    """Results that the target column refuses, and labels of the source's enum that are not listed."""
    rules = known.rules
    for name, listed in rules.values.items():
        column = target.columns.get(rules.target_of(name) or "")
        for text, value in listed.items() if column else ():
            assert column is not None
            if why := known.judge(column, value):
                yield Finding(rules.source, f"values.{name}.{text}", _refused(value, rules, column, why))
        labels = fitting.labels(known.source[name].type) if known.source and name in known.source else ()
        yield from _of_labels(rules, name, labels)


def _of_labels(rules: TableRules, name: str, labels: Sequence[str]) -> Iterator[Finding]:
    listed = rules.values[name]
    for label in labels:
        if label not in listed:
            text = f"has nothing for {label!r}, which the source may hold: list it"
            yield Finding(rules.source, f"values.{name}", text)
    for text in listed:
        if labels and text not in labels:
            what = f"the source never holds it{near(text, labels)}"
            yield Finding(rules.source, f"values.{name}.{text}", what, warning=True)


def _of_key(known: Known, target: TargetTable) -> Iterator[Finding]:
    """The key finds one row of the target, by a unique index."""
    rules = known.rules
    columns = [to for name in rules.key if (to := rules.target_of(name))]
    if not all(column in target.columns for column in columns):
        return
    listed = ", ".join(columns)
    if frozenset(columns) not in target.unique:
        text = (
            f"{rules.target} has no unique index on ({listed}) that ON CONFLICT could use: add"
            f" UNIQUE ({listed}), neither deferrable nor partial, or name another key"
        )
        yield Finding(rules.source, "key", text)


def _of_source_key(known: Known, source: Mapping[str, SourceColumn]) -> Iterator[Finding]:
    """No two rows of the source agree in the key."""
    rules = known.rules
    if not known.unique:
        text = (
            f"{rules.source} has neither a primary key nor a unique index on NOT NULL columns: a table without a key"
            " cannot be synced. Give it one, or take it out of the file"
        )
        yield Finding(rules.source, "key", text)
    elif set(rules.key) <= source.keys() and not any(unique <= set(rules.key) for unique in known.unique):
        listed = " or ".join(f"({', '.join(sorted(unique))})" for unique in known.unique)
        text = (
            f"({', '.join(rules.key)}) is not unique in {rules.source}: rows that agree in it would overwrite each"
            f" other. {listed} would do"
        )
        yield Finding(rules.source, "key", text)


def _of_ignored(known: Known) -> Iterator[Finding]:
    """Columns that the source got since the copy."""
    for name in known.ignored:
        text = (
            f"{known.rules.target} has no column {name}: it is ignored. Put it in leave_out, or add it to the target"
            f" and copy the rows again {known.anew}"
        )
        yield Finding(known.rules.source, f"columns.{name}", text, warning=True)


def _of_unfilled(known: Known, target: TargetTable) -> Iterator[Finding]:
    written = {to for _, to in known.pairs} | known.rules.constants.keys()
    for column in target.columns.values():
        if not column.filled and column.name not in written:
            text = (
                f"{known.rules.target}.{column.name} is NOT NULL without a default, and nothing fills it:"
                " map a column to it, or give it a constant or a default"
            )
            yield Finding(known.rules.source, f"constants.{column.name}", text)


def _of_parents(known: Known, target: TargetTable) -> Iterator[Finding]:
    """Parents that nothing brings."""
    rules = known.rules
    for schema, name in target.parents:
        if (schema, name) not in known.mapped:
            text = (
                f"{rules.target} references {schema}.{name}, which no table of the file goes to:"
                " rows whose parent is not there wait, and become dead letters"
            )
            yield Finding(rules.source, "target", text, warning=True)
