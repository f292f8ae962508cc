"""Rows of MySQL's text protocol, taken apart."""

from __future__ import annotations

import pytest

from seqguard.sync.mysql.snapshot import values_of


def sent(value: bytes | None) -> bytes:
    """A value as the protocol sends it."""
    if value is None:
        return b"\xfb"
    for limit, first, width in ((251, b"", 1), (1 << 16, b"\xfc", 2), (1 << 24, b"\xfd", 3)):
        if len(value) < limit:
            return first + len(value).to_bytes(width, "little") + value
    return b"\xfe" + len(value).to_bytes(8, "little") + value


@pytest.mark.parametrize("size", [0, 1, 250, 251, 252, 255, 65_535, 65_536, 16_777_215, 16_777_216])
def test_a_value_of_any_length_is_found_between_others(size: int) -> None:
    values = (b"1", None, b"x" * size, None, b"", b"end")
    assert values_of(b"".join(map(sent, values))) == values
