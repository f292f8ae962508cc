"""Columns that the source loses or gets between two runs that read Kafka: what went over is remembered, by partition."""

from __future__ import annotations

import secrets
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from broker import Broker, running
from conftest import rows
from console import run
from debezium_messages import Connector
from mariadb import Execute, database, execute, mariadb
from platforms import PROGRAM, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Connection

    from seqguard.demo.mariadb import MariaDB

__all__ = ["database", "execute", "mariadb"]

SECONDS = 120
HEAD = """name = "test"
[source]
kind = "kafka"
bootstrap_servers = "{servers}"
topic_prefix = "{prefix}"
group = "{prefix}"
option_file = "{options}"
{catalog}
[target]
conninfo = "{dsn}"
"""
CATALOG = '[source.mysql]\ndatabase = "{database}"\noption_file = "{option_file}"\n'
ROW = {"a": "a", "b": "b"}


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with running() as found:
        yield found


@dataclass
class Sync:
    """Tables t and u on both sides, each with id, a and b, their topics, and the service between them."""

    broker: Broker
    execute: Execute
    db: Connection
    path: Path
    prefix: str
    head: str
    lines: str = ""

    def send(self, table: str, *changed: dict[str, Any]) -> None:
        """Rows as messages without schema part."""
        connector = Connector(schemas=False, table=table)
        self.broker.produce(
            f"{self.prefix}{table}",
            [(connector.key_of(id=row["id"]), connector.envelope("u", after=row)) for row in changed],
        )

    def run(self) -> str:
        """Run the service until nothing is left; return its log."""
        sections = [f'[[table]]\nsource = "{name}"\ntarget = "{name}"\nkey = ["id"]\n' for name in ("t", "u")]
        self.path.write_text(self.head + "".join(sections) + self.lines)
        command = [str(PROGRAM), "sync", "run", str(self.path), "--until-caught-up"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS, env=environment()
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def target(self, table: str = "t") -> list[tuple[Any, ...]]:
        return rows(self.db, f"SELECT * FROM {table} ORDER BY id")

    def letters(self) -> list[tuple[Any, ...]]:
        return rows(self.db, "SELECT source, key, state FROM seqguard_sync.dead_letters ORDER BY id")


@pytest.fixture
def without_catalog(broker: Broker, dsn: str, execute: Execute, db: Connection, tmp_path: Path) -> Sync:
    """Both tables are there on both sides, and in topics of two partitions."""
    prefix = f"columns-{secrets.token_hex(4)}."
    options = tmp_path / "kafka.properties"
    options.write_text("session.timeout.ms=6000\nheartbeat.interval.ms=200\n")
    head = HEAD.format(servers=broker.servers, prefix=prefix, options=options, catalog="{catalog}", dsn=dsn)
    made = Sync(broker, execute, db, tmp_path / "sync.toml", prefix, head)
    for name in ("t", "u"):
        broker.topic(f"{prefix}{name}", 2)
        execute(f"CREATE TABLE {name} (id int PRIMARY KEY, a varchar(9), b varchar(9))")
        db.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, a text, b text)".encode())
    return made


@pytest.fixture
def sync(without_catalog: Sync, mariadb: MariaDB, database: str) -> Sync:
    """The same, with the catalog of the source; rows 0 to 9 of t and row 1 of u went over."""
    without_catalog.head = without_catalog.head.format(
        catalog=CATALOG.format(database=database, option_file=mariadb.option_file)
    )
    without_catalog.send("t", *({"id": number} | ROW for number in range(10)))
    without_catalog.send("u", {"id": 1} | ROW)
    without_catalog.run()
    return without_catalog


def test_a_table_that_lost_a_column_stays_stopped_after_any_restart_and_the_others_go_on(sync: Sync) -> None:
    sync.execute("ALTER TABLE t DROP b")
    before = sync.target()
    for number in (1, 2):
        sync.send("t", {"id": number, "a": "new"})
        sync.send("u", {"id": number, "a": "new", "b": "new"})
        assert "t has no column b any more" in sync.run()
    assert sync.target() == before
    assert sync.target("u") == [(1, "new", "new"), (2, "new", "new")]
    assert sync.letters() == [("t", f"[{number}]", "stopped") for number in (1, 2)]


def test_a_lost_column_is_an_error_of_sync_check_that_tells_what_to_do(sync: Sync) -> None:
    sync.execute("ALTER TABLE t DROP b")
    (error,) = [line for line in run("sync", "check", str(sync.path)).out.splitlines() if "error  " in line]
    assert "t has no column b any more" in error
    assert "leave_out" in error
    assert "execute-snapshot" in error


def test_a_lost_column_that_is_left_out_keeps_what_it_has_and_the_letters_can_be_retried(sync: Sync) -> None:
    sync.execute("ALTER TABLE u DROP b")
    sync.send("u", {"id": 1, "a": "new"}, {"id": 2, "a": "new"})
    sync.run()
    sync.lines = 'leave_out = ["b"]'  # of the last table
    sync.send("u", {"id": 3, "a": "new"})
    sync.run()
    run("sync", "dead-letters", "retry", str(sync.path), "--all")
    assert sync.target("u") == [(1, "new", "b"), (2, "new", None), (3, "new", None)]
    assert sync.letters() == []


def test_rows_from_before_a_column_came_keep_what_the_target_has_and_rows_with_it_bring_it(sync: Sync) -> None:
    sync.db.execute("ALTER TABLE t ADD c int DEFAULT 7")
    sync.execute("ALTER TABLE t ADD c int")
    old = [{"id": number, "a": "old", "b": "old"} for number in range(100)]
    new = [{"id": number, "a": "new", "b": "new", "c": number} for number in range(50, 150)]
    sync.send("t", *old, *new)  # each of the two partitions has old rows first, then new ones
    log = sync.run()
    assert "rows from before new columns" in log
    expected = [(number, "old", "old", 7) for number in range(50)]
    assert sync.target() == expected + [(number, "new", "new", number) for number in range(50, 150)]
    assert sync.letters() == []


def test_a_column_that_came_and_is_lost_again_stops_its_table(sync: Sync) -> None:
    sync.db.execute("ALTER TABLE t ADD c int")
    sync.execute("ALTER TABLE t ADD c int")
    sync.send("t", {"id": 1, "a": "new", "b": "new", "c": 1})
    sync.run()
    sync.send("t", {"id": 1, "a": "newer", "b": "newer"})
    assert "no longer have the mapped columns c" in sync.run()
    assert sync.target()[1] == (1, "new", "new", 1)


def test_rows_from_before_a_rename_do_not_lose_the_column_to_a_mapping_from_after_it(sync: Sync) -> None:
    sync.execute("ALTER TABLE u RENAME COLUMN b TO b2")
    sync.lines = 'columns.b2 = "b"'
    sync.send("u", {"id": 1, "a": "c", "b": "d"}, {"id": 2, "a": "c", "b": "d"})
    sync.run()
    assert sync.target("u") == [(1, "a", "b")]
    assert sync.letters() == [("u", "[1]", "stopped"), ("u", "[2]", "stopped")]


def test_rows_from_before_a_rename_on_both_sides_stop_their_table(sync: Sync) -> None:
    sync.db.execute("ALTER TABLE t RENAME COLUMN b TO b2")
    sync.execute("ALTER TABLE t RENAME COLUMN b TO b2")
    sync.send("t", {"id": 1, "a": "c", "b": "d"})
    sync.run()
    assert sync.letters() == [("t", "[1]", "stopped")]
    assert sync.target()[1] == (1, "a", "b")


def test_without_the_catalog_a_row_without_a_column_of_the_target_stops_its_table_after_any_restart(
    without_catalog: Sync,
) -> None:
    sync = without_catalog
    sync.head = sync.head.format(catalog="")
    for number in (1, 2):
        sync.send("t", {"id": number, "a": "new"})
        assert "no longer have the mapped columns b" in sync.run()
    assert sync.target() == []
    assert sync.letters() == [("t", f"[{number}]", "stopped") for number in (1, 2)]
