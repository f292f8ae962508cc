"""Where there is much to read, other connections help: of the same role, to the same server, or none."""

from __future__ import annotations

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
OWN_SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'seqguard' AND wait_event_type = 'Lock'"""


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


def test_what_one_cannot_read_is_read_by_the_caller_s(db: Connection, wide: Connection) -> None:
    wide.execute("CREATE TEMPORARY TABLE mine (id serial); INSERT INTO mine VALUES (7)")
    reports = {report.columns[0].table: report for report in seqguard.check(db, jobs=2).sequences}
    (mine,) = (report for table, report in reports.items() if table.endswith(".mine"))
    assert (mine.status, mine.furthest, len(reports)) == ("behind", 7, 3)


@pytest.mark.parametrize(
    ("command", "options", "count"), [("check", [], 2), ("check", ["-j", "1"], 1), ("fix", [], 2)]
)
def test_the_commands_read_over_two_unless_told_otherwise(
    wide: Connection, dsn: str, connect: Connect, command: str, options: list[str], count: int
) -> None:
    holder = connect()
    holder.execute("BEGIN; LOCK TABLE a, b")
    with started(command, dsn, "--lock-timeout", "1min", *options) as process:
        eventually(wide, OWN_SESSIONS, count)
        holder.execute("ROLLBACK")
        process.wait(60)


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
