"""Both platforms of examples/legacy-revamp with the service between them, and what must hold at the end."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from seqguard.demo import mariadb as mariadb_server
from seqguard.demo.server import Server, embedded_binaries, throwaway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seqguard.demo.mariadb import MariaDB

EXAMPLE = Path(__file__).parents[1] / "examples" / "legacy-revamp"
PROGRAM = Path(sys.executable).with_name("seqguard")

# The same rows on both sides, in the target's terms. What the legacy side has of its own is left out.
_SOURCE = {
    "users": "SELECT id, user_name, email_address, display_name, mobile, lower(account_status), created_at"
    " FROM revamp_users WHERE source = 'revamp' ORDER BY id",
    "posts": "SELECT id, author_id, title, content, lower(status), views, created_at"
    " FROM revamp_posts WHERE source = 'revamp' ORDER BY id",
    "likes": "SELECT id, user_id, post_id, lower(reaction_type), created_at"
    " FROM revamp_likes WHERE source = 'revamp' ORDER BY id",
}
_TARGET = {
    "users": "SELECT id, username, email, full_name, phone_number, status, created_at AT TIME ZONE 'UTC'"
    " FROM legacy_users WHERE source = 'sync_service' ORDER BY id",
    "posts": "SELECT id, user_id, post_title, post_content, post_status, view_count, created_at AT TIME ZONE 'UTC'"
    " FROM legacy_posts WHERE source = 'sync_service' ORDER BY id",
    "likes": "SELECT id, user_id, post_id, like_type, created_at AT TIME ZONE 'UTC'"
    " FROM legacy_likes WHERE source = 'sync_service' ORDER BY id",
}
_ORDINARY = (
    "INSERT INTO legacy_users (username, email) VALUES ('ordinary', 'ordinary')",
    "INSERT INTO legacy_posts (user_id, post_title) SELECT id, 'ordinary' FROM legacy_users LIMIT 1",
    (
        "INSERT INTO legacy_likes (user_id, post_id) SELECT u.id, p.id FROM legacy_users AS u, legacy_posts AS p"
        " WHERE u.username = 'ordinary' LIMIT 1"
    ),
)


def until(holds: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Poll until something holds; return it."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


@dataclass
class Worker:
    """`seqguard sync run` as a process."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.kill()
        self.process.wait(60)

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self.process.terminate()
        return self.process.wait(60)

    def until_reading(self) -> None:
        """Until it has connected to both ends."""
        until(lambda: "reading" in self.logged() or self.process.poll() is not None, "the worker reads")
        assert self.process.poll() is None, self.logged()

    def logged(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


@dataclass
class World:
    """A database on each side, and the mapping between them.

    conninfo is how the service reaches PostgreSQL: through a proxy, where a test has one.
    """

    mariadb: MariaDB
    database: str
    dsn: str
    folder: Path
    conninfo: str = ""
    _workers: list[Worker] = field(default_factory=list)

    @property
    def mapping(self) -> Path:
        return self.folder / "sync.toml"

    def write_mapping(self, template: str = "sync.toml", **replaced: str) -> None:
        """The example's file, for these databases."""
        text = (EXAMPLE / template).read_text(encoding="utf-8")
        exchange = {
            "dbname=legacy_db": self.conninfo or self.dsn,
            'database = "revamp_db"': f'database = "{self.database}"\noption_file = "{self.mariadb.option_file}"',
            **replaced,
        }
        for old, new in exchange.items():
            text = text.replace(old, new)
        self.mapping.write_text(text, encoding="utf-8")

    def source(self) -> Any:
        """A connection to the revamped platform."""
        return self.mariadb.connect(self.database)

    def change(self, *statements: str) -> None:
        """Run statements on the revamped platform, one transaction each."""
        with closing(self.source()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def source_rows(self) -> dict[str, list[tuple[Any, ...]]]:
        with closing(self.source()) as connection, connection.cursor() as cursor:
            found = {}
            for table, query in _SOURCE.items():
                cursor.execute(query)
                found[table] = list(cursor.fetchall())
            return found

    def target_rows(self) -> dict[str, list[tuple[Any, ...]]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return {table: connection.execute(query.encode()).fetchall() for table, query in _TARGET.items()}

    def command(self, *options: str) -> list[str]:
        return [str(PROGRAM), "sync", "run", str(self.mapping), *options]

    def start(self, *options: str) -> Worker:
        """Start the service."""
        log = self.folder / f"log.{len(self._workers)}"
        with log.open("wb") as output:
            process = subprocess.Popen(self.command(*options), stdout=output, stderr=output, env=environment())
        self._workers.append(Worker(process, log))
        return self._workers[-1]

    @contextmanager
    def running(self, *options: str) -> Iterator[Worker]:
        """The service, while the block lasts; it stops in good order."""
        worker = self.start(*options)
        yield worker
        assert worker.stop() == 0, worker.logged()

    def catch_up(self, *options: str) -> None:
        """Run the service until nothing is left."""
        worker = self.start("--until-caught-up", *options)
        assert worker.process.wait(60) == 0, worker.logged()

    def end(self) -> None:
        """Leave no process behind."""
        for worker in self._workers:
            worker.kill()

    def assert_equal(self) -> None:
        """Every table is equal, row by row."""
        source, target = self.source_rows(), self.target_rows()
        for table, rows in source.items():
            different = set(rows) ^ set(target[table])
            assert rows == target[table], (
                f"{table}: {len(different)} differ, such as {sorted(different, key=str)[:3]}"
            )

    def assert_ordinary_inserts_succeed(self) -> None:
        """An ordinary insert draws an id that is free, in every table."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for statement in _ORDINARY:
                assert connection.execute(statement.encode()).rowcount == 1

    def fill(self, count: int) -> None:
        """Users with ids from 1001 on."""
        self.change(
            "INSERT INTO revamp_users (id, user_name, email_address)"
            f" SELECT 1000 + seq, concat('user ', seq), concat(seq, '@example.com') FROM seq_1_to_{count}"
        )

    def count_target(self) -> int:
        """How many users are there that the service brought."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            row = connection.execute(
                "SELECT count(*) FROM legacy_users WHERE source = 'sync_service'"
            ).fetchone()
        assert row is not None
        return int(row[0])

    def is_waiting_for_a_lock(self) -> bool:
        """Whether some session waits for a lock in the target."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            row = connection.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)").fetchone()
        return row == (True,)

    def letters(self) -> list[tuple[Any, ...]]:
        """Changes that wait or are dead."""
        query = "SELECT id, source, key, state, error FROM seqguard_sync.dead_letters"
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def assert_no_letters(self) -> None:
        assert self.letters() == []


def environment() -> dict[str, str]:
    """Without what would lead the service elsewhere."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PG", "MYSQL", "SEQGUARD"))
    }


def load_schema(mariadb: MariaDB, database: str) -> None:
    """The revamped platform's tables and rows."""
    with closing(mariadb.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database}")
        cursor.execute(f"USE {database}")
        script = (EXAMPLE / "databases" / "mysql" / "schema.sql").read_text(encoding="utf-8")
        for statement in script.split(";\n"):
            if statement.strip():
                cursor.execute(statement)


def load_legacy(server: Server, database: str) -> None:
    """The legacy platform's tables and rows, with its guards."""
    with psycopg.connect(server.conninfo(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {database}".encode())
    script = EXAMPLE / "databases" / "postgres" / "schema.sql"
    command: list[str | Path] = [
        embedded_binaries() / "psql",
        "-X",
        "-q",
        "-d",
        server.conninfo(database),
        "-f",
        script,
    ]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="session")
def stoppable_mariadb() -> Iterator[MariaDB]:
    """A server that a test may stop, or kill, and start again: its log goes to the system with each commit."""
    with mariadb_server.throwaway({"innodb-flush-log-at-trx-commit": "2"}) as running:
        yield running


@pytest.fixture(scope="session")
def stoppable_postgres() -> Iterator[Server]:
    """The same, with the legacy platform in database legacy, to be cloned."""
    from conftest import binaries

    with throwaway(binaries()) as running:
        load_legacy(running, "legacy")
        yield running


@pytest.fixture
def world(stoppable_mariadb: MariaDB, stoppable_postgres: Server, tmp_path: Path) -> Iterator[World]:
    """Both platforms, guarded, and the mapping between them; what runs in it is ended."""
    name = f"world_{secrets.token_hex(4)}"
    load_schema(stoppable_mariadb, name)
    with psycopg.connect(stoppable_postgres.conninfo(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE legacy".encode())
    made = World(stoppable_mariadb, name, stoppable_postgres.conninfo(name), tmp_path)
    made.write_mapping()
    yield made
    made.end()
    with psycopg.connect(stoppable_postgres.conninfo(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    with closing(stoppable_mariadb.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")
