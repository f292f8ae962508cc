"""A change of the source as a step for the target. Pure, and run for every change: what can be is made before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqguard.sync.event import ZeroDate
from seqguard.sync.failure import BadValueError
from seqguard.sync.mapping.step import Delete, Rekey, Truncate, Upsert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seqguard.sync.event import Change, Row, Value
    from seqguard.sync.mapping.step import Key, Step
    from seqguard.sync.mapping.table import TableMapping

    Filter = tuple[str, frozenset[Value]]

_NO_NULL, _NO_DATE, _NO_VALUE, _NO_COLUMN = "23502", "22007", "22P02", "42703"


def translate(change: Change, table: TableMapping) -> Step | None:
    """What a change of the source table means for the target; None when it means nothing.

    Raises BadValueError for a value that the mapping does not know, a zero date that it does not take,
    a NULL in the key, and a row without one of the columns that it needs.
    """
    try:
        if change.after is not None:
            return _written(change, change.after, table)
        if change.before is not None:
            return _deleted(change, change.before, table)
    except KeyError as error:
        raise BadValueError(str(error.args[0]), "the change does not bring this column", _NO_COLUMN) from None
    return Truncate(table, change) if table.truncates else None


def _written(change: Change, after: Row, table: TableMapping) -> Step | None:
    plan = table.plan
    for name, listed in plan.ignore:  # any() would take a third of a microsecond longer
        if after[name] in listed:
            return None
    before = change.before
    if plan.only and any(after[name] not in listed for name, listed in plan.only):
        return None if before is None else _left(change, before, table)
    row = _row(after, table)
    key = plan.key_of(row)
    if None in key:
        _refuse_null(key, table)
    if before is None or plan.read_key(before) == plan.read_key(after) or _is_out(before, plan.only):
        return Upsert(table, key, row, change)
    return Rekey(table, _key(before, table), key, row, change)


def _deleted(change: Change, before: Row, table: TableMapping) -> Step | None:
    if any(before.get(name, _UNKNOWN) in listed for name, listed in table.plan.ignore):
        return None
    return _left(change, before, table)


def _left(change: Change, before: Row, table: TableMapping) -> Step | None:
    """The row is no longer wanted; nothing to do where it never was."""
    return None if _is_out(before, table.plan.only) else Delete(table, _key(before, table), change)


def _is_out(before: Row, only: Sequence[Filter]) -> bool:
    """Whether a row was surely outside the filter; before may lack the columns that would tell."""
    return any(name in before and before[name] not in listed for name, listed in only)


def _row(after: Row, table: TableMapping) -> dict[str, Value]:
    plan = table.plan
    values = plan.read(after)
    row = dict(zip(plan.targets, values + plan.constants, strict=True))
    if ZeroDate in set(map(type, values)):
        _replace_zero_dates(row, table)
    for source, target, listed in plan.values:
        row[target] = _listed(row[target], source, listed)
    return row


def _key(before: Row, table: TableMapping) -> Key:
    """The key of the row as it was, in the target's terms."""
    key = table.plan.read_key(before)
    if table.plan.key_values:
        mapped = list(key)
        for place, listed in table.plan.key_values:
            mapped[place] = _listed(key[place], table.key[place], listed)
        key = tuple(mapped)
    if None in key:
        _refuse_null(key, table)
    return key


def _listed(value: Value, source: str, listed: Mapping[Value, Value]) -> Value:
    """What a value becomes. NULL stays NULL."""
    try:
        return None if value is None else listed[value]
    except KeyError:
        raise BadValueError(source, f"values has nothing for {_shown(value)}", _NO_VALUE) from None


def _shown(value: Value) -> str:
    """A value for a message, cut when it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _replace_zero_dates(row: dict[str, Value], table: TableMapping) -> None:
    for source, target in table.columns.items():
        value = row[target]
        if isinstance(value, ZeroDate):
            if not table.zero_dates_as_null:
                raise BadValueError(
                    source, f'{value.text} is no date; zero_dates = "null" takes it as NULL', _NO_DATE
                )
            row[target] = None


def _refuse_null(key: Key, table: TableMapping) -> None:
    raise BadValueError(table.key[key.index(None)], "the key is NULL", _NO_NULL)


_LONGEST = 80
_UNKNOWN = object()
