"""seqguard sync dead-letters, on what a writer has put aside."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from conftest import one, rows
from console import run
from writing import POSTS, TABLES, USERS, batch, dsn, empty, letters, post, user

from seqguard.sync.writing.writer import Limits, Writer

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Connection


__all__ = ["dsn"]

FILE = """
name = "s"
[source]
kind = "binlog"
database = "app"
server_id = 1
[target]
conninfo = "{conninfo}"
[[table]]
source = "users"
target = "users"
key = ["id"]
[[table]]
source = "posts"
target = "posts"
key = ["id"]
"""


@pytest.fixture
def file(tmp_path: Path, dsn: str) -> str:
    path = tmp_path / "sync.toml"
    path.write_text(FILE.format(conninfo=dsn))
    return str(path)


@pytest.fixture
def target(db: Connection, dsn: str) -> Connection:
    """Two letters: a user whose address is taken, a post whose author is not there."""
    empty(db)
    db.execute(TABLES.encode())
    with closing(Writer(dsn, "s", [USERS, POSTS], Limits(retry_every=60))) as writer:
        writer.apply(batch(user(1, email="a"), user(2, email="a"), post(1, 3)))
    return db


def test_they_are_listed(target: Connection, file: str) -> None:
    assert target
    listed = run("sync", "dead-letters", "list", file)
    assert listed.code == 1
    assert [line.split()[1:5] for line in listed.out.splitlines()[1:]] == [
        ["users", "[2]", "dead", "23505"],
        ["posts", "[1]", "waiting", "23503"],
    ]


def test_they_are_listed_as_json_table_by_table(target: Connection, file: str) -> None:
    assert target
    found = json.loads(run("sync", "dead-letters", "list", file, "--table", "users", "--format", "json").out)
    assert [(letter["source"], letter["key"], letter["sqlstate"]) for letter in found] == [
        ("users", "[2]", "23505")
    ]


def test_one_is_shown_with_its_row_and_what_it_means(target: Connection, file: str) -> None:
    shown = run("sync", "dead-letters", "show", file, str(first(target)))
    assert shown.code == 0
    assert '"email": "a"' in shown.out
    assert "the row of public.users with id = 1 has the same email" in shown.out


def test_what_was_put_right_is_applied(target: Connection, file: str) -> None:
    target.execute("UPDATE users SET email = 'other' WHERE id = 1")
    done = run("sync", "dead-letters", "retry", file, "--all")
    assert done.code == 1
    assert done.out.startswith("1 applied, 1 left.\nposts: 1 waiting: insert or update on table")
    assert done.out.endswith(f"(show {one(target, 'SELECT id FROM seqguard_sync.dead_letters')})\n")
    assert rows(target, "SELECT id, email FROM users ORDER BY id") == [(1, "other"), (2, "a")]
    target.execute("INSERT INTO users (id) VALUES (3)")
    assert run("sync", "dead-letters", "retry", file, "--table", "posts").code == 0
    assert letters(target) == []


def test_they_are_dropped(target: Connection, file: str) -> None:
    assert run("sync", "dead-letters", "drop", file, str(first(target))).out == "1 dropped.\n"
    assert [source for source, *_ in letters(target)] == ["posts"]


def test_which_ones_must_be_said_and_must_be_there(target: Connection, file: str) -> None:
    assert run("sync", "dead-letters", "drop", file).code == 2
    unknown = run("sync", "dead-letters", "retry", file, str(first(target) + 1000))
    assert unknown.code == 2
    assert "has no letter" in unknown.err


def test_none_are_none(target: Connection, file: str) -> None:
    target.execute("DELETE FROM seqguard_sync.dead_letters")
    listed = run("sync", "dead-letters", "list", file)
    assert (listed.code, listed.out) == (0, "No letters.\n")


def first(target: Connection) -> Any:
    return one(target, "SELECT min(id) FROM seqguard_sync.dead_letters")
