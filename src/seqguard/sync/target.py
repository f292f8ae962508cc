"""The facts of the target's catalogs that the check and the writer rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column of a target table. type is as format_type() prints it, with its modifier.

    filled: PostgreSQL fills it when an INSERT leaves it out (default, identity, generated, nullable).
    always: GENERATED ALWAYS AS IDENTITY. computed: GENERATED ALWAYS AS (expression).
    labels: of an enum, its labels.
    """

    name: str
    type: str
    nullable: bool
    filled: bool
    always: bool
    computed: bool
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetTable:
    """A target table: its columns by name, its unique keys, and the tables that it references.

    unique: the columns of every unique index or primary key that ON CONFLICT can infer: valid, immediate,
    on plain columns, not partial.
    references: oids of the tables that its foreign keys point at, its own left out.
    fed: columns that a sequence feeds.
    """

    oid: int
    schema: str
    name: str
    columns: Mapping[str, TargetColumn]
    unique: tuple[frozenset[str], ...]
    references: frozenset[int]
    fed: tuple[str, ...]
