"""What bench/guard.py and bench/instructions.py measure: tables of two shapes, under five guards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Sequence

Connection = psycopg.Connection[Any]
UNGUARDED, EMPTY, SEQGUARD, USUAL, ROW_MAX = GUARDS = (
    "unguarded",
    "empty trigger",
    "seqguard",
    "usual recipe",
    "row max",
)
NEVER = "WHEN (false)"
"""Not a guard: a row trigger whose condition is never true."""
PARTITIONS = 64
USED = 1_000
"""Where a sequence stands that has been in use."""

_FUNCTIONS = {
    EMPTY: "CREATE FUNCTION empty() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    USUAL: Path(__file__).with_name("usual_recipe.sql").read_text(),
    ROW_MAX: "CREATE FUNCTION row_max() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN PERFORM setval('t_id_seq', (SELECT max(id) FROM t)); RETURN NULL; END $$",
}
_TRIGGERS = {
    EMPTY: "CREATE TRIGGER other AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION empty()",
    SEQGUARD: "SELECT seqguard.guard('t')",
    NEVER: "CREATE TRIGGER other AFTER INSERT OR UPDATE ON t FOR EACH ROW WHEN (false) EXECUTE FUNCTION empty()",
    USUAL: "CREATE TRIGGER other AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION usual_recipe()",
    ROW_MAX: "CREATE TRIGGER other AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION row_max()",
}


@dataclass(frozen=True)
class Shape:
    """A kind of table.

    create has places for what a partitioned table adds to it; values are SQL expressions of a number n,
    one for each of the columns; changed is the column that an upsert sets.
    """

    name: str
    create: str
    columns: tuple[str, ...]
    values: tuple[str, ...]
    changed: str

    def row(self, n: int) -> list[bytes]:
        """A row's values but for its id, in text format."""
        return [b"%d" % n] if self is NARROW else [b"user%d" % n, b"user%d@example.com" % n]


NARROW = Shape("narrow", "CREATE TABLE t (id serial PRIMARY KEY, v integer) {by}", ("v",), ("n",), "v")
USERS = Shape(
    "legacy_users",
    """
    CREATE TABLE t (
        id serial PRIMARY KEY, username varchar(50) NOT NULL, email varchar(100) NOT NULL, full_name varchar(100),
        phone_number varchar(20), status varchar(20) DEFAULT 'active', source varchar(20) DEFAULT 'legacy',
        created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
        UNIQUE (username {id}), UNIQUE (email {id})) {by};
    CREATE INDEX ON t (created_at)
    """,
    ("username", "email"),
    ("'user' || n", "'user' || n || '@example.com'"),
    "full_name",
)
SHAPES = (USERS, NARROW)


def prepare(connection: Connection) -> None:
    """The functions of the other guards; seqguard's own must be there."""
    for statement in _FUNCTIONS.values():
        run(connection, statement)


def run(connection: Connection, statement: str) -> None:
    connection.execute(statement.encode())


class Table:
    """The table t, new, logged, with rows 1 to so many; the guard on it can be changed."""

    def __init__(
        self, connection: Connection, shape: Shape, rows: int = 0, *, partitioned: bool = False
    ) -> None:
        self.connection, self.shape = connection, shape
        run(connection, "DROP TABLE IF EXISTS t")
        for statement in definition(shape, partitioned=partitioned):
            run(connection, statement)
        if rows:
            run(connection, self.insert(rows))
            run(connection, "ANALYZE t")
            run(connection, "CHECKPOINT")

    def insert(self, rows: int) -> str:
        """A statement that inserts so many rows with ordinary ids."""
        columns, values = ", ".join(self.shape.columns), ", ".join(self.shape.values)
        return f"INSERT INTO t ({columns}) SELECT {values} FROM generate_series(1, {rows}) AS n"

    def empty(self) -> None:
        """No rows, and a sequence that has been in use."""
        run(self.connection, "TRUNCATE t RESTART IDENTITY")
        run(self.connection, f"SELECT setval('t_id_seq', {USED})")

    def guard(self, guard: str) -> None:
        """Change the guard."""
        run(self.connection, "DROP TRIGGER IF EXISTS other ON t")
        run(self.connection, "SELECT seqguard.unguard('t')")
        if guard in _TRIGGERS:
            run(self.connection, _TRIGGERS[guard])
        found = self.connection.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal"
        ).fetchone()
        assert found == (int(guard != UNGUARDED),), (guard, found)


def definition(shape: Shape, *, partitioned: bool = False) -> Sequence[str]:
    """The statements that create the table t, with all its partitions."""
    if not partitioned:
        return [shape.create.format(id="", by="")]
    return [
        shape.create.format(id=", id", by="PARTITION BY HASH (id)"),
        *(f"CREATE TABLE t_{i} PARTITION OF t FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {i})"
          for i in range(PARTITIONS)),
    ]  # fmt: skip
