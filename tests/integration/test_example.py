"""The runbook of examples/legacy-revamp, on a real server, through psql."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seqguard.demo.server import embedded_binaries

if TYPE_CHECKING:
    from collections.abc import Callable

    from seqguard.demo.server import Server

POSTGRES = Path(__file__).parents[2] / "examples" / "legacy-revamp" / "databases" / "postgres"
TABLES = ("legacy_users", "legacy_posts", "legacy_likes")


class Database:
    """A database that is only ever talked to through psql."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def psql(self, *arguments: str | Path) -> str:
        command = [
            embedded_binaries() / "psql",
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            self.dsn,
            *arguments,
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PGOPTIONS": ""}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def run(self, sql: str) -> str:
        return self.psql("-c", sql)

    def run_file(self, name: str) -> str:
        return self.psql("-f", POSTGRES / name)

    def insert_user(self, name: str, user_id: int | None = None) -> int:
        columns, values = ("id, ", f"{user_id}, ") if user_id else ("", "")
        return int(
            self.run(
                f"INSERT INTO legacy_users ({columns}username, email) VALUES ({values}'{name}', '{name}') RETURNING id"
            )
        )

    def last_and_max(self, table: str) -> list[str]:
        return self.run(f"SELECT last_value, (SELECT max(id) FROM {table}) FROM {table}_id_seq").split("|")


@pytest.fixture(scope="module")
def template(server: Server) -> str:
    """A database with the example's schema, to be cloned."""
    name = "legacy_template"
    Database(server.conninfo()).run(f"CREATE DATABASE {name}")
    Database(server.conninfo(name)).run_file("schema.sql")
    return name


@pytest.fixture
def database(clone: Callable[[str], str], template: str) -> Database:
    """A database of this test's own with the example's schema."""
    return Database(clone(template))


def test_an_insert_without_id_after_explicit_ids_succeeds(database: Database) -> None:
    assert database.insert_user("mary") == 5


def test_three_inserts_in_a_row_succeed(database: Database) -> None:
    assert [database.insert_user(name) for name in ("mary", "dorothy", "annie")] == [5, 6, 7]


def test_an_insert_with_id_100_is_followed_by_101(database: Database) -> None:
    database.insert_user("dorothy", 100)
    assert database.insert_user("annie") == 101


def test_the_runbooks_query_lists_the_three_guards(database: Database) -> None:
    query = "SELECT tgname, tgrelid::regclass, tgenabled FROM pg_trigger WHERE tgname LIKE 'sync_%_sequence'"
    assert sorted(database.run(query).splitlines()) == [
        "sync_legacy_likes_sequence|legacy_likes|A",
        "sync_legacy_posts_sequence|legacy_posts|A",
        "sync_legacy_users_sequence|legacy_users|A",
    ]


MIXED_INSERTS = """
INSERT INTO legacy_users (username, email) SELECT 'a' || n, 'a' || n FROM generate_series(1, 5) AS n;
INSERT INTO legacy_users (id, username, email) VALUES (40, 'b', 'b'), (30, 'c', 'c');
INSERT INTO legacy_users (username, email) VALUES ('d', 'd');
INSERT INTO legacy_posts (id, user_id, post_title) VALUES (9, 40, 'explicit');
INSERT INTO legacy_posts (user_id, post_title) VALUES (30, 'ordinary'), (30, 'ordinary');
INSERT INTO legacy_likes (user_id, post_id) VALUES (40, 9);
INSERT INTO legacy_likes (id, user_id, post_id) VALUES (77, 30, 9), (70, 40, 1);
"""


@pytest.mark.parametrize("table", TABLES)
def test_last_value_equals_max_id_as_the_rows_were_shipped(database: Database, table: str) -> None:
    last, furthest = database.last_and_max(table)
    assert last == furthest


@pytest.mark.parametrize(("table", "expected"), [*zip(TABLES, ("41", "11", "77"), strict=True)])
def test_last_value_equals_max_id_after_a_mix_of_inserts(database: Database, table: str, expected: str) -> None:
    database.run(MIXED_INSERTS)
    assert database.last_and_max(table) == [expected, expected]


def test_a_disabled_trigger_lets_the_sequence_fall_behind(database: Database) -> None:
    database.run("ALTER TABLE legacy_users DISABLE TRIGGER sync_legacy_users_sequence")
    database.insert_user("dorothy", 100)
    assert database.last_and_max("legacy_users") == ["4", "100"]


@pytest.mark.parametrize("enable", ["ENABLE", "ENABLE ALWAYS"])
def test_an_enabled_trigger_guards_again(database: Database, enable: str) -> None:
    database.run("ALTER TABLE legacy_users DISABLE TRIGGER sync_legacy_users_sequence")
    database.run(f"ALTER TABLE legacy_users {enable} TRIGGER sync_legacy_users_sequence")
    database.insert_user("dorothy", 100)
    assert database.insert_user("annie") == 101


def test_fix_makes_good_what_was_missed_while_the_trigger_was_disabled(database: Database) -> None:
    database.run("ALTER TABLE legacy_users DISABLE TRIGGER sync_legacy_users_sequence")
    database.insert_user("dorothy", 100)
    database.run("SELECT * FROM seqguard.fix()")
    assert database.insert_user("annie") == 101


def test_a_trigger_can_be_dropped_twice(database: Database) -> None:
    for _ in range(2):
        database.run("DROP TRIGGER IF EXISTS sync_legacy_users_sequence ON legacy_users")
    assert database.run("SELECT count(*) FROM pg_trigger WHERE tgname = 'sync_legacy_users_sequence'") == "0"


def test_a_dropped_guard_comes_back_with_seqguard_guard(database: Database) -> None:
    database.run("DROP TRIGGER sync_legacy_users_sequence ON legacy_users")
    database.run("SELECT seqguard.guard('legacy_users')")
    database.insert_user("dorothy", 100)
    assert database.insert_user("annie") == 101


@pytest.mark.parametrize("file", ["schema.sql", "auto-sync-sequences.sql"])
def test_each_file_can_be_run_twice(database: Database, file: str) -> None:
    rows = "SELECT * FROM legacy_users, legacy_users_id_seq, legacy_posts, legacy_likes"
    before = database.run(rows)
    database.run_file(file)
    assert database.run(rows) == before


def test_a_second_run_of_the_script_leaves_the_triggers_alone(database: Database) -> None:
    triggers = "SELECT oid, * FROM pg_trigger ORDER BY oid"
    before = database.run(triggers)
    database.run_file("auto-sync-sequences.sql")
    assert database.run(triggers) == before


def test_a_second_run_of_the_schema_respects_rows_that_were_changed(database: Database) -> None:
    database.run("DELETE FROM legacy_users WHERE id = 1")
    database.insert_user("ada")
    database.run_file("schema.sql")
    assert database.run("SELECT count(*) FROM legacy_users WHERE id = 1") == "0"


def test_the_standalone_script_guards_and_repairs_an_existing_database(dsn: str) -> None:
    database = Database(dsn)
    database.run("CREATE TABLE legacy_users (id serial PRIMARY KEY, username text, email text)")
    database.insert_user("dorothy", 16)
    database.run_file("auto-sync-sequences.sql")
    assert database.insert_user("annie") == 17
    database.insert_user("mary", 100)
    assert database.insert_user("grace") == 101


REFUSED = {
    "status": "UPDATE legacy_users SET status = 'deleted'",
    "source of users": "UPDATE legacy_users SET source = 'elsewhere'",
    "username": "UPDATE legacy_users SET username = 'same'",
    "email": "UPDATE legacy_users SET email = 'same'",
    "post_status": "UPDATE legacy_posts SET post_status = 'lost'",
    "like_type": "UPDATE legacy_likes SET like_type = 'meh'",
    "second like": "INSERT INTO legacy_likes (user_id, post_id) VALUES (2, 1)",
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_schema_refuses_a_value_that_is_not_allowed(database: Database, what: str) -> None:
    with pytest.raises(AssertionError, match=r"violates (check|unique) constraint|duplicate key value"):
        database.run(REFUSED[what])


def test_posts_and_likes_go_with_their_user(database: Database) -> None:
    database.run("DELETE FROM legacy_users")
    assert (
        database.run("SELECT (SELECT count(*) FROM legacy_posts), (SELECT count(*) FROM legacy_likes)") == "0|0"
    )


@pytest.mark.parametrize("table", ["legacy_users", "legacy_posts"])
def test_updated_at_follows_an_update(database: Database, table: str) -> None:
    assert (
        database.run(f"UPDATE {table} SET source = 'revamp' WHERE id = 1 RETURNING updated_at > created_at")
        == "t"
    )
