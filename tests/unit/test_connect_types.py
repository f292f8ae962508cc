"""Values in Kafka Connect's JSON: what is written as Debezium documents it is read as what it was."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seqguard.sync.event import JsonDocument
from seqguard.sync.kafka.connect_json import Reader
from seqguard.sync.kafka.connect_types import HINTS, UntypedError, by_hint, by_schema, by_target
from seqguard.sync.target.catalog import TargetColumn

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
TIME, CONNECT, DATA = "io.debezium.time.", "org.apache.kafka.connect.data.", "io.debezium.data."


def decoded(literal: str, name: str | None, value: Any, **parameters: str) -> Any:
    """A value after the way through JSON."""
    field = {"type": literal, "name": name, "optional": True, "field": "c", "parameters": parameters}
    _, payload = Reader().read(json.dumps({"c": value}).encode())
    return by_schema(field)(payload["c"])


def target(kind: str) -> TargetColumn:
    return TargetColumn("c", kind, nullable=True, filled=True, always=False, computed=False)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def twos_complement(number: int) -> str:
    length = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return base64_of(number.to_bytes(length, "big", signed=True))


@given(st.dates())
@pytest.mark.parametrize("name", [TIME + "Date", CONNECT + "Date"])
def test_a_date_is_its_days_from_1970(name: str, value: date) -> None:
    assert decoded("int32", name, (value - date(1970, 1, 1)).days) == value


@given(st.datetimes())
@pytest.mark.parametrize(
    ("name", "unit"),
    [(TIME + "MicroTimestamp", 1), (TIME + "Timestamp", 1000), (CONNECT + "Timestamp", 1000)],
)
def test_a_datetime_is_its_count_from_1970(name: str, unit: int, value: datetime) -> None:
    count = (value - EPOCH) // timedelta(microseconds=unit)
    assert decoded("int64", name, count) == EPOCH + count * timedelta(microseconds=unit)


@given(st.datetimes(), st.integers(0, 499))
def test_nanoseconds_are_rounded_to_microseconds(value: datetime, more: int) -> None:
    count = (value - EPOCH) // timedelta(microseconds=1) * 1000
    assert decoded("int64", TIME + "NanoTimestamp", count + more) == value


@given(st.timedeltas(timedelta(hours=-838), timedelta(hours=838)))
@pytest.mark.parametrize(
    ("name", "unit"), [(TIME + "MicroTime", 1), (TIME + "Time", 1000), (CONNECT + "Time", 1000)]
)
def test_a_time_is_its_count_from_midnight_and_may_be_negative(name: str, unit: int, value: timedelta) -> None:
    count = value // timedelta(microseconds=unit)
    assert decoded("int64", name, count) == count * timedelta(microseconds=unit)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-12, 14))
def test_a_zoned_timestamp_is_read_in_utc(value: datetime, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    try:
        text = value.astimezone(zone).isoformat()
    except OverflowError:
        return
    read = decoded("string", TIME + "ZonedTimestamp", text.replace("+00:00", "Z"))
    assert (read, read.tzinfo) == (value, UTC)


def test_iso_strings_lose_their_zone_which_means_nothing() -> None:
    assert decoded("string", TIME + "IsoDate", "2017-09-15Z") == date(2017, 9, 15)
    assert decoded("string", TIME + "IsoTime", "04:05:11.789Z") == timedelta(hours=4, minutes=5, seconds=11.789)
    assert decoded("string", TIME + "IsoTimestamp", "2017-09-15T10:00:00Z") == datetime(2017, 9, 15, 10)  # noqa: DTZ001


@given(st.decimals(allow_nan=False, allow_infinity=False, places=30, min_value=-(10**35), max_value=10**35))
@example(Decimal("-0.01"))
@example(Decimal("99999999999999999999999999999999999.999999999999999999999999999999"))
def test_a_decimal_keeps_every_digit_in_each_mode(value: Decimal) -> None:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    unscaled = int("".join(map(str, digits))) * (-1 if sign else 1)
    written = twos_complement(unscaled)
    for read in (
        decoded("bytes", CONNECT + "Decimal", written, scale=str(-exponent)),
        decoded("struct", DATA + "VariableScaleDecimal", {"scale": -exponent, "value": written}),
        by_hint(f"{CONNECT}Decimal({-exponent})")(written),
    ):
        assert isinstance(read, Decimal)
        assert (read, read.as_tuple().exponent) == (value, exponent)


def test_a_number_keeps_every_digit_when_the_converter_writes_decimals_as_numbers() -> None:
    _, payload = Reader().read(b'{"c": 12345678901234567890.123456789012345678901234567890}')
    read = by_hint(CONNECT + "Decimal(30)")(payload["c"])
    assert str(read) == "12345678901234567890.123456789012345678901234567890"


@given(st.binary())
def test_bytes_are_base64_or_what_the_connector_is_set_to(value: bytes) -> None:
    assert decoded("bytes", None, base64_of(value)) == value
    assert by_hint("base64")(base64_of(value)) == value
    assert by_hint("base64-url-safe")(base64.urlsafe_b64encode(value).decode()) == value
    assert by_hint("base64-url-safe")(base64.urlsafe_b64encode(value).decode().rstrip("=")) == value
    assert by_hint("hex")(value.hex()) == value


@given(st.integers(0, 2**64 - 1))
def test_bits_are_little_endian(value: int) -> None:
    assert decoded("bytes", DATA + "Bits", base64_of(value.to_bytes(8, "little")), length="64") == value


@given(st.integers(0, 2**64 - 1))
def test_an_unsigned_bigint_that_was_wrapped_is_unwrapped_by_its_hint(value: int) -> None:
    wrapped = value - 2**64 if value >= 2**63 else value
    assert by_hint("bigint unsigned")(wrapped) == value


@given(st.floats(allow_nan=False))
def test_a_double_is_itself(value: float) -> None:
    written: Any = value if abs(value) != float("inf") else ("Infinity" if value > 0 else "-Infinity")
    assert decoded("float64", None, written) == value


def test_texts_and_documents() -> None:
    for kind in ("Enum", "EnumSet", "Uuid", "Xml"):
        assert decoded("string", DATA + kind, "a,b") == "a,b"
    assert decoded("string", DATA + "Json", '{"a": 1.10}') == JsonDocument('{"a": 1.10}')
    assert decoded("int32", TIME + "Year", 2024) == 2024
    assert decoded("boolean", None, True) is True


@pytest.mark.parametrize(
    ("literal", "name", "value"),
    [
        ("struct", DATA + "geometry.Geometry", {"wkb": "AAAA", "srid": None}),
        ("array", None, [1, 2]),
        ("map", None, {"a": "b"}),
        ("int64", TIME + "Stardate", 1),
        ("int32", None, "1"),
        ("int32", None, True),
        ("string", None, 1),
        ("boolean", None, 1),
        ("float64", None, {"a": 1}),
        ("bytes", None, "no base64!"),
        ("bytes", CONNECT + "Decimal", "AA"),
        ("int32", TIME + "Date", 10**9),
        ("int64", TIME + "MicroTimestamp", 2**63 - 1),
        ("int64", TIME + "Timestamp", 10**30),
        ("string", TIME + "ZonedTimestamp", "2024-01-01T00:00:00"),
        ("string", TIME + "ZonedTimestamp", "yesterday"),
    ],
)
def test_what_is_not_of_its_type_is_refused(literal: str, name: str | None, value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decoded(literal, name, value, scale="2")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("timestamp with time zone", 1714979289000),
        ("timestamp(6) without time zone", 1714979289000),
        ("date", 19849),
        ("time without time zone", 3600000),
        ("interval", 3600000),
        ("numeric(10,2)", "1234"),
        ("bigint", "1234"),
        ("bytea", "abcd"),
        ("bit varying(8)", "abcd"),
        ("character varying(20)", 1714979289000),
        ("text", Decimal("1.5")),
    ],
)
def test_without_schema_and_hint_nothing_is_guessed(kind: str, value: Any) -> None:
    with pytest.raises(UntypedError, match=kind.split("(", maxsplit=1)[0]):
        by_target(target(kind))(value)


def test_without_schema_and_hint_json_says_enough_for_the_rest() -> None:
    read = by_target(target("timestamp with time zone"))("2024-05-06T07:08:09.5Z")
    assert read == datetime(2024, 5, 6, 7, 8, 9, 500000, tzinfo=UTC)
    assert by_target(target("numeric(10,2)"))(Decimal("1.10")) == Decimal("1.10")
    assert by_target(target("integer"))(7) == 7
    assert by_target(target("boolean"))(1) == 1
    assert by_target(target("character varying(20)"))("x") == "x"
    assert by_target(target("public.mood"))("sad") == "sad"
    assert by_target(target("jsonb"))("[1]") == JsonDocument("[1]")


def test_a_hint_counts_only_where_the_schema_is_silent() -> None:
    assert by_schema({"type": "string", "field": "c"}, "hex")("00ff") == b"\x00\xff"
    assert by_schema({"type": "int64", "name": TIME + "Timestamp", "field": "c"}, "int64")(0) == EPOCH


def test_an_unknown_hint_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"datetime is no type: one of .*MicroTimestamp"):
        by_hint("datetime")
    assert all(by_hint(name.replace("SCALE", "2")) for name in HINTS)
