"""Small databases that several files of tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import Connect, Connection, one

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def behind(db: Connection, dsn: str) -> str:
    """A database where public.users is behind and public.posts is not."""
    db.execute("CREATE TABLE users (id serial PRIMARY KEY)")
    db.execute("CREATE TABLE posts (id serial PRIMARY KEY)")
    db.execute("INSERT INTO users SELECT generate_series(1, 16)")
    return dsn


@pytest.fixture
def in_sync(db: Connection, dsn: str) -> str:
    """A database where public.users is as it should be."""
    db.execute("CREATE TABLE users (id serial PRIMARY KEY)")
    db.execute("INSERT INTO users DEFAULT VALUES")
    return dsn


@pytest.fixture
def exhausted(db: Connection, dsn: str) -> str:
    """A database with a row beyond the limit of its sequence."""
    db.execute("CREATE SEQUENCE s MAXVALUE 5")
    db.execute("CREATE TABLE users (id int PRIMARY KEY DEFAULT nextval('s'))")
    db.execute("INSERT INTO users VALUES (9)")
    return dsn


@pytest.fixture
def locked(behind: str, connect: Connect) -> Iterator[str]:
    """The database `behind`, with users locked by another session."""
    other = connect()
    with other.transaction():
        other.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        yield behind


def last_value(db: Connection) -> int:
    return int(one(db, "SELECT last_value FROM users_id_seq"))
