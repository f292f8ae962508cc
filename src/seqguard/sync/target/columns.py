"""Whole columns of values as PostgreSQL reads them: the encoder's answers, without a call for each plain value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from seqguard.sync.target.values import encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seqguard.sync.event import Value
    from seqguard.sync.target.catalog import TargetColumn
    from seqguard.sync.target.values import Encoder

    Texts = Sequence[str | None]
    ColumnEncoder = Callable[[Sequence[Value]], Texts]

_TEXT = re.compile(r"(?:text|character varying)(?:\((\d+)\))?")
_INTEGERS = {"smallint": 15, "integer": 31, "bigint": 63}


def column_encoder(column: TargetColumn) -> ColumnEncoder:
    """What turns the values of a column into texts, as encoder() turns each. Raises BadValueError as it does."""
    encode = encoder(column)
    text = _TEXT.fullmatch(column.type)
    if text and not column.labels:
        return _texts(encode, int(text[1]) if text[1] else None)
    if column.type in _INTEGERS:
        return _integers(encode, 1 << _INTEGERS[column.type])
    return lambda values: [encode(value) for value in values]


def _texts(encode: Encoder, limit: int | None) -> ColumnEncoder:
    """Texts that are plain ASCII and short enough are what PostgreSQL reads."""

    def encoded(values: Sequence[Any]) -> Texts:
        kinds = set(map(type, values))
        if kinds == {str}:
            if values.count(values[0]) == len(values):
                return [encode(values[0])] * len(values)
            together = "".join(values)
            if together.isascii() and "\0" not in together and (not limit or max(map(len, values)) <= limit):
                return values
        return [encode(value) for value in values]

    return encoded


def _integers(encode: Encoder, beyond: int) -> ColumnEncoder:
    def encoded(values: Sequence[Any]) -> Texts:
        if set(map(type, values)) == {int} and -beyond <= min(values) and max(values) < beyond:
            return list(map(str, values))
        return [encode(value) for value in values]

    return encoded
