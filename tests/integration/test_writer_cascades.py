"""What a cascade deletes, MySQL does not tell: the target's own cascade must come to the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import rows
from writing import POSTS, USERS, batch, gone, post, user

from seqguard.sync.writing.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connection

TABLES = """
CREATE TABLE users (id serial PRIMARY KEY, name text, email text UNIQUE);
CREATE TABLE posts (id serial PRIMARY KEY, author integer REFERENCES users (id) ON DELETE CASCADE, title text);
"""


@pytest.fixture
def writer(db: Connection, dsn: str) -> Iterator[Writer]:
    db.execute(TABLES.encode())
    made = Writer(dsn, "cascades", [USERS, POSTS])
    made.stored("binlog")
    yield made
    made.close()


def posts(db: Connection) -> list[tuple[int, ...]]:
    return rows(db, "SELECT id, author FROM posts ORDER BY id")


def letters(db: Connection) -> list[tuple[int, ...]]:
    return rows(db, "SELECT id FROM seqguard_sync.dead_letters")


def test_a_parent_that_is_deleted_and_comes_back_leaves_its_children_behind(
    db: Connection, writer: Writer
) -> None:
    writer.apply(batch(user(1), post(5, 1)))
    writer.apply(batch(gone("users", 1), user(1, email="again@x"), post(6, 1)))
    assert posts(db) == [(6, 1)]


def test_a_child_of_a_parent_that_comes_and_goes_goes_with_it(db: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1), post(5, 1), gone("users", 1)))
    assert (posts(db), letters(db), rows(db, "SELECT id FROM users")) == ([], [], [])


def test_a_child_that_moves_away_first_stays(db: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1), user(2), post(5, 1)))
    writer.apply(batch(post(5, 2), gone("users", 1), user(1, email="again@x")))
    assert posts(db) == [(5, 2)]
