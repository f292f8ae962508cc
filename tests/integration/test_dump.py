"""Guards survive pg_dump and restore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from conftest import Connection, one, rows
from dumps import ROWS, TABLES, WAYS, client, run

import seqguard
from seqguard.guarding import guard_new_tables

if TYPE_CHECKING:
    from collections.abc import Callable

Restored = tuple[Connection, Connection]


@pytest.fixture(params=WAYS)
def restored(request: pytest.FixtureRequest, db: Connection, clone: Callable[[], str], tmp_path: Any) -> Any:
    """A database with guards, and what a dump of it was restored to."""
    if db.info.server_version < 180000:
        pytest.skip("pg_dump 18 writes for 18: test_dump_across_versions.py")
    db.execute(f"{TABLES}; {ROWS}")
    guard_new_tables(db)
    seqguard.guard(db)
    target = clone()
    request.param(db.info.dsn, target, str(tmp_path / "dump"))
    with psycopg.connect(target, autocommit=True) as copy:
        yield db, copy


def test_every_guard_is_there_after_a_restore(restored: Restored) -> None:
    original, copy = restored
    assert {guard.state for guard in seqguard.guards(copy)} <= {"installed", "outdated"}
    assert [guard.name for guard in seqguard.guards(copy)] == [
        guard.name for guard in seqguard.guards(original)
    ]


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
    public = "SELECT proname FROM pg_proc WHERE pronamespace = 'seqguard'::regnamespace AND (proacl IS NULL OR proacl::text ~ '[{,]=')"
    assert rows(copy, public) == rows(restored[0], public) == [("advance",)]
    copy.execute("CREATE TABLE fresh (id serial)")
    assert next(guard.state for guard in seqguard.guards(copy, "fresh")) == "installed"


def test_guarding_a_restored_database_renews_what_holds_oids_of_the_original(restored: Restored) -> None:
    original, copy = restored
    triggers = "SELECT oid, xmin::text FROM pg_trigger ORDER BY oid"
    assert seqguard.guard(copy) == seqguard.guards(original)
    renewed = rows(copy, triggers)
    seqguard.guard(copy)
    assert rows(copy, triggers) == renewed


def dump_one_table(db: Connection, target: str, file: str) -> Any:
    """pg_dump -t users of a guarded database, restored."""
    if db.info.server_version < 180000:
        pytest.skip("pg_dump 18 writes for 18")
    db.execute(f"{TABLES}; {ROWS}")
    seqguard.guard(db)
    run("pg_dump", "--format=custom", "--table=users", "--file", file, db.info.dsn)
    return client("pg_restore", "--dbname", target, file)


def test_a_single_table_brings_its_guard_where_schema_seqguard_is(
    db: Connection, clone: Callable[[str], str], tmp_path: Any
) -> None:
    target = clone("installed")
    assert dump_one_table(db, target, str(tmp_path / "dump")).stderr == ""
    with psycopg.connect(target, autocommit=True) as copy:
        assert [guard.state for guard in seqguard.guards(copy)] == ["outdated"]
        copy.execute("INSERT INTO users VALUES (100)")
        assert one(copy, "INSERT INTO users DEFAULT VALUES RETURNING id") == 101


def test_a_single_table_comes_without_its_guard_where_schema_seqguard_is_not(
    db: Connection, clone: Callable[[], str], tmp_path: Any
) -> None:
    target = clone()
    done = dump_one_table(db, target, str(tmp_path / "dump"))
    assert (done.returncode, 'schema "seqguard" does not exist' in done.stderr) == (1, True)
    with psycopg.connect(target, autocommit=True) as copy:
        assert [guard.state for guard in seqguard.guards(copy)] == ["missing"]
        assert rows(copy, "SELECT id FROM users") == [(16,)]
        assert [guard.state for guard in seqguard.guard(copy)] == ["installed"]
