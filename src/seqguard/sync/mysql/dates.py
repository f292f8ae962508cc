"""Dates and times of MySQL in both of their forms: the text of a query, the bytes of the binlog."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from seqguard.sync.event import ZeroDate

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZERO_TIMESTAMP = ZeroDate("0000-00-00 00:00:00")


def zero(text: str) -> ZeroDate:
    """A date that no calendar has. A fraction ends with its last digit that counts."""
    return ZeroDate(text.rstrip("0").rstrip(".") if "." in text else text)


def date_of_text(text: str) -> date | ZeroDate:
    """A DATE as a query shows it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return zero(text)


def datetime_of_text(text: str) -> datetime | ZeroDate:
    """A DATETIME as a query shows it."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return zero(text)


def timestamp_of_text(text: str) -> datetime | ZeroDate:
    """A TIMESTAMP as a query shows it in a session whose time zone is UTC."""
    try:
        return datetime.fromisoformat(text + "+00:00")
    except ValueError:
        return zero(text)


def time_of_text(text: str) -> timedelta:
    """A TIME as a query shows it: [-]HHH:MM:SS[.ffffff]."""
    hours, minutes, seconds = text.lstrip("-").split(":")
    whole, _, fraction = seconds.partition(".")
    length = timedelta(
        hours=int(hours), minutes=int(minutes), seconds=int(whole), microseconds=int(fraction.ljust(6, "0"))
    )
    return -length if text.startswith("-") else length


def date_of_number(packed: int) -> date | ZeroDate:
    """A DATE as three bytes hold it: 15 bits of the year, 4 of the month, 5 of the day."""
    year, month, day = packed >> 9, packed >> 5 & 15, packed & 31
    try:
        return date(year, month, day)
    except ValueError:
        return ZeroDate(f"{year:04}-{month:02}-{day:02}")


def datetime_of_number(packed: int, microseconds: int) -> datetime | ZeroDate:
    """A DATETIME as five bytes hold it: year * 13 + month, then 5 bits of the day, 5, 6, 6 of the time."""
    months, day = packed >> 22 & 0x1FFFF, packed >> 17 & 31
    hour, minute, second = packed >> 12 & 31, packed >> 6 & 63, packed & 63
    try:
        return datetime(months // 13, months % 13, day, hour, minute, second, microseconds)  # noqa: DTZ001
    except ValueError:
        fraction = f".{microseconds:06}" if microseconds else ""
        return zero(f"{months // 13:04}-{months % 13:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}")


def timestamp_of_number(seconds: int, microseconds: int) -> datetime | ZeroDate:
    """A TIMESTAMP as four bytes hold it, whatever the time zone of this process or of the session was."""
    if not (seconds or microseconds):
        return ZERO_TIMESTAMP
    return EPOCH + timedelta(0, seconds, microseconds)


def time_of_number(packed: int, digits: int) -> timedelta:
    """A TIME as a signed number: 10 bits of the hour, 6, 6, then `digits` decimal digits in whole bytes."""
    fraction_bits = digits * 4
    whole, fraction = abs(packed) >> fraction_bits, abs(packed) & (1 << fraction_bits) - 1
    length = timedelta(
        hours=whole >> 12 & 0x3FF,
        minutes=whole >> 6 & 63,
        seconds=whole & 63,
        microseconds=fraction * 10 ** (6 - digits),
    )
    return -length if packed < 0 else length
