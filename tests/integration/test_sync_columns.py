"""Columns that the source loses or gets between two runs of `seqguard sync run`: what went over before is remembered."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from conftest import rows
from console import run
from mariadb import Execute, database, execute, mariadb
from platforms import PROGRAM, environment

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Connection

    from seqguard.demo.mariadb import MariaDB

__all__ = ["database", "execute", "mariadb"]

SECONDS = 60


@dataclass
class Sync:
    """Tables t and u on both sides, each with id, a and b, and the service between them."""

    execute: Execute
    db: Connection
    path: Path
    head: str
    lines: dict[str, str] = field(default_factory=dict)

    def change(self, *statements: str) -> None:
        for statement in statements:
            self.execute(statement)

    def run(self, *options: str) -> str:
        """Run the service until nothing is left, or it refuses; return its log."""
        tables = [
            f'[[table]]\nsource = "{name}"\ntarget = "{name}"\nkey = ["id"]\n{self.lines.get(name, "")}\n'
            for name in ("t", "u")
        ]
        self.path.write_text(self.head + "".join(tables))
        command = [str(PROGRAM), "sync", "run", str(self.path), "--until-caught-up", *options]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS, env=environment()
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def errors(self) -> list[str]:
        """The errors of `sync check`."""
        return [line for line in run("sync", "check", str(self.path)).out.splitlines() if "error  " in line]

    def target(self, table: str = "t") -> list[tuple[Any, ...]]:
        return rows(self.db, f"SELECT * FROM {table} ORDER BY id")

    def letters(self) -> list[tuple[Any, ...]]:
        return rows(self.db, "SELECT source, key, state FROM seqguard_sync.dead_letters ORDER BY id")


@pytest.fixture
def sync(mariadb: MariaDB, database: str, dsn: str, execute: Execute, db: Connection, tmp_path: Path) -> Sync:
    """Row 1 went over, in both tables."""
    head = (
        f'name = "test"\n[source]\nkind = "binlog"\ndatabase = "{database}"\n'
        f'option_file = "{mariadb.option_file}"\nserver_id = 4713\n[target]\nconninfo = "{dsn}"\n'
    )
    made = Sync(execute, db, tmp_path / "sync.toml", head)
    for name in ("t", "u"):
        execute(f"CREATE TABLE {name} (id int PRIMARY KEY, a varchar(9), b varchar(9))")
        execute(f"INSERT INTO {name} VALUES (1, 'a', 'b')")
        db.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, a text, b text)".encode())
    made.run()
    return made


GONE = ["ALTER TABLE t DROP b", "ALTER TABLE t RENAME COLUMN b TO b2"]


@pytest.mark.parametrize("alteration", GONE, ids=["dropped", "renamed"])
@pytest.mark.parametrize("named", ["", 'columns.b = "b"'], ids=["not named", "named in columns"])
def test_a_table_that_lost_a_column_stays_stopped_after_any_restart_and_the_others_go_on(
    sync: Sync, alteration: str, named: str
) -> None:
    sync.lines["t"] = named
    sync.change(alteration, "UPDATE t SET a = 'new'", "UPDATE u SET a = 'new'")
    for number in (2, 3):
        assert "t has no column b any more" in sync.run()
        sync.change(f"INSERT INTO t (id) VALUES ({number})", f"INSERT INTO u (id) VALUES ({number})")
    sync.run()
    assert sync.target() == [(1, "a", "b")]
    assert sync.target("u") == [(1, "new", "b"), (2, None, None), (3, None, None)]
    assert sync.letters() == [("t", f"[{number}]", "stopped") for number in (1, 2, 3)]


def test_a_lost_column_is_an_error_of_sync_check_that_tells_what_to_do(sync: Sync) -> None:
    sync.change(GONE[0])
    (error,) = sync.errors()
    assert "t has no column b any more" in error
    assert "leave_out" in error


def test_a_lost_column_that_is_left_out_keeps_what_it_has_and_the_letters_can_be_retried(sync: Sync) -> None:
    sync.change(GONE[0], "UPDATE t SET a = 'new'", "INSERT INTO t (id) VALUES (2)")
    sync.run()
    sync.lines["t"] = 'leave_out = ["b"]'
    sync.change("INSERT INTO t (id) VALUES (3)")
    sync.run()
    run("sync", "dead-letters", "retry", str(sync.path), "--all")
    assert sync.target() == [(1, "new", "b"), (2, None, None), (3, None, None)]
    assert sync.errors() == []
    sync.lines.clear()
    sync.run()
    assert sync.errors() == []


def test_a_lost_column_that_another_takes_the_place_of_comes_with_a_snapshot(sync: Sync) -> None:
    sync.change(GONE[1], "UPDATE t SET a = 'new', b2 = 'new'", "INSERT INTO t VALUES (2, 'c', 'd')")
    sync.run()
    sync.lines["t"] = 'columns.b2 = "b"'
    sync.run("--snapshot")
    assert sync.target() == [(1, "new", "new"), (2, "c", "d")]
    assert (sync.letters(), sync.errors()) == ([], [])


def test_rows_from_before_a_rename_do_not_lose_the_column_to_a_mapping_from_after_it(sync: Sync) -> None:
    sync.change("INSERT INTO t VALUES (2, 'c', 'd')", GONE[1])
    sync.lines["t"] = 'columns.b2 = "b"'
    sync.run()
    assert (sync.target(), sync.letters()) == ([(1, "a", "b")], [("t", "[2]", "stopped")])


def test_a_snapshot_alone_does_not_make_a_lost_column_forgotten(sync: Sync) -> None:
    sync.change(GONE[0], "UPDATE t SET a = 'new'")
    sync.run("--snapshot")
    sync.run()
    assert sync.target() == [(1, "a", "b")]
    assert len(sync.errors()) == 1


def test_a_column_that_both_sides_got_goes_over_from_where_the_rows_have_it(sync: Sync) -> None:
    sync.change("INSERT INTO t VALUES (2, 'old', 'old')", "UPDATE t SET a = 'old' WHERE id = 1")
    sync.db.execute("ALTER TABLE t ADD c int DEFAULT 7")
    sync.change("ALTER TABLE t ADD c int", "INSERT INTO t VALUES (3, 'new', 'new', 3)")
    sync.run()
    assert sync.target() == [(1, "old", "b", 7), (2, "old", "old", 7), (3, "new", "new", 3)]
    assert sync.letters() == []
    sync.change("ALTER TABLE t DROP c", "INSERT INTO t VALUES (4, '', '')")
    sync.run()
    assert sync.letters() == [("t", "[4]", "stopped")]


def test_a_new_column_of_both_sides_comes_for_all_rows_with_a_snapshot(sync: Sync) -> None:
    sync.db.execute("ALTER TABLE t ADD c int")
    sync.change("ALTER TABLE t ADD c int DEFAULT 5")
    sync.run("--snapshot")
    assert sync.target() == [(1, "a", "b", 5)]
