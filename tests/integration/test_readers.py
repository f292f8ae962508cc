"""Where there is much to read, other connections help: of the same role, to the same server, or none."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest import binaries, eventually, one
from console import started
from proxy import Proxy, proxy

import seqguard
from seqguard.demo.server import throwaway
from seqguard.readers import MANY, readers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connect, Connection

    from seqguard.demo.server import Server

WIDE = 1_000
OWN = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'seqguard'"
WAITS = f"SELECT bool_or(wait_event_type = 'Lock') {OWN}"


def sessions(connection: Connection, jobs: int = 2, columns: int = MANY) -> set[int]:
    """The server's processes that would read so many columns."""
    with readers(connection, jobs, columns) as found:
        return {one(reader, "SELECT pg_backend_pid()") for reader in found}


@pytest.fixture
def wide(db: Connection) -> Connection:
    """Two tables that have MANY columns between them, each fed by a sequence of its own table's, and behind."""
    for table in ("a", "b"):
        columns = ", ".join(f"c{i} int DEFAULT nextval('{table}_seq')" for i in range(WIDE))
        db.execute(f"CREATE SEQUENCE {table}_seq; CREATE TABLE {table} ({columns})".encode())
        db.execute(f"INSERT INTO {table} (c7, c{WIDE - 1}) VALUES (7, 5000)".encode())
    return db


def test_each_many_columns_get_another_connection_as_jobs_allow(db: Connection) -> None:
    counts = [
        len(sessions(db, jobs, n)) for jobs, n in ((4, 2 * MANY), (2, 2 * MANY), (4, MANY - 1), (1, 2 * MANY))
    ]
    assert counts == [3, 2, 1, 1]


def test_they_are_closed_afterwards(db: Connection) -> None:
    with readers(db, 3, 2 * MANY) as found:
        pass
    assert [connection.closed for connection in found] == [False, True, True]


def test_they_speak_the_caller_s_encoding(connect: Connect) -> None:
    with readers(connect(client_encoding="latin1"), 2, MANY) as found:
        assert [one(reader, "SHOW client_encoding") for reader in found] == ["LATIN1"] * 2


def test_more_connections_find_the_same(wide: Connection) -> None:
    report = seqguard.check(wide, jobs=2)
    assert report == seqguard.check(wide)
    assert [(s.sequence, s.status, s.furthest) for s in report.sequences] == [
        ("public.a_seq", "behind", 5000),
        ("public.b_seq", "behind", 5000),
    ]


def test_more_connections_verify_what_fix_did(wide: Connection) -> None:
    report = seqguard.fix(wide, jobs=2)
    assert [sequence.next_value for sequence in report.sequences] == [5001, 5001]


@pytest.fixture
def led(wide: Connection) -> Connection:
    """The same, and more than a batch before it: what comes next by name is for the second connection."""
    columns = ", ".join(f"c{i} int DEFAULT nextval('aaa.first')" for i in range(150))
    wide.execute(f"CREATE SCHEMA aaa CREATE SEQUENCE first CREATE TABLE t ({columns})".encode())
    return wide


def test_a_temporary_table_is_read_by_the_caller_s_alone(led: Connection) -> None:
    """On PostgreSQL 17 another session finds no rows in it, and no error either."""
    led.execute(
        "CREATE SEQUENCE aaa.imported; CREATE TEMPORARY TABLE staged (id int DEFAULT nextval('aaa.imported'))"
    )
    led.execute("CREATE TEMPORARY TABLE mine (id serial)")
    led.execute("INSERT INTO staged VALUES (7); INSERT INTO mine VALUES (7)")
    behind = [report for report in seqguard.check(led, jobs=2).with_status("behind") if report.furthest == 7]
    assert [report.sequence.split(".")[1] for report in behind] == ["imported", "mine_id_seq"]


def test_a_temporary_sequence_is_read_by_the_caller_s_alone(led: Connection) -> None:
    led.execute("CREATE TEMPORARY SEQUENCE lone")
    found = seqguard.check(led, jobs=2, unattached=True).sequences
    assert [report.status for report in found if report.sequence.endswith(".lone")] == ["ok"]


def test_the_caller_s_goes_on_alone_when_another_is_lost(wide: Connection, connect: Connect) -> None:
    observer = connect()
    others = f"""
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend'
          AND pid NOT IN (pg_backend_pid(), {wide.info.backend_pid})"""
    lost: list[int] = []

    def lose_another(_count: int) -> None:
        if not lost:
            lost.append(one(observer, others))

    report = seqguard.check(wide, jobs=2, progress=lose_another)
    assert lost == [1]
    assert report == seqguard.check(wide)


def test_the_caller_s_alone_being_lost_is_an_error(wide: Connection, connect: Connect) -> None:
    observer = connect()

    def lose_the_caller_s(_count: int) -> None:
        observer.execute("SELECT pg_terminate_backend(%s)", [wide.info.backend_pid])

    with pytest.raises(psycopg.OperationalError):
        seqguard.check(wide, jobs=2, progress=lose_the_caller_s)


def test_a_read_only_session_is_not_helped_by_one_that_writes(wide: Connection) -> None:
    """Planning works out what is constant in an index: here it is a function that would move a sequence."""
    wide.execute("""
        CREATE SEQUENCE probe;
        CREATE FUNCTION touch() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN
            IF current_setting('probe.moves', true) = 'yes' THEN PERFORM nextval('public.probe'); END IF;
            RETURN 1;
        END $$;
        CREATE INDEX ON a (touch()); CREATE INDEX ON b (touch())""")
    wide.execute(f"ALTER DATABASE {wide.info.dbname} SET probe.moves = 'yes'".encode())
    wide.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    seqguard.check(wide, jobs=2)
    assert one(wide, "SELECT is_called FROM probe") is False


@pytest.mark.parametrize(
    ("command", "options", "count", "code"),
    [("check", [], 2, 1), ("check", ["-j", "1"], 1, 1), ("fix", [], 2, 0), ("fix", ["-j", "1"], 1, 0)],
)
def test_the_commands_read_over_two_unless_told_otherwise(
    wide: Connection, dsn: str, connect: Connect, command: str, options: list[str], count: int, code: int
) -> None:
    """Whoever waits for the first table has opened all the connections that there will be."""
    holder = connect()
    holder.execute("BEGIN; LOCK TABLE a, b")
    with started(command, dsn, "--lock-timeout", "1min", *options) as process:
        eventually(wide, WAITS, expected=True)
        assert one(wide, f"SELECT count(*) {OWN}") == count
        holder.execute("ROLLBACK")
        assert process.wait(60) == code


def test_a_caller_s_transaction_reads_alone(wide: Connection) -> None:
    with wide.transaction(force_rollback=True):
        wide.execute("INSERT INTO b (c1) VALUES (9000)")
        assert len(sessions(wide)) == 1
        assert [sequence.furthest for sequence in seqguard.check(wide, jobs=2).sequences] == [5000, 9000]


@pytest.mark.parametrize(
    "setting", ["ROLE TO {}", "SESSION AUTHORIZATION {}", "statement_timeout TO 7000", "lock_timeout TO 7000"]
)
def test_none_reads_as_another_role_or_within_other_limits(db: Connection, role: str, setting: str) -> None:
    db.execute(f"SET {setting.format(role)}".encode())
    assert len(sessions(db)) == 1
    db.execute("RESET SESSION AUTHORIZATION; RESET ROLE")


def test_a_role_without_another_connection_reads_alone(db: Connection, dsn: str, role: str) -> None:
    db.execute(f"ALTER ROLE {role} CONNECTION LIMIT 1".encode())
    with psycopg.connect(dsn, user=role, autocommit=True) as connection:
        assert len(sessions(connection)) == 1


def test_a_session_shows_times_as_it_likes(db: Connection, connect: Connect) -> None:
    db.execute(f"ALTER DATABASE {db.info.dbname} SET datestyle = 'SQL, DMY'".encode())
    assert len(sessions(connect())) == 2


def test_a_role_that_may_not_ask_when_the_server_started_reads_alone(
    db: Connection, dsn: str, role: str
) -> None:
    db.execute("REVOKE EXECUTE ON FUNCTION pg_postmaster_start_time() FROM PUBLIC")
    with psycopg.connect(dsn, user=role, autocommit=True) as connection:
        assert len(sessions(connection)) == 1


def test_a_password_that_is_no_text_is_no_obstacle(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", os.fsdecode(b"caf\xe9"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert len(sessions(connection)) == 1


def test_the_environment_does_not_change_how_another_is_opened(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(dsn, autocommit=True, options="", port=5432) as connection:
        monkeypatch.setenv("PGOPTIONS", "-c work_mem=7MB")
        monkeypatch.setenv("PGPORT", "1")
        with readers(connection, 2, MANY) as found:
            assert len(found) == 2
            assert len({one(reader, "SHOW work_mem") for reader in found}) == 1


def test_a_connection_without_autocommit_reads_alone(wide: Connection, dsn: str) -> None:
    report = seqguard.check(wide)
    with psycopg.connect(dsn) as connection:
        assert seqguard.fix(connection, report, jobs=2).in_sync
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


@pytest.fixture(scope="module")
def double() -> Iterator[Server]:
    """Another server, with databases of the same names."""
    with throwaway(binaries()) as other:
        yield other


@pytest.fixture
def address(server: Server) -> Iterator[Proxy]:
    """An address that leads to the server, and may come to lead elsewhere."""
    with proxy(server.folder / ".s.PGSQL.5432") as made:
        yield made


@pytest.fixture
def through(address: Proxy) -> Iterator[Connection]:
    """A connection to that address."""
    conninfo = f"host=127.0.0.1 port={address.port} user=postgres dbname=postgres"
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


def test_an_address_that_leads_to_the_same_server_gives_another_connection(through: Connection) -> None:
    # the counterpart of the tests below
    assert len(sessions(through)) == 2


def test_an_address_that_leads_to_another_server_by_now_gives_none(
    address: Proxy, through: Connection, double: Server
) -> None:
    address.server = double.folder / ".s.PGSQL.5432"
    assert len(sessions(through)) == 1


def test_an_address_that_does_not_answer_gives_none(address: Proxy, through: Connection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address.server = silent.getsockname()
        assert len(sessions(through)) == 1
