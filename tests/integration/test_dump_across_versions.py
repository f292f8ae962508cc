"""Guards of an older PostgreSQL after a dump of its database has been restored in PostgreSQL 18.

The older one is 13, or the server under test where that is not 18. pg_dump is 18's, as PostgreSQL's
documentation advises for an upgrade.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from conftest import Connection, one, rows
from dumps import ROWS, TABLES, WAYS, load, run
from servers import older_binaries

import seqguard
from seqguard.demo.server import Server, embedded_binaries, throwaway
from seqguard.guarding import guard_new_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "seqguard_test"
NEW = 180000
TRIGGERS = """
    SELECT tgrelid::regclass::text, tgname::text, tgenabled::text, pg_get_triggerdef(oid),
           obj_description(oid, 'pg_trigger')
    FROM pg_trigger WHERE tgparentid = 0 AND tgname LIKE 'sync_%_sequence' ORDER BY 1"""


def is_new(server: Server) -> bool:
    """Whether a server is PostgreSQL 18 or newer."""
    with psycopg.connect(server.conninfo()) as connection:
        return connection.info.server_version >= NEW


@pytest.fixture(scope="module")
def older(server: Server) -> Iterator[Server]:
    """The server under test, or PostgreSQL 13."""
    if not is_new(server):
        yield server
    else:
        with throwaway(older_binaries(13)) as other:
            yield other


@pytest.fixture(scope="module")
def newer(server: Server) -> Iterator[Server]:
    """The server under test, or PostgreSQL 18."""
    if is_new(server):
        yield server
    else:
        with throwaway(embedded_binaries()) as other:
            yield other


def fresh(server: Server, name: str) -> Iterator[Connection]:
    """A new database, dropped afterwards."""
    with psycopg.connect(server.conninfo(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(server.conninfo(name), autocommit=True) as connection:
            yield connection
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def source(older: Server) -> Iterator[Connection]:
    """A database of the older server, with tables."""
    for connection in fresh(older, f"{NAME}_source"):
        connection.execute(TABLES)
        yield connection


@pytest.fixture
def target(newer: Server) -> Iterator[Connection]:
    """An empty database of the newer server."""
    yield from fresh(newer, f"{NAME}_target")


@pytest.fixture(params=WAYS)
def restored(request: Any, source: Connection, target: Connection, tmp_path: Path) -> Connection:
    """The newer server's database, restored from the older one's, where every table was guarded."""
    source.execute(ROWS)
    guard_new_tables(source)
    seqguard.guard(source)
    request.param(source.info.dsn, target.info.dsn, str(tmp_path / "dump"))
    return target


def states(db: Connection) -> list[str]:
    """The state of every guard."""
    return [guard.state for guard in seqguard.guards(db)]


def next_ids(db: Connection) -> list[int]:
    """The number that the next ordinary insert into each table gets."""
    return [
        one(db, "INSERT INTO users DEFAULT VALUES RETURNING id"),
        one(db, 'INSERT INTO "Über"."Posts" DEFAULT VALUES RETURNING "Id"'),
        int(one(db, "INSERT INTO invoices DEFAULT VALUES RETURNING substring(id FROM 5)")),
        one(db, "INSERT INTO events DEFAULT VALUES RETURNING id"),
    ]


def insert(db: Connection, number: int) -> None:
    """An explicit id in each table."""
    db.execute(f"INSERT INTO users VALUES ({number}); INSERT INTO events_1 VALUES ({number})")
    db.execute(f'INSERT INTO "Über"."Posts" ("Id") OVERRIDING SYSTEM VALUE VALUES ({number})')
    db.execute(f"INSERT INTO invoices VALUES ('INV-{number}')")


def test_the_sequences_are_where_they_were(restored: Connection) -> None:
    assert seqguard.check(restored).in_sync
    assert next_ids(restored) == [17, 2, 31, 8]


def test_guards_work_before_they_are_brought_up_to_date(restored: Connection) -> None:
    insert(restored, 100)
    assert next_ids(restored) == [101] * 4


def test_a_guard_is_called_installed_only_when_it_is_as_if_made_here(restored: Connection) -> None:
    found, as_restored = states(restored), rows(restored, TRIGGERS)
    assert set(found) <= {"installed", "outdated"}
    seqguard.unguard(restored)
    seqguard.guard(restored)
    assert (set(found) == {"installed"}) == (as_restored == rows(restored, TRIGGERS))


def test_guarding_again_brings_every_guard_up_to_date(restored: Connection) -> None:
    names = [row[:2] for row in rows(restored, TRIGGERS)]
    seqguard.guard(restored)
    upgraded = rows(restored, TRIGGERS)
    assert states(restored) == ["installed"] * 4
    assert [row[:2] for row in upgraded] == names
    seqguard.unguard(restored)
    seqguard.guard(restored)
    assert upgraded == rows(restored, TRIGGERS)
    insert(restored, 100)
    assert next_ids(restored) == [101] * 4


def test_the_event_trigger_guards_new_tables(restored: Connection) -> None:
    restored.execute("CREATE TABLE later (id serial); INSERT INTO later VALUES (9)")
    assert one(restored, "INSERT INTO later DEFAULT VALUES RETURNING id") == 10


def dump_data(source: Connection, target: Connection, file: Path, *options: str) -> None:
    """Load the data, and nothing else, into guarded tables."""
    target.execute(TABLES)
    seqguard.guard(target)
    run("pg_dump", "--data-only", *options, "--file", str(file), source.info.dsn)
    load(target.info.dsn, str(file))


@pytest.fixture
def full(source: Connection) -> Connection:
    """The older database with rows and without guards, its sequences right."""
    source.execute(ROWS)
    seqguard.fix(source)
    return source


@pytest.mark.parametrize("options", [(), ("--inserts",)], ids=["COPY", "INSERT"])
def test_data_alone_leaves_guarded_tables_in_sync(
    full: Connection, target: Connection, tmp_path: Path, options: tuple[str, ...]
) -> None:
    dump_data(full, target, tmp_path / "dump", *options)
    assert states(target) == ["installed"] * 4
    assert seqguard.check(target).in_sync
    assert next_ids(target) == [17, 2, 31, 8]


def test_data_alone_with_triggers_disabled_leaves_guards_outdated_until_the_next_guard(
    full: Connection, target: Connection, tmp_path: Path
) -> None:
    dump_data(full, target, tmp_path / "dump", "--disable-triggers")
    unpartitioned = [it.state for it in seqguard.guards(target) if it.table != "public.events"]
    assert unpartitioned == ["outdated"] * 3
    seqguard.guard(target)
    assert states(target) == ["installed"] * 4
    assert next_ids(target) == [17, 2, 31, 8]


def test_a_database_that_was_behind_is_behind_after_a_restore_until_the_next_guard(
    source: Connection, target: Connection, tmp_path: Path
) -> None:
    # pg_dump ends with a setval of its own
    source.execute(ROWS)
    dump_data(source, target, tmp_path / "dump")
    assert not seqguard.check(target).in_sync
    seqguard.guard(target)
    assert seqguard.check(target).in_sync
