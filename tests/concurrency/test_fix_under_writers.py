"""fix while others write: never back, no duplicate key, and one that is stuck does not stop the rest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Connect, Connection, eventually, one, rows
from psycopg import errors
from writers import EXPLICIT, ORDINARY, TABLE, Run, rows_in

import seqguard

LARGE = 1_000_000
"""A gap that nextval would take too long to walk: only a lock bridges it."""


def usual_repair(connection: Connection) -> None:
    """What is found in most answers on the web."""
    connection.execute("SELECT setval('t_id_seq', (SELECT max(id) FROM t))")


def repair_in_sql(connection: Connection) -> None:
    """The same fix for psql users."""
    connection.execute("SELECT * FROM seqguard.fix()")


@pytest.mark.parametrize("repair", [seqguard.fix, repair_in_sql])
def test_no_ordinary_insert_fails_while_fix_runs_in_a_loop(db: Connection, repair: object) -> None:
    db.execute(TABLE)
    if repair is repair_in_sql:
        seqguard.guard(db)
        seqguard.unguard(db, "t")
    assert callable(repair)
    outcome = Run(db.info.dsn, repair)()
    assert (outcome.duplicates, outcome.steps_back) == (0, 0)
    assert outcome.ordinary >= ORDINARY
    assert outcome.explicit >= EXPLICIT
    assert outcome.repairs >= 5
    assert outcome.samples > 50
    assert rows_in(db) == outcome.ordinary + outcome.explicit
    assert one(db, "SELECT last_value FROM t_id_seq") > LARGE


def test_the_usual_repair_fails_in_the_same_run(db: Connection) -> None:
    db.execute(TABLE)
    outcome = Run(db.info.dsn, usual_repair)()
    assert outcome.duplicates > 0


@pytest.fixture
def three(db: Connection) -> Connection:
    """A database with three tables whose sequences are far behind."""
    for table in ("a", "b", "c"):
        db.execute(f"CREATE TABLE {table} (id serial PRIMARY KEY)")
        db.execute(f"INSERT INTO {table} VALUES ({LARGE})")
    return db


def verdicts(report: seqguard.Report) -> list[tuple[str, bool]]:
    """The status of each sequence, and whether its repair failed."""
    return [(it.status, bool(it.repair and it.repair.problem)) for it in report.sequences]


def test_a_sequence_in_use_by_an_open_transaction_is_reported_and_the_others_are_fixed(
    three: Connection, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqguard.fixing.ATTEMPTS", 2)
    monkeypatch.setattr("seqguard.fixing.MOST_STEPS", 1_000)
    writer = connect()
    writer.execute("BEGIN; INSERT INTO b DEFAULT VALUES")
    report = seqguard.fix(three, timeouts=seqguard.Timeouts(lock=100))
    assert verdicts(report) == [("ok", False), ("behind", True), ("ok", False)]
    assert report.sequences[1].repair
    assert report.sequences[1].repair.problem == "canceling statement due to lock timeout"


def test_a_sequence_in_use_by_an_open_transaction_is_stepped_forward_where_seconds_do(
    three: Connection, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqguard.fixing.ATTEMPTS", 2)
    writer = connect()
    writer.execute("BEGIN; INSERT INTO b DEFAULT VALUES")
    assert seqguard.fix(three, timeouts=seqguard.Timeouts(lock=100)).in_sync


def test_fix_in_sql_reports_a_sequence_in_use_and_fixes_the_others(three: Connection, connect: Connect) -> None:
    seqguard.guard(three)
    three.execute("ALTER TABLE a DISABLE TRIGGER USER; ALTER TABLE b DISABLE TRIGGER USER")
    three.execute(f"INSERT INTO a VALUES ({2 * LARGE}); INSERT INTO b VALUES ({2 * LARGE})")
    writer = connect()
    writer.execute("BEGIN; INSERT INTO b DEFAULT VALUES")
    assert rows(three, "SELECT sequence::text, status, problem FROM seqguard.fix() ORDER BY 1") == [
        ("a_id_seq", "ok", None),
        ("b_id_seq", "behind", "in use by open transactions: run again when they have ended"),
    ]


def test_fix_waits_for_an_open_transaction_that_ends(
    three: Connection, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqguard.fixing.MOST_STEPS", 1_000)
    writer, other = connect(), connect()
    writer.execute("BEGIN; INSERT INTO b DEFAULT VALUES")
    with ThreadPoolExecutor(1) as pool:
        fixing = pool.submit(seqguard.fix, three, timeouts=seqguard.Timeouts(lock=120_000))
        eventually(
            other, "SELECT count(*) FROM pg_locks WHERE relation = 'b_id_seq'::regclass AND NOT granted", 1
        )
        writer.execute("COMMIT")
    assert fixing.result().in_sync


def test_a_small_gap_is_closed_without_waiting_for_anyone(db: Connection, connect: Connect) -> None:
    db.execute(TABLE)
    writer = connect()
    writer.execute("BEGIN; INSERT INTO t DEFAULT VALUES")
    db.execute("INSERT INTO t SELECT generate_series(2, 100)")
    assert seqguard.fix(db, timeouts=seqguard.Timeouts(lock=100)).in_sync
    assert one(db, "INSERT INTO t DEFAULT VALUES RETURNING id") == 101


@pytest.mark.parametrize("gap", [LARGE, 100])
def test_a_sequence_dropped_meanwhile_is_reported_and_the_others_are_fixed(db: Connection, gap: int) -> None:
    for table in ("a", "b", "c"):
        db.execute(f"CREATE TABLE {table} (id serial); INSERT INTO {table} VALUES ({gap})")
    report = seqguard.check(db)
    db.execute("DROP TABLE b")
    fixed = seqguard.fix(db, report)
    assert verdicts(fixed) == [("ok", False), ("unreadable", True), ("ok", False)]
    assert fixed.sequences[1].repair
    assert fixed.sequences[1].repair.problem == 'relation "public.b_id_seq" does not exist'


def test_a_sequence_moved_on_since_the_check_is_not_moved_back(db: Connection) -> None:
    db.execute(f"{TABLE}; INSERT INTO t VALUES ({LARGE})")
    report = seqguard.check(db)
    db.execute(f"SELECT setval('t_id_seq', {3 * LARGE})")
    seqguard.fix(db, report)
    assert one(db, "SELECT last_value FROM t_id_seq") == 3 * LARGE


@pytest.mark.parametrize("furthest", [22, 100, LARGE])
def test_a_session_with_cached_values_gets_no_duplicate_after_fix(
    db: Connection, connect: Connect, furthest: int
) -> None:
    db.execute(f"{TABLE}; ALTER SEQUENCE t_id_seq CACHE 20")
    other = connect()
    assert one(other, "INSERT INTO t DEFAULT VALUES RETURNING id") == 1  # and holds 2 to 20
    db.execute(f"INSERT INTO t SELECT generate_series(2, 9); INSERT INTO t VALUES (21), ({furthest})")
    assert seqguard.fix(db).in_sync
    assert one(other, "INSERT INTO t DEFAULT VALUES RETURNING id") == furthest + 1


def test_a_cached_value_that_is_taken_fails_without_fix(db: Connection, connect: Connect) -> None:
    # the counterpart of the test above
    db.execute(f"{TABLE}; ALTER SEQUENCE t_id_seq CACHE 20")
    other = connect()
    other.execute("INSERT INTO t DEFAULT VALUES")
    db.execute("INSERT INTO t SELECT generate_series(2, 9)")
    with pytest.raises(errors.UniqueViolation):
        other.execute("INSERT INTO t DEFAULT VALUES")
