"""Statements in the binlog that empty a table, or that should have been rows. Pure."""

from __future__ import annotations

import re

_GAP = r"(?:\s|/\*.*?\*/|--[ \t][^\n]*(?:\n|$)|#[^\n]*(?:\n|$))"
_NAME = r'(`(?:[^`]|``)+`|"(?:[^"]|"")+"|[\w$]+)'
_NEXT = rf"(?:{_GAP}+|(?=[`\"]))"
_TRUNCATE = re.compile(
    rf"{_GAP}*(?:SET\s+STATEMENT\s.*?\sFOR\s+)?TRUNCATE{_NEXT}(?:TABLE{_NEXT})?"
    rf"{_NAME}(?:{_GAP}*\.{_GAP}*{_NAME})?{_GAP}*(?:(?:NO)?WAIT\b{_GAP}*\d*)?{_GAP}*;?{_GAP}*",
    re.IGNORECASE | re.DOTALL,
)
_WRITING = re.compile(rf"{_GAP}*(?:INSERT|UPDATE|DELETE|REPLACE|LOAD)\b", re.IGNORECASE | re.DOTALL)


def truncated(statement: str, database: str) -> tuple[str, str] | None:
    """The database and table that a statement empties; None when it is no TRUNCATE TABLE.

    database is the session's, where the statement names none.
    """
    found = _TRUNCATE.fullmatch(statement)
    if found is None:
        return None
    first, second = found.groups()
    return (_plain(first), _plain(second)) if second else (database, _plain(first))


def _plain(name: str) -> str:
    return name[1:-1].replace(name[0] * 2, name[0]) if name[0] in '`"' else name


def writes(statement: str) -> bool:
    """Whether a statement changes rows, which are not in the binlog then: its format was not ROW."""
    return _WRITING.match(statement) is not None
