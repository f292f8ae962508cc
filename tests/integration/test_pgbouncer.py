"""Through PgBouncer in transaction mode: every transaction on another server connection, nothing left behind.

The pool hands its server connections out in turn, so that two statements of one client that are
not in one transaction never meet the same one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from conftest import Connection, eventually, one, rows
from console import run, started

import seqguard
from seqguard.readers import MANY, readers
from seqguard.script import sql_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seqguard.demo.server import Server

SIZE = 3
"""Server connections in the pool."""
CONFIGURATION = """\
[databases]
alone = host={server} dbname=postgres pool_mode=session pool_size=1
* = host={server}
[pgbouncer]
listen_port = 6432
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
server_round_robin = 1
default_pool_size = {size}
min_pool_size = {size}
max_client_conn = 100
"""


@contextmanager
def pgbouncer(server: Server) -> Iterator[Path]:
    """PgBouncer before a server; yields the folder of its socket."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed: python3 tasks.py setup")
    with tempfile.TemporaryDirectory(prefix="seqguard-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "users").write_text('"postgres" ""\n')
        (folder / "ini").write_text(CONFIGURATION.format(server=server.folder, folder=folder, size=SIZE))
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        log = folder / "log"
        with (
            log.open("w") as output,
            subprocess.Popen([program, *user, folder / "ini"], stdout=output, stderr=output) as process,
        ):
            try:
                wait_for(folder / ".s.PGSQL.6432", process, log)
                yield folder
            finally:
                process.send_signal(signal.SIGTERM)  # at once, whoever is connected


def wait_for(socket: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until PgBouncer listens."""
    deadline = time.monotonic() + 60
    while not socket.exists():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def bouncer(server: Server) -> Iterator[Path]:
    """The folder of PgBouncer's socket."""
    with pgbouncer(server) as folder:
        yield folder


@pytest.fixture
def pooled(bouncer: Path, db: Connection) -> str:
    """This test's database through PgBouncer, with every server connection of the pool open."""
    conninfo = f"host={bouncer} port=6432 user=postgres dbname={db.info.dbname}"
    with ExitStack() as stack:
        for _ in range(SIZE):
            stack.enter_context(psycopg.connect(conninfo)).execute("SELECT")
    return conninfo


@pytest.fixture
def client(pooled: str) -> Iterator[Connection]:
    """A client of the pool."""
    with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as connection:
        yield connection


def tables(db: Connection, count: int = 4, furthest: int = 100) -> None:
    """Tables whose sequences are behind."""
    for number in range(count):
        db.execute(f"CREATE TABLE t{number} (id serial PRIMARY KEY); INSERT INTO t{number} VALUES ({furthest})")


def test_the_pool_gives_each_transaction_another_server_connection(client: Connection) -> None:
    # what the other tests rest on
    assert len({one(client, "SELECT pg_backend_pid()") for _ in range(2 * SIZE)}) == SIZE


LEFT_BEHIND = """
    SELECT name || '=' || setting FROM pg_settings
    WHERE source = 'session' AND name NOT IN  -- what PgBouncer sets anew for each client
        ('application_name', 'client_encoding', 'DateStyle', 'standard_conforming_strings', 'TimeZone')
    UNION ALL SELECT 'prepared: ' || name FROM pg_prepared_statements
    UNION ALL SELECT 'advisory lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    UNION ALL SELECT 'temporary: ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()"""


def left_behind(client: Connection) -> list[Any]:
    """What the server connections of the pool still have of those who used them."""
    seen: dict[int, list[Any]] = {}
    deadline = time.monotonic() + 60
    while len(seen) < SIZE:
        assert time.monotonic() < deadline, seen
        with client.transaction():
            seen[one(client, "SELECT pg_backend_pid()")] = rows(client, LEFT_BEHIND)
    return sorted(row for found in seen.values() for row in found)


def test_what_a_client_leaves_behind_is_found(client: Connection) -> None:
    # the counterpart of the tests below
    client.execute("SET lock_timeout = '7s'")
    client.execute("SELECT pg_advisory_lock(7)")
    assert left_behind(client) == [("advisory lock",), ("lock_timeout=7000",)]


COMMANDS: dict[str, tuple[str, ...]] = {
    "check": ("check",),
    "check with limits": ("check", "--lock-timeout", "3s", "--statement-timeout", "1min"),
    "fix": ("fix",),
    "guard": ("guard",),
    "guard with the event trigger": ("guard", "--new-tables"),
    "guard --list": ("guard", "--list"),
    "unguard": ("unguard", "--all"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_leaves_nothing_on_the_server_connections(
    db: Connection, pooled: str, client: Connection, command: tuple[str, ...]
) -> None:
    tables(db)
    seqguard.guard(db, "t0")
    done = run(command[0], pooled, *command[1:])
    assert done.code in {0, 1}, done.err
    assert left_behind(client) == []


def test_check_finds_what_it_finds_without_the_pool(db: Connection, pooled: str) -> None:
    tables(db)
    assert run("check", pooled) == run("check", db.info.dsn)
    assert run("check", pooled).code == 1


def test_check_reads_alone_where_the_pool_has_no_other_session(bouncer: Path) -> None:
    conninfo = f"host={bouncer} port=6432 user=postgres dbname=alone"
    with psycopg.connect(conninfo, autocommit=True) as connection, readers(connection, 2, MANY) as found:
        assert found == [connection]


def test_check_reads_over_two_connections_of_the_pool(client: Connection) -> None:
    with readers(client, 2, MANY) as found:
        assert len(found) == 2


@pytest.mark.parametrize("furthest", [100, 1_000_000_000], ids=["with nextval", "with a lock"])
def test_fix_brings_everything_forward(db: Connection, pooled: str, furthest: int) -> None:
    tables(db, furthest=furthest)
    assert run("fix", pooled).code == 0
    assert [one(db, f"INSERT INTO t{n} DEFAULT VALUES RETURNING id") for n in range(4)] == [furthest + 1] * 4


def test_the_sql_that_a_dry_run_prints_works_in_psql(
    db: Connection, pooled: str, client: Connection, psql: Callable[[str, str], str]
) -> None:
    tables(db)
    psql(pooled, run("fix", pooled, "--dry-run").out)
    assert seqguard.check(db).in_sync
    assert left_behind(client) == []


def test_guard_installs_updates_and_repairs(db: Connection, pooled: str) -> None:
    tables(db)
    assert run("guard", pooled).code == 0
    db.execute("ALTER TABLE t1 DISABLE TRIGGER USER")
    assert run("guard", pooled).code == 0
    assert {guard.state for guard in seqguard.guards(db)} == {"installed"}
    assert seqguard.check(db).in_sync


def test_explicit_ids_move_the_sequence_whichever_connection_inserts_next(
    db: Connection, client: Connection
) -> None:
    tables(db)
    seqguard.guard(db)
    for number in range(1_000, 10_000, 1_000):
        client.execute(f"INSERT INTO t0 VALUES ({number})")
        assert one(client, "INSERT INTO t0 DEFAULT VALUES RETURNING id") == number + 1


def write(pooled: str, explicit: range) -> int:
    """Ordinary inserts, each after one with an explicit id; returns how many ordinary ones were done."""
    with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as connection:
        for number in explicit:
            connection.execute("INSERT INTO t0 VALUES (%s)", [number])
            connection.execute("INSERT INTO t0 DEFAULT VALUES")
    return len(explicit)


def test_no_ordinary_insert_fails_while_more_clients_than_connections_write(
    db: Connection, pooled: str
) -> None:
    tables(db, 1)
    seqguard.guard(db)
    clients = 3 * SIZE
    # each client's ids lie far beyond all that ordinary inserts can reach by themselves
    shares = [range(k * 10_000, 50 * 10_000 * clients, clients * 10_000) for k in range(1, clients + 1)]
    with ThreadPoolExecutor(clients) as pool:
        done = list(pool.map(write, repeat(pooled), shares))
    assert one(db, "SELECT count(*) FROM t0") == 2 * sum(done) + 1
    assert seqguard.check(db).in_sync


def test_the_api_works_on_a_connection_that_would_prepare_statements(db: Connection, pooled: str) -> None:
    # psycopg prepares on the server what it runs for the sixth time, unless it is told not to
    tables(db, 12)
    with psycopg.connect(pooled, autocommit=True) as connection:
        assert {guard.state for guard in seqguard.guard(connection)} == {"installed"}
        for _ in range(6):
            assert seqguard.check(connection).in_sync
        assert {guard.state for guard in seqguard.unguard(connection)} == {"missing"}
        db.execute("INSERT INTO t0 SELECT max(id) + 100 FROM t0")
        assert seqguard.fix(connection).in_sync


def test_a_caller_s_transaction_keeps_its_settings(db: Connection, client: Connection) -> None:
    tables(db)
    with client.transaction():
        client.execute("SET LOCAL lock_timeout = '7s'; SET LOCAL search_path = 'public'")
        seqguard.guard(client)
        assert one(client, "SELECT current_setting('lock_timeout')") == "7s"
        assert one(client, "SELECT current_setting('search_path')") == "public"
    assert left_behind(client) == []


WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def test_a_command_that_is_stopped_cancels_its_statement_and_nobody_else_s(
    db: Connection, pooled: str, client: Connection
) -> None:
    tables(db)
    db.execute("BEGIN; LOCK TABLE t0")
    with started("check", pooled, "--lock-timeout", "1min") as process:
        eventually(client, WAITING, 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    eventually(client, WAITING, 0)
    db.execute("ROLLBACK")
    assert left_behind(client) == []
    assert run("fix", pooled).code == 0


def test_the_script_guards_and_leaves_nothing_behind(
    db: Connection, pooled: str, client: Connection, psql: Callable[[str, str], str]
) -> None:
    tables(db)
    psql(pooled, sql_script())
    assert {guard.state for guard in seqguard.guards(db)} == {"installed"}
    assert seqguard.check(db).in_sync
    assert left_behind(client) == []
