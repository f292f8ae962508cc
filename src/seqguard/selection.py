"""Which tables a command is about: patterns as in psql and pg_dump. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from seqguard.errors import SeqguardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seqguard.model import FedColumn

_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(.)', re.DOTALL)
_WILDCARD = {"*": ".*", "?": "."}

Patterns = tuple[str, ...] | list[str]


@dataclass(frozen=True, slots=True)
class Selection:
    """Patterns of schemas and tables. `*` and `?` are wildcards; unquoted letters are lower case."""

    schemas: Patterns = ()
    tables: Patterns = ()
    exclude_tables: Patterns = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            patterns = getattr(self, field.name)
            if isinstance(patterns, str):
                raise TypeError(f"Selection.{field.name} takes several patterns: write [{patterns!r}]")
            object.__setattr__(self, field.name, tuple(patterns))
            form = "schema" if field.name == "schemas" else "schema.table"
            for pattern in patterns:
                if len(split(pattern)) > len(form.split(".")):
                    raise SeqguardError(f'"{pattern}" has too many dots: write {form}')

    def apply(self, facts: Sequence[FedColumn], *, unattached: bool = False) -> list[FedColumn]:
        """The rows of the sequences that feed a selected column.

        A sequence comes with all its columns, selected or not: its verdict rests on all of them. Only what cannot
        be judged and is excluded by name stays out: somebody has looked for himself.
        Raises SeqguardError for a pattern that nothing matches, and when nothing is chosen by all together.
        """
        schemas = {f.table_schema or f.sequence_schema for f in facts if unattached or f.table_oid is not None}
        for pattern in self.schemas:
            if not _any_schema((pattern,), schemas):
                hint = quoting_hint(pattern, ((schema,) for schema in schemas))
                raise SeqguardError(
                    f'no schema that matches "{pattern}" has a column that a sequence feeds{hint}'
                )
        for pattern in (*self.tables, *self.exclude_tables):
            if not any(table_matches(pattern, fact.table_schema, fact.table_name) for fact in facts):
                raise NoSuchTableError(pattern)
        chosen = {fact.sequence_oid for fact in facts if self.chooses(fact, unattached=unattached)}
        if self != Selection() and not chosen:
            raise SeqguardError(f"no table meets all the patterns together: {self._told()}")
        return [
            fact
            for fact in facts
            if fact.sequence_oid in chosen
            and not (fact.unjudged and self._excludes(fact.table_schema, fact.table_name))
        ]

    def _told(self) -> str:
        kinds = {"schema": self.schemas, "table": self.tables, "not table": self.exclude_tables}
        return ", ".join(f'{kind} "{pattern}"' for kind, patterns in kinds.items() for pattern in patterns)

    def also(self, tables: tuple[str, ...]) -> Selection:
        """The selection with more table patterns."""
        return replace(self, tables=(*self.tables, *tables))

    def chooses(self, fact: FedColumn, *, unattached: bool = False) -> bool:
        """Whether this very column is selected."""
        if fact.table_oid is None:
            return unattached and not self.tables and self._chooses_schema(fact.sequence_schema)
        return self.chooses_table(fact.table_schema, fact.table_name)

    def chooses_table(self, schema: str | None, name: str | None) -> bool:
        """Whether a table is selected."""
        return (
            self._chooses_schema(schema)
            and (not self.tables or any(table_matches(pattern, schema, name) for pattern in self.tables))
            and not self._excludes(schema, name)
        )

    def _excludes(self, schema: str | None, name: str | None) -> bool:
        return any(table_matches(pattern, schema, name) for pattern in self.exclude_tables)

    def _chooses_schema(self, schema: str | None) -> bool:
        return not self.schemas or _any_schema(self.schemas, (schema,))


class NoSuchTableError(SeqguardError):
    """No fed column belongs to a table that matches the pattern."""

    def __init__(self, pattern: str, message: str | None = None) -> None:
        super().__init__(message or f'no column that a sequence feeds in a table that matches "{pattern}"')
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
    return _matches(pattern, (schema or "", name or ""))


def quoting_hint(pattern: str, names: Iterable[tuple[str, ...]]) -> str:
    """How to write the first qualified name that only its capitals keep from matching, to be appended."""
    for parts in names:
        if _matches(pattern, parts, re.IGNORECASE):
            shown = (part.replace('"', '""') for part in parts[-len(split(pattern)) :])
            quoted = ".".join(f'"{part}"' for part in shown)
            return f"; capitals count only in double quotes: write '{quoted}'"
    return ""


def _any_schema(patterns: Iterable[str], schemas: Iterable[str | None]) -> bool:
    return any(_matches(pattern, (schema or "",)) for schema in schemas for pattern in patterns)


def _matches(pattern: str, names: tuple[str, ...], flags: int = 0) -> bool:
    """Whether a pattern means a qualified name or the end of it."""
    parts = split(pattern)
    return len(parts) <= len(names) and all(
        re.fullmatch(part, name, re.DOTALL | flags)
        for part, name in zip(parts, names[-len(parts) :], strict=True)
    )
