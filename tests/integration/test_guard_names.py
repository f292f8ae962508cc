"""A guard follows its table, column and sequence by what they are, not by what they are called."""

from __future__ import annotations

import pytest
from conftest import Connection, one

import seqguard

RENAMES = {
    "table": ("ALTER TABLE users RENAME TO people", "people", "id"),
    "column": ("ALTER TABLE users RENAME id TO user_id", "users", "user_id"),
    "column, to a name that needs quotes": (
        'ALTER TABLE users RENAME id TO "The "" %s id"',
        "users",
        '"The "" %s id"',
    ),
    "sequence": ("ALTER SEQUENCE users_id_seq RENAME TO counter", "users", "id"),
    "schema": ("ALTER SCHEMA app RENAME TO shop", "users", "id"),
    "table to another schema": ("CREATE SCHEMA shop; ALTER TABLE users SET SCHEMA shop", "users", "id"),
    "trigger": ("ALTER TRIGGER sync_users_sequence ON users RENAME TO anything", "users", "id"),
    "column, another one takes its name": (
        "ALTER TABLE users RENAME id TO old_id; ALTER TABLE users RENAME other TO id",
        "users",
        "old_id",
    ),
    "two columns swap their names": (
        """ALTER TABLE users RENAME id TO x; ALTER TABLE users RENAME other TO id;
           ALTER TABLE users RENAME x TO other""",
        "users",
        "other",
    ),
    "sequence, another one takes its name": (
        "ALTER SEQUENCE users_id_seq RENAME TO counter; CREATE SEQUENCE users_id_seq",
        "users",
        "id",
    ),
    "everything": (
        """ALTER SCHEMA app RENAME TO shop; ALTER TABLE shop.users RENAME TO people;
           ALTER TABLE shop.people RENAME id TO key; ALTER SEQUENCE shop.users_id_seq RENAME TO counter""",
        "people",
        "key",
    ),
}


@pytest.mark.parametrize(("rename", "table", "column"), RENAMES.values(), ids=RENAMES.keys())
def test_a_guard_follows_a_renamed(db: Connection, rename: str, table: str, column: str) -> None:
    db.execute("CREATE SCHEMA app; SET search_path = app, shop")
    db.execute("CREATE TABLE users (id serial, other int DEFAULT 5000)")
    seqguard.guard(db)
    db.execute("INSERT INTO users VALUES (10)")  # a plan of the old names is in the session's cache
    db.execute(rename)
    db.execute(f"INSERT INTO {table} ({column}) VALUES (100)")
    assert one(db, f"INSERT INTO {table} DEFAULT VALUES RETURNING {column}") == 101
    db.execute(f"UPDATE {table} SET {column} = 150 WHERE {column} = 100")
    assert one(db, f"INSERT INTO {table} DEFAULT VALUES RETURNING {column}") == 151
    assert next(guard.state for guard in seqguard.guards(db)) in ("installed", "outdated")
    assert [guard.state for guard in seqguard.guard(db)] == ["installed"]
    db.execute(f"INSERT INTO {table} ({column}) VALUES (200)")
    assert one(db, f"INSERT INTO {table} DEFAULT VALUES RETURNING {column}") == 201


def test_guards_follow_two_tables_that_swap_their_names(db: Connection) -> None:
    db.execute("CREATE TABLE a (id serial); CREATE TABLE b (key serial)")
    seqguard.guard(db)
    db.execute("ALTER TABLE a RENAME TO c; ALTER TABLE b RENAME TO a; ALTER TABLE c RENAME TO b")
    db.execute("INSERT INTO a (key) VALUES (100)")
    db.execute("INSERT INTO b (id) VALUES (200)")
    assert one(db, "INSERT INTO a DEFAULT VALUES RETURNING key") == 101
    assert one(db, "INSERT INTO b DEFAULT VALUES RETURNING id") == 201


def test_a_guard_follows_a_renamed_column_of_a_partition(db: Connection) -> None:
    db.execute("""
        CREATE TABLE events (id serial, day int) PARTITION BY LIST (day);
        CREATE TABLE other (day int, id int NOT NULL);
        ALTER TABLE events ATTACH PARTITION other DEFAULT""")
    seqguard.guard(db)
    db.execute("ALTER TABLE events RENAME id TO key; ALTER TABLE other RENAME TO rest")
    db.execute("INSERT INTO rest (key) VALUES (100)")
    assert one(db, "INSERT INTO events DEFAULT VALUES RETURNING key") == 101


def test_guarding_again_after_a_rename_keeps_the_guard_it_has(db: Connection) -> None:
    db.execute("CREATE TABLE users (id serial)")
    seqguard.guard(db)
    db.execute("ALTER TABLE users RENAME TO people")
    seqguard.guard(db)
    names = db.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = 'people'::regclass").fetchall()
    assert names == [("sync_users_sequence",)]


def test_a_swap_then_guarding_a_new_table_of_the_old_name(db: Connection) -> None:
    db.execute("CREATE TABLE users (id serial)")
    seqguard.guard(db)
    db.execute("ALTER TABLE users RENAME TO users_old; CREATE TABLE users (id serial)")
    assert {guard.state for guard in seqguard.guard(db)} == {"installed"}
    db.execute("INSERT INTO users VALUES (100); INSERT INTO users_old VALUES (200)")
    assert one(db, "INSERT INTO users DEFAULT VALUES RETURNING id") == 101
    assert one(db, "INSERT INTO users_old DEFAULT VALUES RETURNING id") == 201
