"""Letters from their source to the retry: a zero date, a table that was stopped, a worker that goes on meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pipes import Reading, mapping
from typing import TYPE_CHECKING

import pytest
from conftest import one, rows
from console import run
from mariadb import Execute, database, execute, mariadb
from test_dead_letters import FILE
from writing import POSTS, TABLES, USERS, batch, letters, post, user

from seqguard.sync.mapping import config
from seqguard.sync.writing import handling
from seqguard.sync.writing.writer import Limits, Writer

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Connection

    from seqguard.demo.mariadb import MariaDB

__all__ = ["database", "execute", "mariadb"]

LIMITS = Limits(retry_every=60)
VERSIONS = 40


@pytest.fixture
def file(tmp_path: Path, dsn: str) -> str:
    path = tmp_path / "sync.toml"
    path.write_text(FILE.format(conninfo=dsn))
    return str(path)


def test_a_zero_date_is_a_dead_letter_by_snapshot_and_by_binlog(
    mariadb: MariaDB, database: str, execute: Execute, db: Connection, dsn: str
) -> None:
    execute("CREATE TABLE t (id int PRIMARY KEY, d date, at datetime)")
    execute("INSERT INTO t VALUES (1, '2026-01-02', NULL), (2, '0000-00-00', NULL)")
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, d date, at timestamp)")
    reading = Reading(mariadb, database, [mapping("t", "d", "at")])
    reading.copy(dsn)
    execute("INSERT INTO t VALUES (3, NULL, '2026-02-00 10:00:00'), (4, NULL, '2026-02-01 10:00:00')")
    reading.copy(dsn)
    assert letters(db) == [("t", "[2]", "dead", "22007"), ("t", "[3]", "dead", "22007")]
    assert rows(db, "SELECT id FROM t ORDER BY id") == [(1,), (4,)]
    errors = [error for (error,) in rows(db, "SELECT error FROM seqguard_sync.dead_letters ORDER BY id")]
    assert "0000-00-00 is no date" in errors[0]
    assert "2026-02-00 10:00:00 is no date" in errors[1]


def test_letters_of_a_stopped_table_are_applied_when_it_is_right_again(
    db: Connection, dsn: str, file: str
) -> None:
    db.execute(TABLES.encode())
    with closing(Writer(dsn, "s", [USERS, POSTS], LIMITS)) as writer:
        writer.apply(batch(user(1), post(1, 1, "before")))
        db.execute("ALTER TABLE posts RENAME TO hidden")
        writer.apply(batch(post(1, 1, "changed"), post(2, 1, "new")))
        assert writer.stopped
    failed = run("sync", "dead-letters", "retry", file, "--all")
    assert failed.code == 1
    assert failed.out.startswith(
        "0 applied, 2 left.\nposts: 2 stopped: the mapping file does not name the table, or"
    )
    db.execute("ALTER TABLE hidden RENAME TO posts")
    done = run("sync", "dead-letters", "retry", file, "--table", "posts")
    assert (done.code, done.out) == (0, "2 applied, 0 left.\n")
    assert rows(db, "SELECT id, title FROM posts ORDER BY id") == [(1, "changed"), (2, "new")]
    assert letters(db) == []


def test_a_retry_beside_a_worker_undoes_nothing_newer(db: Connection, dsn: str, file: str) -> None:
    db.execute(TABLES.encode())
    read, tried = config.load(file), threading.Event()

    def work() -> None:
        with closing(Writer(dsn, "s", [USERS, POSTS], LIMITS)) as writer:
            for version in range(VERSIONS):
                writer.apply(batch(user(1, email="a") if version == 0 else user(2, str(version), email="a")))
                if version == VERSIONS // 2:
                    assert tried.wait(60), "nothing was tried beside the worker"
                    db.execute("UPDATE users SET email = 'free' WHERE id = 1")

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        while not working.done():
            if _is_installed(db) and handling.letters(read, None, None):
                handling.retry(read, handling.Choice())
                tried.set()
        working.result()
    handling.retry(read, handling.Choice())
    assert rows(db, "SELECT id, name FROM users ORDER BY id") == [(1, "n"), (2, str(VERSIONS - 1))]
    assert letters(db) == []


def _is_installed(db: Connection) -> bool:
    return bool(one(db, "SELECT to_regclass('seqguard_sync.dead_letters') IS NOT NULL"))
