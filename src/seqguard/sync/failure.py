"""How sync can fail: for a moment, or for one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqguard.errors import SeqguardError

if TYPE_CHECKING:
    from collections.abc import Mapping


class TransientError(SeqguardError):
    """A source or the target cannot be reached or is busy: try again, nothing is lost."""


class NewColumnsError(SeqguardError):
    """From here on the rows of a table have mapped columns that they lacked before: go on with a wider mapping."""

    def __init__(self, table: str, columns: frozenset[str]) -> None:
        super().__init__(f"the rows of {table} now have {', '.join(sorted(columns))}")
        self.table, self.columns = table, columns


class OtherColumnsError(Exception):
    """The rows at hand bring other columns than their tables are mapped with: lacks, by source table."""

    def __init__(self, lacks: Mapping[str, frozenset[str]]) -> None:
        super().__init__(lacks)
        self.lacks = lacks


class BadValueError(Exception):
    """A value that the target column cannot hold. Its row becomes a dead letter.

    sqlstate is what PostgreSQL would say: 22003 out of range, 22007 no such date, 22021 NUL in a text,
    22P02 not of the type.
    """

    def __init__(self, column: str, reason: str, sqlstate: str) -> None:
        super().__init__(f"column {column}: {reason}")
        self.column = column
        self.sqlstate = sqlstate


class LostStreamError(TransientError):
    """Another worker has moved a stream on: start again from the stored position. Nothing was applied."""
