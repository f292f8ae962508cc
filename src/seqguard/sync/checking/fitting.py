"""Whether a MySQL column fits a column of PostgreSQL, judged by trying what it may hold on the writer's encoder. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from seqguard.sync.checking.probes import MySQLType, mysql_type, probes
from seqguard.sync.failure import BadValueError
from seqguard.sync.target.values import encoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqguard.sync.event import Value
    from seqguard.sync.target.catalog import TargetColumn

_MODIFIER = re.compile(r"\((-?\d+)(?:,(-?\d+))?\)")
_PARSED = ("smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "date", "time without time zone",
           "time with time zone", "timestamp without time zone", "timestamp with time zone", "interval")  # fmt: skip
_TEXTUAL = ("text", "character varying", "character", "citext", "name")
_TAKE_JSON = ("json", "jsonb", *_TEXTUAL)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a column does not fit; a warning when only some values do not."""

    text: str
    warning: bool = False


def labels(column_type: str) -> tuple[str, ...]:
    """What an ENUM may hold, nothing for other types."""
    kind = mysql_type(column_type)
    return kind.labels if kind.base == "enum" else ()


def faults(column_type: str, target: TargetColumn) -> Iterator[Fault]:
    """What is wrong with a column of this COLUMN_TYPE going into a target column."""
    kind = mysql_type(column_type)
    tried = probes(kind)
    if tried is None:
        yield Fault("seqguard does not know the source's type: leave the column out")
        return
    usual = _first_refused(target, tried.usual)
    if usual is None and kind.base == "json" and _base(target) not in _TAKE_JSON:
        usual = "JSON goes into json, jsonb or text"
    if usual is not None and not (kind.is_free_text and target.labels):
        yield Fault(f"it does not fit: {usual}")
        return
    furthest = _first_refused(target, tried.extremes)
    if furthest is not None:
        yield Fault(f"it may not fit: {furthest}", warning=True)
    yield from _losses(kind, target)


def _first_refused(target: TargetColumn, values: tuple[Value, ...]) -> str | None:
    return next((why for value in values if (why := refusal(target, value))), None)


def refusal(target: TargetColumn, value: Value) -> str | None:
    """Why the writer would not even send a value to this column, None when it would."""
    try:
        encoder(target)(value)
    except BadValueError as error:
        return str(error).removeprefix(f"column {target.name}: ")
    return None


def _losses(kind: MySQLType, target: TargetColumn) -> Iterator[Fault]:
    """Lengths, digits, and what only PostgreSQL can read from a text."""
    base, modifier = _base(target), _MODIFIER.search(target.type)
    if base in _TEXTUAL and modifier and kind.characters and kind.characters > int(modifier[1]):
        yield Fault(f"longer texts than {modifier[1]} characters become dead letters", warning=True)
    if base in _TEXTUAL and kind.is_binary:
        yield Fault("bytes that are no UTF-8 become dead letters; bytea takes them all", warning=True)
    if kind.is_free_text and (base in _PARSED or target.labels):
        yield Fault(f"texts that are no {base} become dead letters", warning=True)
    if base == "numeric" and modifier and int(modifier[2] or 0) < kind.scale:
        yield Fault(f"PostgreSQL rounds to {modifier[2] or 0} digits after the point", warning=True)
    if base in {"real", "double precision"} and kind.base in {"decimal", "bigint"}:
        yield Fault("digits beyond the precision of a floating point number are lost", warning=True)
    if base == "date" and kind.base in {"datetime", "timestamp"}:
        yield Fault("the time of day is lost", warning=True)


def _base(target: TargetColumn) -> str:
    return _MODIFIER.sub("", target.type)


def never_holds(column_type: str, value: Value) -> str | None:
    """Why a column of this COLUMN_TYPE never holds the value of a filter, None when it may."""
    kind = mysql_type(column_type)
    if isinstance(value, str) and kind.labels and kind.base == "enum" and value not in kind.labels:
        return f"the column is {column_type}, which never is {value!r}"
    if isinstance(value, str) and (kind.is_integer or kind.base in {"decimal", "bit", "float", "double"}):
        return f"the column is {column_type}: write {value} without quotes"
    if isinstance(value, str) and kind.base in {"date", "datetime", "timestamp"}:
        return f"the column is {column_type}: write {value} as a date of TOML, without quotes"
    if isinstance(value, (int, Decimal, date)) and (kind.characters is not None or kind.is_binary):
        return f"the column is {column_type}: write {value} in quotes"
    return None
