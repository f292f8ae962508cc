"""Decodes the rows of binlog events, of mapped columns only.

mysql-replication reads the stream and the description of each table; its own decoding of rows is not used. It takes
some 6 microseconds a value, shows zero dates, empty SETs and NULLs alike, reads YEAR 0 as 1900 and the fraction of
a negative TIME wrongly, loses the end of BINARY values, and needs the process to know every character set.
"""

from __future__ import annotations

import ipaddress
import json
import re
import struct
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pymysqlreplication.constants import FIELD_TYPE
from pymysqlreplication.json_binary import parse_json

from seqguard.sync.event import JsonDocument, Value
from seqguard.sync.mysql import charsets, dates

if TYPE_CHECKING:
    from seqguard.sync.event import Row
    from seqguard.sync.mysql.client import SourceColumn

Reader = Callable[[bytes, int], tuple[Value, int]]
"""Reads a value that is not NULL at an offset; returns it and the offset behind it."""

_STRINGS = {FIELD_TYPE.STRING, FIELD_TYPE.VAR_STRING, FIELD_TYPE.VARCHAR, FIELD_TYPE.BLOB}
_DIGIT_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
"""How many bytes a group of so many decimal digits takes."""


class UnsupportedError(Exception):
    """A column that cannot be decoded, and why."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(f"column {column} {why}")
        self.column = column


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table as its TABLE_MAP event describes it, and what the catalog adds.

    wire is mysql-replication's description. charset is None for what holds no text, "binary" for bytes.
    declared is COLUMN_TYPE of the catalog, "" when it has no such column: UUID is not told from BINARY elsewhere.
    """

    name: str
    wire: Any
    charset: str | None
    declared: str


def described(
    event: Any, charset_names: Mapping[int, str], catalog: Mapping[str, SourceColumn]
) -> list[Column]:
    """The columns of a TABLE_MAP event, whose metadata must be FULL."""
    text, sets = (
        iter(event.optional_metadata.charset_collation_list or ()),
        iter(event.optional_metadata.enum_and_set_collation_list or ()),
    )
    result = []
    for wire in event.columns:
        ids = _charset_ids(wire.type, text, sets, mariadb=event.dbms == "mariadb")
        charset = None if ids is None else charset_names.get(next(ids), "")
        known = catalog.get(wire.name)
        result.append(Column(wire.name, wire, charset, known.type if known else ""))
    return result


def _charset_ids(kind: int, text: Iterator[int], sets: Iterator[int], *, mariadb: bool) -> Iterator[int] | None:
    """Which of the two lists of character sets has an entry for a column of this type."""
    if kind in {FIELD_TYPE.ENUM, FIELD_TYPE.SET}:
        return sets
    return text if kind in _STRINGS or (mariadb and kind == FIELD_TYPE.GEOMETRY) else None


class RowDecoder:
    """Decodes the rows of one table as one TABLE_MAP event describes it."""

    def __init__(self, columns: list[Column], wanted: frozenset[str]) -> None:
        """Rows hold the wanted columns, width of them. Raises UnsupportedError when one cannot be decoded."""
        self.names = [column.name for column in columns]
        self._readers = [_reader(column, needed=column.name in wanted) for column in columns]
        self._wanted = wanted
        self.width = len(wanted.intersection(self.names))
        self._plans: dict[bytes, list[tuple[int, str | None, Reader]]] = {}

    def rows(self, data: bytes, *present: bytes) -> Iterator[tuple[Row, ...]]:
        """The rows of an event: for each as many images as there are bitmaps of present columns."""
        plans = [(self._plan(bitmap), (bitmap_count(bitmap) + 7) // 8) for bitmap in present]
        offset = 0
        while offset < len(data):
            images = []
            for plan, size in plans:
                row, offset = _image(data, offset, plan, size)
                images.append(row)
            yield tuple(images)

    def _plan(self, present: bytes) -> list[tuple[int, str | None, Reader]]:
        """For each present column its bit in the bitmap of NULLs, its name if it is wanted, its reader."""
        if present not in self._plans:
            bits = int.from_bytes(present, "little")
            there = [place for place in range(len(self.names)) if bits >> place & 1]
            self._plans[present] = [
                (
                    1 << bit,
                    self.names[place] if self.names[place] in self._wanted else None,
                    self._readers[place],
                )
                for bit, place in enumerate(there)
            ]
        return self._plans[present]


def bitmap_count(bitmap: bytes) -> int:
    """How many columns a bitmap names."""
    return int.from_bytes(bitmap, "little").bit_count()


def _image(data: bytes, offset: int, plan: list[tuple[int, str | None, Reader]], size: int) -> tuple[Row, int]:
    nulls = int.from_bytes(data[offset : offset + size], "little")
    offset += size
    row: dict[str, Value] = {}
    for bit, name, read in plan:
        if nulls & bit:
            value = None
        else:
            value, offset = read(data, offset)
        if name is not None:
            row[name] = value
    return row, offset


def _reader(column: Column, *, needed: bool) -> Reader:
    """What reads a column. One that nobody needs is read as bytes where its text cannot be."""
    maker = _MAKERS.get(column.wire.type)
    if maker is None:
        raise UnsupportedError(column.name, f"has a type that is not known ({column.wire.type})")
    try:
        return maker(column)
    except UnsupportedError:
        if needed:
            raise
        return maker(Column(column.name, column.wire, "binary", ""))


def _fixed(code: str) -> Callable[[Column], Reader]:
    """A number of struct's code; the code in upper case when the column is unsigned."""

    def make(column: Column) -> Reader:
        unpack = struct.Struct("<" + (code.upper() if column.wire.unsigned else code))
        read, size = unpack.unpack_from, unpack.size
        return lambda data, at: (read(data, at)[0], at + size)

    return make


def _medium(column: Column) -> Reader:
    signed = not column.wire.unsigned
    return lambda data, at: (int.from_bytes(data[at : at + 3], "little", signed=signed), at + 3)


def _float(_: Column) -> Reader:
    return lambda data, at: (shortest(struct.unpack_from("<f", data, at)[0]), at + 4)


def shortest(value: float) -> float:
    """The number with the fewest digits that is this one in single precision: 0.1, not 0.10000000149."""
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if struct.pack("f", short) == struct.pack("f", value):
            return short
    return float(f"{value:.9g}")


def _double(_: Column) -> Reader:
    return lambda data, at: (struct.unpack_from("<d", data, at)[0], at + 8)


def _year(_: Column) -> Reader:
    return lambda data, at: (data[at] and data[at] + 1900, at + 1)


def _bit(column: Column) -> Reader:
    size, single = column.wire.bytes, column.wire.bits == 1

    def read(data: bytes, at: int) -> tuple[Value, int]:
        number = int.from_bytes(data[at : at + size], "big")
        return bool(number) if single else number, at + size

    return read


def _string(column: Column) -> Reader:
    return _lengthed(2 if column.wire.max_length > 255 else 1, _converter(column))  # noqa: PLR2004


def _blob(column: Column) -> Reader:
    return _lengthed(column.wire.length_size, _converter(column))


def _lengthed(prefix: int, convert: Callable[[bytes], Value] | None) -> Reader:
    """Bytes behind their length."""

    def read(data: bytes, at: int) -> tuple[Value, int]:
        start = at + prefix
        end = start + int.from_bytes(data[at:start], "little")
        return data[start:end] if convert is None else convert(data[start:end]), end

    return read


def _converter(column: Column) -> Callable[[bytes], Value] | None:
    if column.charset != "binary":
        return _decoder(column)
    if column.wire.type != FIELD_TYPE.STRING:
        return None
    # the end of a fixed-length value is left out of the binlog where it is zero
    size = column.wire.max_length
    shown = _SHOWN.get(column.declared)
    return (lambda data: shown(data.ljust(size, b"\0"))) if shown else lambda data: data.ljust(size, b"\0")


_SHOWN: dict[str, Callable[[bytes], str]] = {
    "uuid": lambda data: str(uuid.UUID(bytes=data)),
    "inet6": lambda data: str(ipaddress.IPv6Address(data)),
    "inet4": lambda data: str(ipaddress.IPv4Address(data)),
}


def _decoder(column: Column) -> Callable[[bytes], str]:
    decode = charsets.decoder(column.charset or "")
    if decode is None:
        raise UnsupportedError(column.name, f"is in a character set that Python lacks: {column.charset}")
    return decode


def _decimal(column: Column) -> Reader:
    """Big-endian groups of nine digits, the odd ones at the outer ends; the first bit is the inverted sign."""
    whole, scale = column.wire.precision - column.wire.decimals, column.wire.decimals
    groups = [whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), scale % 9]
    parts = [(digits, _DIGIT_BYTES[digits]) for digits in groups if digits]
    size = sum(width for _, width in parts)
    inverted, top = (1 << size * 8) - 1, 1 << (size * 8 - 1)

    def read(data: bytes, at: int) -> tuple[Value, int]:
        number = int.from_bytes(data[at : at + size], "big") ^ top
        sign = "-" if number & top else ""
        raw, start, text = (number ^ inverted if sign else number).to_bytes(size, "big"), 0, sign
        for digits, width in parts:
            text += f"{int.from_bytes(raw[start : start + width], 'big'):0{digits}}"
            start += width
        return Decimal(f"{text}E-{scale}"), at + size

    return read


def _date(_: Column) -> Reader:
    return lambda data, at: (dates.date_of_number(int.from_bytes(data[at : at + 3], "little")), at + 3)


def _microseconds(size: int, data: bytes, at: int) -> int:
    """Fractions are kept as 2, 4 or 6 decimal digits."""
    return int.from_bytes(data[at : at + size], "big") * 100 ** (3 - size) if size else 0


def _datetime(column: Column) -> Reader:
    size = (column.wire.fsp + 1) // 2

    def read(data: bytes, at: int) -> tuple[Value, int]:
        packed = int.from_bytes(data[at : at + 5], "big") & 0x7FFFFFFFFF
        return dates.datetime_of_number(packed, _microseconds(size, data, at + 5)), at + 5 + size

    return read


def _timestamp(column: Column) -> Reader:
    size = (column.wire.fsp + 1) // 2

    def read(data: bytes, at: int) -> tuple[Value, int]:
        seconds = int.from_bytes(data[at : at + 4], "big")
        return dates.timestamp_of_number(seconds, _microseconds(size, data, at + 4)), at + 4 + size

    return read


def _time(column: Column) -> Reader:
    size = 3 + (column.wire.fsp + 1) // 2
    zero, digits = 1 << (size * 8 - 1), (size - 3) * 2

    def read(data: bytes, at: int) -> tuple[Value, int]:
        return dates.time_of_number(int.from_bytes(data[at : at + size], "big") - zero, digits), at + size

    return read


def _enum(column: Column) -> Reader:
    labels, size = ["", *_labels(column, (column.wire.enum_values or [""])[1:])], column.wire.size

    def read(data: bytes, at: int) -> tuple[Value, int]:
        return labels[int.from_bytes(data[at : at + size], "little")], at + size

    return read


def _set(column: Column) -> Reader:
    labels, size = _labels(column, column.wire.set_values or []), column.wire.size

    def read(data: bytes, at: int) -> tuple[Value, int]:
        bits = int.from_bytes(data[at : at + size], "little")
        return ",".join(label for place, label in enumerate(labels) if bits >> place & 1), at + size

    return read


def _labels(column: Column, labels: list[str]) -> list[str]:
    """The labels of an ENUM or SET.

    mysql-replication takes their bytes for UTF-8 whatever they are, and makes '' of those that are not. Where that may
    have happened, the catalog's labels stand in, if there are as many.
    """
    if column.charset in {"utf8", "utf8mb3", "utf8mb4", "binary"} or all(x and x.isascii() for x in labels):
        return labels
    listed = labels_of(column.declared)
    if len(listed) != len(labels):
        raise UnsupportedError(column.name, f"has had other labels, in the character set {column.charset}")
    return listed


def labels_of(declared: str) -> list[str]:
    """The labels in a COLUMN_TYPE such as enum('a','b''c')."""
    return [label.replace("''", "'") for label in re.findall(r"'((?:[^']|'')*)'", declared)]


def _json(column: Column) -> Reader:
    """A JSON column of MySQL, which is binary; MariaDB's is text."""
    return _lengthed(
        column.wire.length_size, lambda data: data and JsonDocument(json_text(parse_json(data[0], data[1:])))
    )


def json_text(value: Any) -> str:
    """A parsed JSON document as MySQL writes it. mysql-replication leaves strings and keys as bytes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json_text(name)}: {json_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, bytes):
        value = value.decode()
    if value is None or isinstance(value, (bool, int, float, str)):
        return json.dumps(value, ensure_ascii=False)
    return str(value) if isinstance(value, Decimal) else json.dumps(str(value))


_MAKERS: dict[int, Callable[[Column], Reader]] = {
    FIELD_TYPE.TINY: _fixed("b"),
    FIELD_TYPE.SHORT: _fixed("h"),
    FIELD_TYPE.INT24: _medium,
    FIELD_TYPE.LONG: _fixed("i"),
    FIELD_TYPE.LONGLONG: _fixed("q"),
    FIELD_TYPE.FLOAT: _float,
    FIELD_TYPE.DOUBLE: _double,
    FIELD_TYPE.NEWDECIMAL: _decimal,
    FIELD_TYPE.YEAR: _year,
    FIELD_TYPE.BIT: _bit,
    FIELD_TYPE.DATE: _date,
    FIELD_TYPE.DATETIME2: _datetime,
    FIELD_TYPE.TIMESTAMP2: _timestamp,
    FIELD_TYPE.TIME2: _time,
    FIELD_TYPE.VARCHAR: _string,
    FIELD_TYPE.STRING: _string,
    FIELD_TYPE.BLOB: _blob,
    FIELD_TYPE.GEOMETRY: lambda column: _lengthed(column.wire.length_size, None),
    FIELD_TYPE.ENUM: _enum,
    FIELD_TYPE.SET: _set,
    FIELD_TYPE.JSON: _json,
}
