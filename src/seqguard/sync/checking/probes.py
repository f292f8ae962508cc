"""What a MySQL column may hold, by its COLUMN_TYPE: values to try on a target column before any row comes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from seqguard.sync.event import JsonDocument

if TYPE_CHECKING:
    from collections.abc import Callable

    from seqguard.sync.event import Value

_TYPE = re.compile(r"(\w+)(?:\((.*)\))?(?:.*\b(unsigned))?", re.DOTALL)
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_INTEGERS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_TEXTS = {"tinytext": 2**8 - 1, "text": 2**16 - 1, "mediumtext": 2**24 - 1, "longtext": 2**32 - 1}
_BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_NOON = datetime(2024, 2, 29, 12)  # noqa: DTZ001 - DATETIME has no time zone
_LONGEST_TIME = timedelta(hours=838, minutes=59, seconds=59)
_DOUBLE = 1.7976931348623157e308


@dataclass(frozen=True, slots=True)
class MySQLType:
    """A COLUMN_TYPE taken apart. arguments are the numbers in its parentheses."""

    base: str
    arguments: tuple[int, ...]
    labels: tuple[str, ...]
    unsigned: bool

    @property
    def characters(self) -> int | None:
        """How long a text may be, None for what is no text."""
        if self.base in {"char", "varchar"}:
            return self.arguments[0] if self.arguments else 1
        if self.base in {"enum", "set"}:
            return max(map(len, self.labels), default=0) if self.base == "enum" else len(",".join(self.labels))
        return _TEXTS.get(self.base)

    @property
    def is_free_text(self) -> bool:
        """Whether it holds any text, not only listed ones."""
        return self.base in {"char", "varchar", *_TEXTS}

    @property
    def is_integer(self) -> bool:
        """Whether its values are whole numbers."""
        return self.base in {*_INTEGERS, "year"}

    @property
    def is_binary(self) -> bool:
        """Whether its values are bytes."""
        return self.base in _BYTES

    @property
    def scale(self) -> int:
        """Digits after the point of a DECIMAL, 0 for other types."""
        return self.arguments[1] if self.base == "decimal" and len(self.arguments) > 1 else 0


@dataclass(frozen=True, slots=True)
class Probes:
    """usual: a value like most, which any fitting column takes. extremes: the furthest, which a narrower one refuses."""

    usual: tuple[Value, ...]
    extremes: tuple[Value, ...] = ()


def mysql_type(column_type: str) -> MySQLType:
    """Take a COLUMN_TYPE apart: `int(10) unsigned`, `enum('a','b')`."""
    match = _TYPE.match(column_type)
    base, inside, unsigned = match.groups() if match else (column_type, None, None)
    listed = base in {"enum", "set"}
    return MySQLType(
        base=base.lower(),
        arguments=() if listed else tuple(int(number) for number in re.findall(r"\d+", inside or "")),
        labels=tuple(label.replace("''", "'") for label in _LABEL.findall(inside or "")) if listed else (),
        unsigned=unsigned is not None,
    )


def probes(kind: MySQLType) -> Probes | None:
    """Values to try, as a source brings them; None for a type that is not known here."""
    made = _BY_BASE.get(kind.base)
    return made(kind) if made else None


def _integer(kind: MySQLType) -> Probes:
    bits = _INTEGERS[kind.base]
    if kind.base == "tinyint" and kind.arguments == (1,):
        return Probes((1,))
    return Probes((1,), (0, 2**bits - 1) if kind.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))


def _decimal(kind: MySQLType) -> Probes:
    precision, scale = kind.arguments
    furthest = Decimal((0, (9,) * precision, -scale))
    return Probes((Decimal(1),), (furthest,))


def _bit(kind: MySQLType) -> Probes:
    bits = (*kind.arguments, 1)[0]
    return Probes((True,)) if bits == 1 else Probes((1,), (2**bits - 1,))


def _listed(kind: MySQLType) -> Probes:
    return Probes(kind.labels) if kind.base == "enum" else Probes(kind.labels[:1], (",".join(kind.labels),))


def _binary(kind: MySQLType) -> Probes:
    return Probes((b"\0" * 16 if kind.arguments == (16,) else b"x",))


def _always(*usual: Value, extremes: tuple[Value, ...] = ()) -> Callable[[MySQLType], Probes]:
    return lambda _kind: Probes(usual, extremes)


_BY_BASE: dict[str, Callable[[MySQLType], Probes]] = {
    **dict.fromkeys(_INTEGERS, _integer),
    **dict.fromkeys(("char", "varchar", *_TEXTS), _always("1")),
    **dict.fromkeys(_BYTES, _binary),
    "decimal": _decimal,
    "float": _always(0.5, extremes=(3.4028234663852886e38,)),
    "double": _always(0.5, extremes=(_DOUBLE,)),
    "bit": _bit,
    "year": _always(2024, extremes=(2155,)),
    "date": _always(_NOON.date(), extremes=(date.max,)),
    "datetime": _always(_NOON),
    "timestamp": _always(_NOON.replace(tzinfo=UTC)),
    "time": _always(timedelta(hours=12), extremes=(-_LONGEST_TIME, _LONGEST_TIME)),
    "enum": _listed,
    "set": _listed,
    "json": _always(JsonDocument("{}")),
    "uuid": _always("00000000-0000-0000-0000-000000000000"),
    "inet4": _always("0.0.0.0"),  # noqa: S104 - an address as a value
    "inet6": _always("::"),
}
