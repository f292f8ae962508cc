"""Values of a source as PostgreSQL reads them: one encoder for each target column.

An encoder looks at the value's own type; what the target's type makes of it is a table of functions. What only
PostgreSQL can judge, such as a text for a json column, is left to it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Any

from seqguard.sync.event import JsonDocument, Value, ZeroDate
from seqguard.sync.failure import BadValueError

if TYPE_CHECKING:
    from seqguard.sync.target.catalog import TargetColumn

Encoder = Callable[[Value], str | None]
_Form = Callable[[Any], str]
_Forms = dict[type, _Form]

OUT_OF_RANGE, TOO_LONG, BAD_DATETIME, NUL = "22003", "22001", "22007", "22021"
FIELD_OVERFLOW, BAD_TEXT, BIT_LENGTH = "22008", "22P02", "22026"
_MODIFIER = re.compile(r"\((-?\d+)(?:,(-?\d+))?\)")
_INTEGERS = {"smallint": 15, "integer": 31, "bigint": 63}
_TRUE = {True: "t", False: "f"}
_DAY = timedelta(days=1)


class _UnfitError(Exception):
    """A value does not fit; the encoder adds the column's name."""

    def __init__(self, reason: str, sqlstate: str) -> None:
        super().__init__(reason)
        self.sqlstate = sqlstate


def encoder(column: TargetColumn) -> Encoder:
    """What turns a value into the text that PostgreSQL reads for this column; None stays None.

    The encoder raises BadValueError for a value that the column cannot hold. DATETIME goes into timestamptz as UTC,
    TIMESTAMP into timestamp as UTC; SET into an array as its members; a binary string into text when it is UTF-8.
    """
    forms, name = _forms(column), column.name

    def encode(value: Value) -> str | None:
        if value is None:
            return None
        try:
            return forms[type(value)](value)
        except _UnfitError as error:
            raise BadValueError(name, str(error), error.sqlstate) from None
        except KeyError:
            raise BadValueError(name, f"{_shown(value)} does not go into {column.type}", BAD_TEXT) from None

    return encode


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 50 else f"{text[:47]}..."  # noqa: PLR2004


def _forms(column: TargetColumn) -> _Forms:
    """The functions by the type of the value."""
    base, numbers = _MODIFIER.sub("", column.type), _MODIFIER.search(column.type)
    first, second = (int(n) if n else 0 for n in (numbers.groups() if numbers else ("", "")))
    if column.labels:
        label = partial(_label, labels=frozenset(column.labels))
        return {ZeroDate: _zero_date, str: label}
    if base.endswith("[]"):
        return {ZeroDate: _zero_date, str: _array}
    if base in {"text", "character varying", "character", "citext", "name"}:
        return _texts(first)
    if base == "numeric" and numbers:
        return _typed(base) | _numerics(_beyond(first, second))
    if base in {"bit", "bit varying"}:
        bits = partial(_bits, varying=base == "bit varying", length=first)
        return _typed(base) | {int: bits, bool: lambda value: bits(int(value)), bytes: _bits_of_bytes}
    return _typed(base) | _BY_TYPE.get(base, {})


def _typed(base: str) -> _Forms:
    """What goes for every type but text: its own text, judged by PostgreSQL; no zero date."""
    plain: _Forms = {str: _clean, ZeroDate: _zero_date, JsonDocument: _json}
    return plain if base in _KNOWN else _texts(0) | plain


def _clean(text: str) -> str:
    """A text that is PostgreSQL's: no NUL, and nothing that UTF-8 has no bytes for."""
    if "\0" in text:
        raise _UnfitError("a NUL character", NUL)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _UnfitError("a lone surrogate, which UTF-8 does not have", NUL) from None
    return text


def _limited(text: str, limit: int) -> str:
    """PostgreSQL cuts spaces off at the end, nothing else."""
    if len(text) > limit and text[limit:].strip(" "):
        raise _UnfitError(f"{len(text)} characters, the limit is {limit}", TOO_LONG)
    return _clean(text)


def _texts(limit: int) -> _Forms:
    """For text: what MySQL shows. limit is 0 for none."""
    forms: _Forms = {
        str: _clean,
        int: str,
        bool: lambda value: "1" if value else "0",
        float: _float_text,
        Decimal: _decimal,
        bytes: _decoded,
        date: str,
        datetime: str,
        timedelta: _clock,
        JsonDocument: _json,
        ZeroDate: lambda value: str(value.text),
    }
    if limit:
        forms = {kind: partial(_then_limited, form, limit) for kind, form in forms.items()}
        forms[str] = partial(_limited, limit=limit)
    return forms


def _then_limited(form: _Form, limit: int, value: Any) -> str:
    return _limited(form(value), limit)


def _float_text(value: float) -> str:
    """Without the point of a whole number, as MySQL shows it."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)  # noqa: PLR2004


def _decimal(value: Decimal) -> str:
    return format(value, "f")


def _decoded(value: bytes) -> str:
    try:
        return _clean(value.decode())
    except UnicodeDecodeError:
        raise _UnfitError("a binary string that is no UTF-8", NUL) from None


def _json(value: JsonDocument) -> str:
    return _clean(value.text)


def _zero_date(value: ZeroDate) -> str:
    raise _UnfitError(f"{value.text} is no date", BAD_DATETIME)


def _clock(value: timedelta) -> str:
    """[-]HH:MM:SS[.ffffff], hours beyond 24 as they are."""
    sign, seconds = ("-", -value) if value < timedelta() else ("", value)
    minutes, second = divmod(seconds.days * 86400 + seconds.seconds, 60)
    fraction = f".{seconds.microseconds:06}" if seconds.microseconds else ""
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}:{second:02}{fraction}"


def _time(value: timedelta) -> str:
    if not timedelta() <= value <= _DAY:
        raise _UnfitError(f"{_clock(value)} is no time of day", FIELD_OVERFLOW)
    return _clock(value)


def _in_utc(value: datetime) -> str:
    """For timestamptz: what has no zone is UTC."""
    return value.isoformat() if value.tzinfo else f"{value.isoformat()}+00"


def _without_zone(value: datetime) -> str:
    return str(value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value)


def _day(value: datetime) -> str:
    return _without_zone(value)[:10]


def _integers(bits: int) -> _Forms:
    high = 1 << bits

    def whole(value: int) -> str:
        if -high <= value < high:
            return str(value)
        raise _UnfitError(f"{value} is out of range", OUT_OF_RANGE)

    def rounded(value: float | Decimal) -> str:
        if value != int(value):
            raise _UnfitError(f"{value} is no integer", BAD_TEXT)
        return whole(int(value))

    return {int: whole, bool: lambda value: str(int(value)), Decimal: rounded, float: rounded}


def _beyond(precision: int, scale: int) -> Decimal:
    """The least absolute value that a numeric(precision, scale) does not hold once it is rounded."""
    return Decimal(10) ** (precision - scale) - Decimal(5) * Decimal(10) ** (-scale - 1)


def _numerics(beyond: Decimal) -> _Forms:
    def checked(value: int | Decimal) -> str:
        # compare() rounds nothing; a context of 28 digits would
        if value.copy_abs() >= beyond if isinstance(value, Decimal) else abs(value) >= beyond:
            raise _UnfitError(f"{value} is out of range", OUT_OF_RANGE)
        return str(value)

    def parsed(value: str) -> str:
        try:
            return checked(Decimal(value))
        except InvalidOperation:
            raise _UnfitError(f"{_shown(value)} is no number", BAD_TEXT) from None

    return {
        int: checked,
        bool: lambda value: str(int(value)),
        Decimal: checked,
        float: lambda value: checked(Decimal(repr(value))),
        str: parsed,
    }


def _real(value: float | Decimal) -> str:
    """PostgreSQL's real refuses what overflows it, and what it would make zero."""
    try:
        kept = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        kept = 0.0
    if value and not kept:
        raise _UnfitError(f"{value} is out of range", OUT_OF_RANGE)
    return str(value)


def _boolean(value: int) -> str:
    """As in MySQL: what is not zero is true."""
    return _TRUE[value != 0]


def _bits(value: int, *, varying: bool, length: int) -> str:
    text = format(value, "b" if varying else f"0{length}b")
    if value < 0 or (length and len(text) > length):
        raise _UnfitError(f"{value} has more than {length} bits", BIT_LENGTH)
    return text


def _bits_of_bytes(value: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in value)


def _hex(value: bytes) -> str:
    return "\\x" + value.hex()


def _label(value: str, *, labels: frozenset[str]) -> str:
    if value not in labels:
        raise _UnfitError(f"{_shown(value)} is not a label of the enum", BAD_TEXT)
    return value


def _array(value: str) -> str:
    """The members of a SET."""
    quoted = (re.sub(r'(["\\])', r"\\\1", member) for member in _clean(value).split(","))
    return "{" + ",".join(f'"{member}"' for member in quoted) + "}" if value else "{}"


_NUMBERS: _Forms = {int: str, bool: lambda value: str(int(value)), Decimal: str, float: repr}
_TIMESTAMP: _Forms = {datetime: _without_zone, date: str}
_JSON: _Forms = {int: str, bool: lambda value: str(value).lower(), Decimal: str, float: repr}
_BY_TYPE: dict[str, _Forms] = {
    **{name: _integers(bits) for name, bits in _INTEGERS.items()},
    "numeric": _NUMBERS,
    "double precision": _NUMBERS,
    "real": dict.fromkeys((int, Decimal, float), _real) | {bool: lambda value: str(int(value))},
    "boolean": {bool: _TRUE.__getitem__, int: _boolean},
    "bytea": {bytes: _hex, str: lambda value: _hex(value.encode())},
    "date": {date: str, datetime: _day},
    "time without time zone": {timedelta: _time},
    "interval": {timedelta: _clock},
    "timestamp without time zone": _TIMESTAMP,
    "timestamp with time zone": {datetime: _in_utc, date: lambda value: f"{value} 00:00:00+00"},
    "uuid": {bytes: bytes.hex},
    "json": _JSON,
    "jsonb": _JSON,
}
_KNOWN = frozenset(_BY_TYPE) | {"bit", "bit varying"}
