"""The facts of the target's catalogs that the check and the writer rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.errors import SeqguardError

if TYPE_CHECKING:
    from collections.abc import Mapping

WRITABLE = ("r", "p")
"""The relkinds that sync writes to."""

_KINDS = {
    "v": "a view: name the table behind it",
    "m": "a materialized view: name the table behind it",
    "f": "a foreign table: sync into the database where its data lives",
    "S": "a sequence: name a table",
}


class NoSuchTargetError(SeqguardError):
    """The target has no such table."""


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column of a target table.

    type is as format_type() prints it, with its modifier; of a domain, the type below it; a type that is
    not PostgreSQL's own is qualified: public.mood.
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
    on plain columns, not partial; the primary key first.
    references: oids of the tables that its foreign keys point at, its own left out. parents: their schemas
    and names.
    fed: columns that a sequence feeds.
    lacking: SELECT, INSERT, UPDATE or DELETE, where the role may not.
    """

    oid: int
    schema: str
    name: str
    columns: Mapping[str, TargetColumn]
    unique: tuple[frozenset[str], ...]
    references: frozenset[int]
    fed: tuple[str, ...]
    parents: tuple[tuple[str, str], ...] = ()
    lacking: tuple[str, ...] = ()


def read_target(
    connection: pg.Connection, schema: str, table: str, timeouts: pg.Timeouts = pg.Timeouts()
) -> TargetTable:
    """Read what the catalogs say of a table.

    Raises NoSuchTargetError when there is none, or something else than a table of that name.
    """
    with pg.reading(connection, timeouts) as cursor:
        found = cursor.execute(pg.template("sync/target_table"), {"schema": schema, "table": table}).fetchone()
        if found is None:
            raise NoSuchTargetError(f"the target has no table {schema}.{table}")
        oid, relkind, unique, parents, lacking = found
        if relkind not in WRITABLE:
            raise NoSuchTargetError(f"{schema}.{table} is {_KINDS[relkind]}")
        rows = cursor.execute(pg.template("sync/target_columns"), {"oid": oid}).fetchall()
    columns = {
        column: TargetColumn(column, kind, nullable, filled, always, computed, tuple(labels))
        for column, kind, nullable, filled, always, computed, labels, _ in rows
    }
    return TargetTable(
        oid=oid,
        schema=schema,
        name=table,
        columns=columns,
        unique=tuple(frozenset(key) for key in unique),
        references=frozenset(parent for parent, _, _ in parents),
        fed=tuple(row[0] for row in rows if row[-1]),
        parents=tuple((parent_schema, name) for _, parent_schema, name in parents),
        lacking=tuple(lacking),
    )
