"""Types that hold less, or show less, than the sequence gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import one

import seqguard

if TYPE_CHECKING:
    from conftest import Connection

FULL = {
    "numeric(3)": ("numeric(3)", "nextval('s')", "999"),
    "numeric(5, 2)": ("numeric(5, 2)", "nextval('s')", "999"),
    "varchar(7) after a prefix": ("varchar(7)", "'INV-' || nextval('s')", "'INV-999'"),
    "varchar(3)": ("varchar(3)", "nextval('s')", "'999'"),
    "smallint": ("smallint", "nextval('s')", "32767"),
}


@pytest.mark.parametrize("shape", FULL)
def test_a_column_with_no_room_for_the_next_value_is_exhausted(db: Connection, shape: str) -> None:
    type_name, default, value = FULL[shape]
    db.execute(
        f"CREATE SEQUENCE s; CREATE TABLE t (id {type_name} DEFAULT {default}); INSERT INTO t VALUES ({value})".encode()
    )
    (report,) = seqguard.fix(db).sequences
    assert (report.status, report.repair) == ("exhausted", None)


# what a descending sequence can reach, the sign included
LOWEST = {"numeric(3)": -999, "varchar(3)": -99, "char(1)": 0, "smallint": -32768}


@pytest.mark.parametrize("type_name", LOWEST)
def test_a_descending_sequence_is_exhausted_beyond_the_lowest_value_of_its_column(
    db: Connection, type_name: str
) -> None:
    lowest = LOWEST[type_name]
    db.execute(f"CREATE SEQUENCE s INCREMENT -1 MAXVALUE 10 START {lowest + 1}".encode())
    db.execute(f"CREATE TABLE t (id {type_name} DEFAULT nextval('s'))".encode())
    found = []
    for _ in range(2):
        db.execute("INSERT INTO t DEFAULT VALUES")
        found.append(seqguard.check(db).sequences[0].status)
    assert found == ["ok", "exhausted"]


def test_a_numeric_with_no_digit_before_its_point_has_room_for_nothing(db: Connection) -> None:
    db.execute("CREATE SEQUENCE s; CREATE TABLE t (id numeric(2, 2) DEFAULT nextval('s'))")
    assert [report.status for report in seqguard.check(db).sequences] == ["exhausted"]


@pytest.mark.parametrize("default", ["('00' || nextval('s'))::int", "('0' || nextval('s'))::numeric"])
def test_zeros_before_a_number_cannot_be_judged(db: Connection, default: str) -> None:
    db.execute(f"CREATE SEQUENCE s; CREATE TABLE t (id int DEFAULT {default})".encode())
    assert [report.status for report in seqguard.check(db).sequences] == ["unjudged"]


def test_a_real_column_is_read_to_the_last_digit(db: Connection) -> None:
    db.execute(
        "CREATE SEQUENCE s; CREATE TABLE t (id real DEFAULT nextval('s')); INSERT INTO t VALUES (16777210)"
    )
    db.execute("SELECT setval('s', 16777203)")
    seqguard.fix(db)
    assert one(db, "INSERT INTO t DEFAULT VALUES RETURNING id::int") == 16777211


def test_a_char_constant_loses_its_blanks_and_cannot_be_judged(db: Connection) -> None:
    db.execute("CREATE SEQUENCE s; CREATE TABLE t (id text DEFAULT 'A '::bpchar || nextval('s'))")
    assert [report.status for report in seqguard.check(db).sequences] == ["unjudged"]
