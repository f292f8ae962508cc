"""Which tables a command is about: patterns as in psql and pg_dump. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seqguard.errors import SeqguardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seqguard.model import FedColumn

_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(.)', re.DOTALL)
_WILDCARD = {"*": ".*", "?": "."}


@dataclass(frozen=True, slots=True)
class Selection:
    """Patterns of schemas and tables. `*` and `?` are wildcards; unquoted letters are lower case."""

    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    exclude_tables: tuple[str, ...] = ()

    def apply(self, facts: Sequence[FedColumn], *, unattached: bool = False) -> list[FedColumn]:
        """The rows of the sequences that feed a selected column.

        A sequence comes with all its columns, selected or not: its verdict rests on all of them.
        Raises SeqguardError for a pattern that nothing matches.
        """
        for pattern in self.schemas:
            _require_match(f'no schema that matches "{pattern}"', pattern, (f.table_schema for f in facts))
        for pattern in self.tables:
            if not any(table_matches(pattern, fact.table_schema, fact.table_name) for fact in facts):
                raise NoSuchTableError(pattern)
        chosen = {fact.sequence_oid for fact in facts if self.chooses(fact, unattached=unattached)}
        return [fact for fact in facts if fact.sequence_oid in chosen]

    def also(self, tables: tuple[str, ...]) -> Selection:
        """The selection with more table patterns."""
        return replace(self, tables=self.tables + tables)

    def chooses(self, fact: FedColumn, *, unattached: bool = False) -> bool:
        """Whether this very column is selected."""
        if fact.table_oid is None:
            return unattached and not self.tables and _any_schema(self.schemas, fact.sequence_schema)
        return self.chooses_table(fact.table_schema, fact.table_name)

    def chooses_table(self, schema: str | None, name: str | None) -> bool:
        """Whether a table is selected."""
        return (
            _any_schema(self.schemas, schema)
            and (not self.tables or any(table_matches(pattern, schema, name) for pattern in self.tables))
            and not any(table_matches(pattern, schema, name) for pattern in self.exclude_tables)
        )


class NoSuchTableError(SeqguardError):
    """No fed column belongs to a table that matches the pattern."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f'no column that a sequence feeds in a table that matches "{pattern}"')
        self.pattern = pattern


def split(pattern: str) -> list[str]:
    """The dot-separated parts of a pattern as regular expressions."""
    parts = [""]
    for quoted, plain in _TOKEN.findall(pattern):
        if plain == ".":
            parts.append("")
        elif plain:
            parts[-1] += _WILDCARD.get(plain) or re.escape(plain.lower())
        else:
            parts[-1] += re.escape(quoted.replace('""', '"'))
    return parts


def table_matches(pattern: str, schema: str | None, name: str | None) -> bool:
    """Whether `table` or `schema.table`, with wildcards, means this table."""
    parts = split(pattern)[-2:]
    names = [schema or "", name or ""][-len(parts) :]
    return all(re.fullmatch(part, name, re.DOTALL) for part, name in zip(parts, names, strict=True))


def _any_schema(patterns: tuple[str, ...], schema: str | None) -> bool:
    return not patterns or any(
        re.fullmatch(split(pattern)[-1], schema or "", re.DOTALL) for pattern in patterns
    )


def _require_match(message: str, pattern: str, names: Iterable[str | None]) -> None:
    if not any(re.fullmatch(split(pattern)[-1], name or "", re.DOTALL) for name in names):
        raise SeqguardError(message)
