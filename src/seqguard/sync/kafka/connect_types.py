"""Values of Kafka Connect and Debezium in JSON, as the values of an event: one decoder for each type."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from seqguard.sync.event import JsonDocument, Value

if TYPE_CHECKING:
    from seqguard.sync.target.catalog import TargetColumn

Decode = Callable[[Any], Value]
"""Makes a value of what JSON holds; never called with null. Raises ValueError when it is not of the type."""

_CONNECT, _DATA, _TIME = "org.apache.kafka.connect.data.", "io.debezium.data.", "io.debezium.time."
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - DATETIME has no zone
_EPOCH_DAY = date(1970, 1, 1)
_MIDNIGHT = datetime.combine(_EPOCH_DAY, time())
_SCALED = re.compile(r"(?P<name>[\w.]+)\((?P<scale>-?\d+)\)")
_ZONE = re.compile(r"(Z|[+-]\d\d:?\d\d)$")


class UntypedError(Exception):
    """A message without schema leaves open what a column's value is, and the mapping does not say."""


def by_schema(field: Mapping[str, Any], hint: str | None = None) -> Decode:
    """The decoder of a column that has a schema: {"type": "int64", "name": "io.debezium.time.Timestamp", ...}.

    hint counts only where the schema names no semantic type, as for a binary string in base64 or hex.
    The decoder of a type that no value can be made of refuses every value.
    """
    name, literal = field.get("name"), field["type"]
    if name == _CONNECT + "Decimal":
        return partial(_decimal, scale=int(field["parameters"]["scale"]))
    if name in _SEMANTIC:
        return _SEMANTIC[name]
    if hint is not None:
        return by_hint(hint)
    if name and name.startswith((_CONNECT, _TIME)):
        return partial(_refused, kind=name)
    return _LITERAL.get(literal) or partial(_refused, kind=name or literal)


def by_hint(hint: str) -> Decode:
    """The decoder of a type as the mapping names it; a Decimal with its scale in parentheses.

    Raises ValueError when there is no such type.
    """
    scaled = _SCALED.fullmatch(hint)
    if scaled and scaled["name"] == _CONNECT + "Decimal":
        return partial(_decimal, scale=int(scaled["scale"]))
    try:
        return _HINTS[hint]
    except KeyError:
        raise ValueError(f"{hint} is no type: one of {', '.join(HINTS)}") from None


def by_target(column: TargetColumn | None) -> Decode:
    """The decoder of a column that nothing but the target column tells of: JSON's own types, and no guess.

    column is None for a column that goes nowhere: only filters look at it.

    The decoder raises UntypedError for a value that has several meanings: a number for a date or a time (in
    days, milli-, micro- or nanoseconds?), a string for a number (its digits, or their bytes in base64?) or for
    a binary string (base64 or hex?).
    """
    base = re.sub(r"\(.*?\)", "", column.type) if column else ""
    return partial(_TARGETS.get(base, _plain), kind=base)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 50 else f"{text[:47]}..."  # noqa: PLR2004


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"{_shown(value)} is no integer")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"{_shown(value)} is no string")
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"{_shown(value)} is no boolean")
    return value


def _float(value: Any) -> float:
    """Java writes what JSON has no number for as a string."""
    if type(value) in {int, Decimal} or (type(value) is str and value in {"NaN", "Infinity", "-Infinity"}):
        return float(value)
    raise ValueError(f"{_shown(value)} is no number")


def _unsigned(value: Any) -> int:
    """bigint.unsigned.handling.mode=long wraps what is beyond 2^63."""
    return _whole(value) % 2**64


def _days(value: Any) -> date:
    try:
        return _EPOCH_DAY + timedelta(days=_whole(value))
    except OverflowError:
        raise ValueError(f"day {value} from 1970-01-01 is not in the years 1 to 9999") from None


def _duration(value: Any, unit: int) -> timedelta:
    """A count of units of so many nanoseconds. PostgreSQL keeps microseconds: what is finer is rounded, as it would."""
    nanoseconds = _whole(value) * unit
    try:
        return timedelta(microseconds=nanoseconds // 1000 if unit > 1 else round(Decimal(nanoseconds) / 1000))
    except OverflowError:
        raise ValueError(f"{value} is more than 999999999 days") from None


def _moment(value: Any, unit: int) -> datetime:
    try:
        return _EPOCH + _duration(value, unit)
    except OverflowError:
        raise ValueError(f"{value} from 1970-01-01 is not in the years 1 to 9999") from None


def _zoned(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError(f"{_shown(value)} has no time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{_shown(value)} is not in the years 1 to 9999") from None


def _iso_date(value: Any) -> date:
    return date.fromisoformat(_ZONE.sub("", _text(value)))


def _iso_time(value: Any) -> timedelta:
    moment = time.fromisoformat(_ZONE.sub("", _text(value)))
    return datetime.combine(_EPOCH_DAY, moment) - _MIDNIGHT


def _iso_timestamp(value: Any) -> datetime:
    return datetime.fromisoformat(_text(value)).replace(tzinfo=None)


def _base64(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error:
        raise ValueError(f"{_shown(value)} is no base64") from None


def _base64_url(value: Any) -> bytes:
    text = _text(value)
    if set(text) & set("+/"):
        raise ValueError(f"{_shown(value)} is no base64 for URLs")
    return _base64((text + "=" * (-len(text) % 4)).translate({ord("-"): "+", ord("_"): "/"}))


def _hex(value: Any) -> bytes:
    try:
        return bytes.fromhex(_text(value))
    except ValueError:
        raise ValueError(f"{_shown(value)} is no hex") from None


def _decimal(value: Any, scale: int) -> Decimal:
    """Two's complement, big-endian, in base64; a number where the converter's decimal.format is numeric."""
    if type(value) in {int, Decimal}:
        return Decimal(value)
    return Decimal(f"{int.from_bytes(_base64(value), 'big', signed=True)}E{-scale}")


def _scaled_decimal(value: Any) -> Decimal:
    if not isinstance(value, dict) or not {"scale", "value"} <= value.keys():
        raise ValueError(f"{_shown(value)} has no scale and value")
    return _decimal(value["value"], _whole(value["scale"]))


def _bits(value: Any) -> int:
    return int.from_bytes(_base64(value), "little")


def _json(value: Any) -> JsonDocument:
    return JsonDocument(_text(value))


def _refused(value: Any, kind: str) -> Value:  # noqa: ARG001 - a decoder
    raise ValueError(f"values of type {kind} are not understood: leave the column out")


def _plain(value: Any, kind: str, untyped: tuple[type, ...] = ()) -> Value:
    """One of JSON's own values, unless it has several meanings for a column of this kind."""
    if type(value) in untyped:
        raise UntypedError(f"{_shown(value)} for a column of type {kind}")
    if type(value) not in {int, str, bool, Decimal}:
        raise ValueError(f"{_shown(value)} is no single value")
    plain: Value = value
    return plain


def _timestamp(value: Any, kind: str) -> Value:
    return datetime.fromisoformat(value) if type(value) is str else _plain(value, kind, _NUMBERS)


def _document(value: Any, kind: str) -> Value:
    return JsonDocument(value) if type(value) is str else _plain(value, kind)


_NUMBERS = (int, Decimal)
_digits = partial(_plain, untyped=(str,))
_letters = partial(_plain, untyped=_NUMBERS)
_nothing = partial(_plain, untyped=(str, *_NUMBERS))

_TARGETS: dict[str, Callable[[Any, str], Value]] = {
    **dict.fromkeys(("numeric", "smallint", "integer", "bigint", "real", "double precision"), _digits),
    **dict.fromkeys(("text", "character varying", "character"), _letters),
    **dict.fromkeys(("timestamp without time zone", "timestamp with time zone"), _timestamp),
    **dict.fromkeys(("date", "time without time zone", "time with time zone", "interval"), _nothing),
    **dict.fromkeys(("bytea", "bit", "bit varying"), _nothing),
    **dict.fromkeys(("json", "jsonb"), _document),
}

_MILLI, _MICRO, _NANO = 1_000_000, 1_000, 1
_LITERAL: dict[str, Decode] = {
    **dict.fromkeys(("int8", "int16", "int32", "int64"), _whole),
    **dict.fromkeys(("float32", "float64"), _float),
    "boolean": _boolean,
    "string": _text,
    "bytes": _base64,
}
_SEMANTIC: dict[str, Decode] = {
    _CONNECT + "Date": _days,
    _CONNECT + "Time": partial(_duration, unit=_MILLI),
    _CONNECT + "Timestamp": partial(_moment, unit=_MILLI),
    _TIME + "Date": _days,
    _TIME + "Time": partial(_duration, unit=_MILLI),
    _TIME + "MicroTime": partial(_duration, unit=_MICRO),
    _TIME + "NanoTime": partial(_duration, unit=_NANO),
    _TIME + "Timestamp": partial(_moment, unit=_MILLI),
    _TIME + "MicroTimestamp": partial(_moment, unit=_MICRO),
    _TIME + "NanoTimestamp": partial(_moment, unit=_NANO),
    _TIME + "ZonedTimestamp": _zoned,
    _TIME + "ZonedTime": _text,
    _TIME + "IsoDate": _iso_date,
    _TIME + "IsoTime": _iso_time,
    _TIME + "IsoTimestamp": _iso_timestamp,
    _TIME + "Year": _whole,
    _TIME + "MicroDuration": partial(_duration, unit=_MICRO),
    _TIME + "NanoDuration": partial(_duration, unit=_NANO),
    _TIME + "Interval": _text,
    _DATA + "VariableScaleDecimal": _scaled_decimal,
    _DATA + "Bits": _bits,
    _DATA + "Json": _json,
    **dict.fromkeys((_DATA + "Enum", _DATA + "EnumSet", _DATA + "Uuid", _DATA + "Xml"), _text),
}
_HINTS: dict[str, Decode] = {
    **_SEMANTIC,
    **_LITERAL,
    "base64": _base64,
    "base64-url-safe": _base64_url,
    "hex": _hex,
    "bigint unsigned": _unsigned,
}
HINTS = (*sorted(_HINTS), _CONNECT + "Decimal(SCALE)")
"""The types that a mapping may name."""
