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
