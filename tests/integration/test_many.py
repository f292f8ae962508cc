"""Hundreds of tables: read and repaired in batches, and still each on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from check_works import round_trips
from conftest import one, rows

import seqguard
from seqguard.checking import BATCH

if TYPE_CHECKING:
    from conftest import Connect, Connection

COUNT = 4 * BATCH + 10
MAKE = f"""
DO $$
BEGIN
    FOR i IN 1 .. {COUNT} LOOP
        EXECUTE format('CREATE TABLE t%s (id serial); INSERT INTO t%s VALUES (%s)', i, i, i);
    END LOOP;
END
$$
"""
FURTHEST = {f"public.t{i}_id_seq": i for i in range(1, COUNT + 1)}


@pytest.fixture
def many(db: Connection) -> Connection:
    """Tables t1, t2, ... each with its own number as the only id."""
    db.execute(MAKE.encode())
    return db


def furthest(report: seqguard.Report) -> dict[str, int | None]:
    return {sequence.sequence: sequence.furthest for sequence in report.sequences}


def next_ids(db: Connection, *numbers: int) -> list[int]:
    return [rows(db, f"INSERT INTO t{i} DEFAULT VALUES RETURNING id")[0][0] for i in numbers]


def test_each_sequence_gets_the_furthest_value_of_its_own_table(many: Connection) -> None:
    assert furthest(seqguard.check(many)) == FURTHEST


def test_one_table_that_cannot_be_read_leaves_the_rest_of_its_batch_judged(
    connect: Connect, many: Connection
) -> None:
    other = connect()
    with other.transaction(force_rollback=True):
        other.execute("LOCK TABLE t77")
        report = seqguard.check(many, timeouts=seqguard.Timeouts(lock=20))
    assert [sequence.sequence for sequence in report.with_status("unreadable")] == ["public.t77_id_seq"]
    assert furthest(report) == FURTHEST | {"public.t77_id_seq": None}


def test_several_tables_that_cannot_be_read_leave_the_rest_judged(connect: Connect, many: Connection) -> None:
    other = connect()
    with other.transaction(force_rollback=True):
        other.execute("LOCK TABLE t1, t2, t100, t210")
        report = seqguard.check(many, timeouts=seqguard.Timeouts(lock=20))
    assert sorted(sequence.sequence for sequence in report.with_status("unreadable")) == [
        "public.t100_id_seq",
        "public.t1_id_seq",
        "public.t210_id_seq",
        "public.t2_id_seq",
    ]
    assert report.summary["behind"] == COUNT - 4


def test_every_sequence_is_repaired_exactly(many: Connection) -> None:
    assert seqguard.fix(many).in_sync
    assert next_ids(many, *range(1, COUNT + 1)) == list(range(2, COUNT + 2))


def test_a_sequence_dropped_meanwhile_leaves_the_rest_repaired(many: Connection) -> None:
    found = seqguard.check(many)
    many.execute("DROP TABLE t77")
    fixed = seqguard.fix(many, found)
    (left,) = fixed.with_status("unreadable")
    assert (left.sequence, fixed.summary["ok"]) == ("public.t77_id_seq", COUNT - 1)
    assert next_ids(many, 76, 78) == [77, 79]


def test_progress_adds_up(many: Connection) -> None:
    expected: list[int] = []
    done: list[int] = []
    seqguard.check(many, expect=expected.append, progress=done.append)
    assert (expected, sum(done), len(done)) == ([COUNT], COUNT, 5)


def test_round_trips_are_few_whatever_the_number_of_tables(many: Connection, dsn: str) -> None:
    assert len(seqguard.check(many).sequences) == COUNT
    assert round_trips(dsn, seqguard.check) <= 25


def test_no_lock_of_a_batch_outlives_it(many: Connection, dsn: str) -> None:
    """Each report of progress comes at most two batches after its own."""
    locked: list[int] = []
    pid = many.info.backend_pid
    with psycopg.connect(dsn, autocommit=True) as observer:

        def look(_count: int) -> None:
            query = f"SELECT count(DISTINCT relation) FROM pg_locks WHERE pid = {pid} AND relation >= 16384"
            locked.append(one(observer, query))

        seqguard.check(many, progress=look)
    assert max(locked) <= 2 * BATCH


def test_a_batch_sees_what_is_committed_before_it_whatever_the_isolation(many: Connection, dsn: str) -> None:
    many.execute("SET default_transaction_isolation = 'repeatable read'")
    inserted: list[int] = []
    with psycopg.connect(dsn, autocommit=True) as writer:

        def insert_once(_count: int) -> None:
            if not inserted:
                inserted.append(writer.execute("INSERT INTO t99 VALUES (5000)").rowcount)

        report = seqguard.check(many, progress=insert_once)
    assert {s.sequence: s.furthest for s in report.sequences}["public.t99_id_seq"] == 5000
