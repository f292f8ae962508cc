"""The binlog as a source: where it goes on, and what happens to the server and its tables meanwhile."""

from __future__ import annotations

import signal
import time
from contextlib import closing
from pipes import SECONDS, Reading, brief, mapping
from typing import TYPE_CHECKING, Any

import pytest
from mariadb import Execute, database, execute, fresh, mariadb, own_mariadb, run
from platforms import until
from structlog.testing import capture_logs

from seqguard.errors import SeqguardError
from seqguard.sync.failure import TransientError
from seqguard.sync.mysql import client, snapshot
from seqguard.sync.mysql.binlog import BinlogSource

if TYPE_CHECKING:
    from pathlib import Path

    from seqguard.demo.mariadb import MariaDB
    from seqguard.sync.event import Change, Offset

__all__ = ["database", "execute", "mariadb", "own_mariadb"]

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v varchar(20))"


def ids(changes: list[Change]) -> list[Any]:
    """The keys of the rows after each change, of the rows before it where it was deleted."""
    return [(change.after or change.before or {}).get("id") for change in changes]


@pytest.fixture
def reading(mariadb: MariaDB, database: str, execute: Execute) -> Reading:
    """Table t with the rows 1 and 2, read to the end of the binlog."""
    execute(TABLE)
    execute("INSERT INTO t VALUES (1, 'a'), (2, NULL)")
    found = Reading(mariadb, database, [mapping("t", "v")])
    found.read()
    return found


def test_a_snapshot_brings_rows_as_inserts(reading: Reading) -> None:
    assert brief(reading.changes) == [("t", None, {"id": 1, "v": "a"}), ("t", None, {"id": 2, "v": None})]


def test_after_the_snapshot_come_the_changes_since_then(reading: Reading, execute: Execute) -> None:
    execute("INSERT INTO t VALUES (3, '')")
    execute("UPDATE t SET id = 4, v = 'b' WHERE id = 2")
    execute("DELETE FROM t WHERE id = 1")
    assert brief(reading.read()) == [
        ("t", None, {"id": 3, "v": ""}),
        ("t", {"id": 2, "v": None}, {"id": 4, "v": "b"}),
        ("t", {"id": 1, "v": "a"}, None),
    ]


def test_a_change_says_when_it_was_made(reading: Reading, execute: Execute) -> None:
    execute("SET timestamp = 1700000000")
    execute("INSERT INTO t VALUES (3, '')")
    (change,) = reading.read()
    assert change.at is not None
    assert change.at.isoformat() == "2023-11-14T22:13:20+00:00"


@pytest.mark.parametrize("gtids", [True, False], ids=["by GTID", "by file and position"])
def test_reading_goes_on_behind_any_change_of_a_transaction(
    reading: Reading, execute: Execute, gtids: bool
) -> None:
    execute("START TRANSACTION")
    for first in range(10, 60, 10):
        values = ", ".join(f"({number}, repeat('x', 20))" for number in range(first, first + 10))
        execute(f"INSERT INTO t VALUES {values}")
    execute("COMMIT")
    before = reading.offset
    changes = reading.read()
    assert before is not None
    assert ids(changes) == list(range(10, 60))
    for done in (1, 9, 10, 11, 49):
        offset = dict(changes[done - 1].position.offset)
        if not gtids:
            offset.pop("gtid")
        again = Reading(reading.server, reading.database, reading.tables, offset)
        assert ids(again.read()) == list(range(10 + done, 60))


def test_another_server_repeats_the_transaction_that_was_cut(reading: Reading, execute: Execute) -> None:
    execute("INSERT INTO t VALUES (3, ''), (4, '')")
    offset = dict(reading.read()[0].position.offset) | {"server_id": 77}
    assert ids(Reading(reading.server, reading.database, reading.tables, offset).read()) == [3, 4]


def test_another_server_without_gtids_needs_a_snapshot(reading: Reading) -> None:
    assert reading.offset is not None
    offset = {name: value for name, value in reading.offset.items() if name != "gtid"} | {"server_id": 77}
    with pytest.raises(SeqguardError, match="take a new snapshot"):
        Reading(reading.server, reading.database, reading.tables, offset).read()


def test_a_poll_brings_no_more_than_asked_for(reading: Reading, execute: Execute) -> None:
    execute("INSERT INTO t VALUES (3, ''), (4, ''), (5, ''), (6, ''), (7, '')")
    assert ids(reading.read(limit=2, most=2)) == [3, 4]
    assert ids(reading.read(limit=2)) == [5, 6, 7]


def test_other_tables_move_the_position_on(reading: Reading, execute: Execute) -> None:
    before = reading.offset
    execute("CREATE TABLE other (id int)")
    execute("INSERT INTO other VALUES (1)")
    assert reading.read() == []
    assert reading.offset != before


def test_a_cut_snapshot_goes_on_behind_the_last_key_from_its_first_position(
    mariadb: MariaDB, database: str, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "CHUNK", 2)
    monkeypatch.setattr(snapshot, "PAGE", 3)
    execute(TABLE)
    execute("CREATE TABLE u (a int, b varchar(10), v int, PRIMARY KEY (b, a))")
    execute("INSERT INTO t VALUES (1, ''), (2, ''), (3, ''), (4, ''), (5, '')")
    execute("INSERT INTO u VALUES (1, 'x', 0), (2, 'x', 0), (1, 'y', 0), (2, 'Y%%', 0), (2, '`', 0)")
    reading = Reading(mariadb, database, [mapping("t", "v"), mapping("u", "v", key=("a", "b"))])
    cuts = [reading.read(limit=2, most=2)]
    execute("UPDATE t SET v = 'new' WHERE id = 1")
    while cuts[-1]:
        cuts.append(reading.read(limit=2, most=2))
    assert len(cuts) > 5
    final = {(change.table, tuple((change.after or {}).values())) for change in reading.changes}
    assert {row for table, row in final if table == "u"} == {
        (1, "x", 0), (2, "x", 0), (1, "y", 0), (2, "Y%", 0), (2, "`", 0),
    }  # fmt: skip
    assert {row for table, row in final if table == "t"} == {(n, "") for n in range(1, 6)} | {(1, "new")}
    assert brief(reading.changes)[-1] == ("t", {"id": 1, "v": ""}, {"id": 1, "v": "new"})


@pytest.mark.parametrize("key", ["enum('b','a')", "float", "time"])
def test_keys_that_do_not_compare_as_they_sort_are_read_at_once(
    mariadb: MariaDB, database: str, execute: Execute, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(snapshot, "PAGE", 1)
    execute(f"CREATE TABLE t (id {key} PRIMARY KEY)")
    execute("INSERT INTO t VALUES (1), (2)")
    assert len(Reading(mariadb, database, [mapping("t")]).read()) == 2


def test_a_new_snapshot_can_be_asked_for(reading: Reading) -> None:
    assert ids(reading.read(new_snapshot=True)) == [1, 2]


@pytest.mark.parametrize(
    "statement",
    ["TRUNCATE t", "TRUNCATE TABLE `t`", "/* why */ truncate table {database}.t -- now", "TRUNCATE`t`"],
)
def test_a_truncate_is_a_change(reading: Reading, execute: Execute, statement: str) -> None:
    execute(statement.format(database=reading.database))
    execute("INSERT INTO t VALUES (9, '')")
    assert brief(reading.read()) == [("t", None, None), ("t", None, {"id": 9, "v": ""})]


def test_the_truncate_of_a_namesake_is_none(reading: Reading, execute: Execute) -> None:
    with fresh(reading.server) as other:
        run(reading.server, other, TABLE, "TRUNCATE t")
        execute("CREATE TABLE t2 (id int)")
        execute("TRUNCATE t2")
        assert reading.read() == []


def test_a_new_column_is_ignored(reading: Reading, execute: Execute) -> None:
    execute("ALTER TABLE t ADD COLUMN w int DEFAULT 7 FIRST")
    execute("INSERT INTO t (id, v) VALUES (3, 'c')")
    assert brief(reading.read()) == [("t", None, {"id": 3, "v": "c"})]
    assert reading.stopped == {}


def test_a_column_that_is_new_while_it_reads_is_told_with_what_to_do(
    reading: Reading, execute: Execute
) -> None:
    with capture_logs() as logged, closing(reading.source()) as source:
        source.start(lambda _: reading.offset)
        until(lambda: source.lag() == 0 or source.poll(10, 0.1) is None, "it has read everything")
        execute("ALTER TABLE t ADD COLUMN w int DEFAULT 7 FIRST")
        execute("INSERT INTO t (id, v) VALUES (3, 'c')")
        until(lambda: source.poll(10, 0.1).changes, "the row comes")
    assert [(line["log_level"], line["column"], "leave_out" in line["what_to_do"]) for line in logged] == [
        ("warning", "w", True)
    ]


@pytest.mark.parametrize(
    "alteration",
    ["ALTER TABLE t DROP COLUMN v", "ALTER TABLE t RENAME COLUMN v TO w"],
    ids=["dropped", "renamed"],
)
def test_a_table_that_lost_a_mapped_column_stops_and_the_others_go_on(
    mariadb: MariaDB, database: str, execute: Execute, alteration: str
) -> None:
    execute(TABLE)
    execute("CREATE TABLE u LIKE t")
    reading = Reading(mariadb, database, [mapping("t", "v"), mapping("u", "v")])
    reading.read()
    execute(alteration)
    execute("INSERT INTO t (id) VALUES (1)")
    execute("INSERT INTO u (id) VALUES (1)")
    assert brief(reading.read()) == [("t", None, {"id": 1}), ("u", None, {"id": 1, "v": None})]
    assert list(reading.stopped) == ["t"]
    assert "no column v" in reading.stopped["t"]


def test_a_statement_that_is_not_logged_as_rows_stops_its_table(reading: Reading, execute: Execute) -> None:
    execute("SET SESSION binlog_format = STATEMENT")
    execute("INSERT INTO t VALUES (3, '')")
    reading.read()
    assert "binlog_format" in reading.stopped["t"]


def test_rows_without_all_columns_are_an_error(reading: Reading, execute: Execute) -> None:
    execute("SET SESSION binlog_row_image = MINIMAL")
    execute("UPDATE t SET id = 3 WHERE id = 1")
    with pytest.raises(SeqguardError, match="binlog_row_image"):
        reading.read()


@pytest.mark.parametrize(
    "setting", ["binlog_row_metadata = MINIMAL", "binlog_row_image = MINIMAL", "log_bin_compress = ON"]
)
def test_settings_that_do_not_do_are_told_with_what_mends_them(own_mariadb: MariaDB, setting: str) -> None:
    run(own_mariadb, None, "CREATE DATABASE x", f"SET GLOBAL {setting}")
    name = setting.partition(" ")[0]
    with pytest.raises(SeqguardError, match=rf"SET GLOBAL {name} = '\w+', let"):
        Reading(own_mariadb, "x", []).read()


def test_a_rotation_is_followed(own_mariadb: MariaDB) -> None:
    run(own_mariadb, None, "CREATE DATABASE x")
    reading = Reading(own_mariadb, "x", [mapping("t", "v")])
    run(own_mariadb, "x", TABLE)
    reading.read()
    run(own_mariadb, "x", "INSERT INTO t VALUES (1, '')", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (2, '')")
    assert ids(reading.read()) == [1, 2]
    assert reading.offset is not None
    assert str(reading.offset["file"]).endswith("2")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_goes_is_waited_for_and_nothing_is_lost(own_mariadb: MariaDB, end: str) -> None:
    run(own_mariadb, None, "CREATE DATABASE x")
    run(own_mariadb, "x", TABLE)
    reading = Reading(own_mariadb, "x", [mapping("t", "v")])
    reading.read()
    with closing(reading.source()) as source:
        source.start(lambda _: reading.offset)
        run(own_mariadb, "x", "INSERT INTO t VALUES (1, '')")
        until(lambda: source.poll(100, 1).changes, "the change arrives")
        getattr(own_mariadb, end)()
        with pytest.raises(TransientError):
            drain(source)
        with pytest.raises(TransientError):
            source.start(lambda _: reading.offset)
        own_mariadb.start()
        run(own_mariadb, "x", "ALTER TABLE t ADD COLUMN w int FIRST", "INSERT INTO t VALUES (0, 2, 'b')")
    assert brief(reading.read()) == [("t", None, {"id": 1, "v": ""}), ("t", None, {"id": 2, "v": "b"})]


@pytest.mark.parametrize("gtids", [True, False], ids=["by GTID", "by file and position"])
def test_a_purged_binlog_is_an_error_that_says_what_to_do(own_mariadb: MariaDB, gtids: bool) -> None:
    run(own_mariadb, None, "CREATE DATABASE x")
    run(own_mariadb, "x", TABLE, "INSERT INTO t VALUES (1, '')")
    reading = Reading(own_mariadb, "x", [mapping("t", "v")])
    reading.read()
    if not gtids:
        assert reading.offset is not None
        reading.offset = {name: value for name, value in reading.offset.items() if name != "gtid"}
    run(own_mariadb, "x", "INSERT INTO t VALUES (2, '')", "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
    until(lambda: purged(own_mariadb), "the binlog that nobody reads any more is purged")
    with pytest.raises(SeqguardError, match="--snapshot"):
        reading.read()


def test_a_server_that_does_not_end_is_killed(own_mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch) -> None:
    process = own_mariadb.process
    assert process is not None
    monkeypatch.setattr("seqguard.demo.mariadb._SECONDS", 0.1)
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(SeqguardError, match="was killed"):
        own_mariadb.stop()
    assert process.poll() == -signal.SIGKILL


def test_what_waited_before_a_start_is_not_told_after_it(reading: Reading, execute: Execute) -> None:
    execute("INSERT INTO t VALUES (3, ''), (4, '')")
    with closing(reading.source()) as source:
        source.start(lambda _: reading.offset)
        until(lambda: source.poll(1, 0.1).changes, "the first row comes")
        assert source.lag()
        while source.poll(1, 0.1).changes:
            pass
        end = dict(reading.offset or {})
        ((end["file"], end["pos"], *_),) = execute("SHOW MASTER STATUS")
        end.pop("gtid", None)
        source.start(lambda _: end)
        until(lambda: source.poll(1, 0.1).positions.get("binlog"), "it reads")
        assert source.lag() == 0


def drain(source: BinlogSource) -> None:
    """Poll until something is wrong."""
    while True:
        source.poll(100, 5)


def purged(server: MariaDB) -> bool:
    """Purge the binlog but for its last file; return whether that was done."""
    with server.connect() as connection:
        ((last, *_),) = client.query(connection, "SHOW MASTER STATUS")
        client.query(connection, f"PURGE BINARY LOGS TO '{last}'")
        return len(client.query(connection, "SHOW BINARY LOGS")) == 1


def test_a_table_that_is_new_in_the_mapping_is_copied_and_the_others_are_not(
    mariadb: MariaDB, database: str, execute: Execute
) -> None:
    for name in ("t", "u"):
        execute(f"CREATE TABLE {name} (id int PRIMARY KEY)")
        execute(f"INSERT INTO {name} VALUES (1), (2)")
    stored: dict[str, Offset] = {}
    read_all(Reading(mariadb, database, [mapping("t")]), stored)
    execute("INSERT INTO u VALUES (3)")
    execute("INSERT INTO t VALUES (3)")
    execute("DELETE FROM u WHERE id = 1")
    found = read_all(Reading(mariadb, database, [mapping("t"), mapping("u")]), stored)
    assert [(c.table, *ids([c]), c.after is None) for c in found] == [
        ("u", 2, False), ("u", 3, False),  # the copy
        ("u", 3, False), ("t", 3, False), ("u", 1, True),
    ]  # fmt: skip
    assert read_all(Reading(mariadb, database, [mapping("t"), mapping("u")]), stored) == []
    assert stored["binlog: tables"]["tables"] == ["t", "u"]


def test_a_table_that_was_out_of_the_mapping_is_copied_again(
    mariadb: MariaDB, database: str, execute: Execute
) -> None:
    for name in ("t", "u"):
        execute(f"CREATE TABLE {name} (id int PRIMARY KEY)")
    execute("INSERT INTO u VALUES (1)")
    stored: dict[str, Offset] = {}
    both = [mapping("t"), mapping("u")]
    assert [
        read_all(Reading(mariadb, database, tables), stored) != [] for tables in (both, both[:1], both)
    ] == [
        True,
        False,
        True,
    ]


def read_all(reading: Reading, stored: dict[str, Offset]) -> list[Change]:
    """Read to the end of the binlog, and store the positions as a target would."""
    found: list[Change] = []
    with closing(reading.source()) as source:
        source.start(stored.get)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            batch = source.poll(1_000, 0.1)
            found += batch.changes
            stored.update(batch.positions)
            if not batch.changes and source.lag() == 0:
                return found
    raise AssertionError(f"still behind: {stored}")


def poll_long(source: BinlogSource) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        source.poll(10, 0.1)


def test_who_loses_the_binlog_to_a_reader_of_the_same_server_id_is_told_so(
    mariadb: MariaDB, database: str, execute: Execute
) -> None:
    execute(TABLE)
    first, second = (Reading(mariadb, database, [mapping("t", "v")], replica_id=4711) for _ in range(2))
    first.read()
    with closing(first.source()) as source:
        source.start(lambda stream: first.offset if stream == "binlog" else None)
        until(lambda: "binlog" in source.poll(10, 0.1).positions, "it reads")
        second.read()
        with pytest.raises(TransientError, match="the same server_id"):
            poll_long(source)


def test_an_account_that_may_not_read_the_binlog_is_no_reason_to_try_again(
    mariadb: MariaDB, database: str, execute: Execute, tmp_path: Path
) -> None:
    execute(TABLE)
    options = tmp_path / "client.cnf"
    options.write_text(f"[client]\nuser = {database}_poor\nsocket = {mariadb.folder / 'socket'}\n")
    run(mariadb, None, f"CREATE USER {database}_poor", f"GRANT BINLOG MONITOR ON *.* TO {database}_poor",
        f"GRANT SELECT ON {database}.* TO {database}_poor")  # fmt: skip
    source = BinlogSource([mapping("t", "v")], database=database, replica_id=4001, option_file=str(options))
    source.start(lambda _: None)
    with closing(source), pytest.raises(SeqguardError, match="REPLICATION SLAVE") as refused:
        poll_long(source)
    run(mariadb, None, f"DROP USER {database}_poor")
    assert not isinstance(refused.value, TransientError)
