"""What the tests of the writer share: tables of the example's shape, changes, batches."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from conftest import one, rows

from seqguard.sync.event import Batch, Change, Position
from seqguard.sync.mapping.table import TableMapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from conftest import Connection

    from seqguard.demo.server import Server
    from seqguard.sync.event import Value

STREAM = "binlog"

TABLES = """
CREATE TABLE users (id serial PRIMARY KEY, name text, email text UNIQUE);
CREATE TABLE posts (id serial PRIMARY KEY, author integer REFERENCES users (id), title text);
"""


def mapping(source: str, *columns: str, key: tuple[str, ...] = ("id",), **more: Any) -> TableMapping:
    return TableMapping(source, "public", source, key, {name: name for name in columns}, **more)


USERS = mapping("users", "id", "name", "email")
POSTS = mapping("posts", "id", "author", "title")

_places = count(1)


def change(
    table: str, before: Mapping[str, Value] | None, after: Mapping[str, Value] | None, stream: str = STREAM
) -> Change:
    return Change(table, before, after, Position(stream, {"at": next(_places)}))


def user(number: int, name: str | None = "n", email: str | None = None) -> Change:
    return change("users", None, {"id": number, "name": name, "email": email or f"{number}@x"})


def gone(table: str, number: int) -> Change:
    return change(table, {"id": number}, None)


def moved(old: int, new: int, name: str = "n", email: str | None = None) -> Change:
    return change("users", {"id": old}, {"id": new, "name": name, "email": email or f"{new}@x"})


def post(number: int, author: int, title: str = "t") -> Change:
    return change("posts", None, {"id": number, "author": author, "title": title})


def batch(*changes: Change) -> Batch:
    """Changes with the positions after them."""
    return Batch(changes, {one.position.stream: one.position.offset for one in changes})


@contextmanager
def own_database(server: Server) -> Iterator[str]:
    """A database for a module: its tests empty it, which is quicker than a new one for each."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server.conninfo(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE installed".encode())
        yield server.conninfo(name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def empty(db: Connection) -> None:
    """Leave nothing in the database but schema seqguard."""
    db.execute("DROP SCHEMA IF EXISTS seqguard_sync CASCADE")
    db.execute("DROP SCHEMA public CASCADE")
    db.execute("CREATE SCHEMA public")
    db.execute("GRANT USAGE ON SCHEMA public TO public")


def letters(db: Connection) -> list[tuple[Any, ...]]:
    """Source table, key, state and SQLSTATE of every letter."""
    return rows(db, "SELECT source, key, state, sqlstate FROM seqguard_sync.dead_letters ORDER BY id")


def batches(changes: Sequence[Change], *sizes: int) -> list[Batch]:
    """Changes in batches of these sizes, the rest in a last one."""
    found, start = [], 0
    for size in sizes:
        found.append(batch(*changes[start : start + size]))
        start += size
    return [*found, batch(*changes[start:])]


def count_attempts(db: Connection, table: str) -> None:
    """From here on count the statements that insert into a table, failed ones too."""
    db.execute("CREATE SEQUENCE attempts MINVALUE 0")
    db.execute("SELECT nextval('attempts')")
    db.execute("""
        CREATE FUNCTION attempt() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN PERFORM nextval('public.attempts'); RETURN NULL; END$$""")
    db.execute(
        f"CREATE TRIGGER attempt BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION attempt()".encode()
    )


def attempts(db: Connection) -> int:
    """How many statements there have been."""
    return int(one(db, "SELECT last_value FROM attempts"))


@pytest.fixture(scope="module")
def dsn(server: Server) -> Iterator[str]:
    """A database that the tests of a module share."""
    with own_database(server) as conninfo:
        yield conninfo


@pytest.fixture
def target(db: Connection) -> Connection:
    """The tables of the example's shape, empty."""
    empty(db)
    db.execute(TABLES.encode())
    return db
