"""Every shape in shapes.py is judged right, repaired exactly, and held by its guard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from conftest import Connection, one, rows
from shapes import SHAPES, Shape

import seqguard
from seqguard.render import as_sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Psql

    from seqguard.demo.server import Server
    from seqguard.model import Report, SequenceReport

REPAIRED = [shape for shape in SHAPES if shape.status == "behind"]
LEFT = [shape for shape in SHAPES if shape.status != "behind"]
GUARDED = [shape for shape in SHAPES if shape.ahead is not None]


def each(shapes: list[Shape] | tuple[Shape, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shape", shapes, ids=str)


def create(db: Connection, shape: Shape) -> None:
    if db.info.server_version // 10000 < shape.since:
        pytest.skip(f"needs PostgreSQL {shape.since}")
    db.execute(shape.create.encode())


def verdict(report: Report, shape: Shape) -> SequenceReport:
    return next(sequence for sequence in report.sequences if sequence.sequence == shape.sequence)


def states(db: Connection) -> list[tuple[Any, ...]]:
    """Where every sequence stands, read past seqguard."""
    names = rows(db, "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S' ORDER BY 1")
    return [state for (name,) in names for state in rows(db, f"SELECT last_value, is_called FROM {name}")]


_EMPTY = """
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$|^seqguard$' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    CREATE SCHEMA public;
END
$$
"""


@pytest.fixture(scope="module")
def dsn(server: Server) -> Iterator[str]:
    """One database with schema seqguard for all these tests: there are too many to clone one for each."""
    with psycopg.connect(server.conninfo(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE shapes TEMPLATE installed")
        yield server.conninfo("shapes")
        admin.execute("DROP DATABASE shapes WITH (FORCE)")


@pytest.fixture(scope="module")
def session(dsn: str) -> Iterator[Connection]:
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
        connection.execute("SET client_min_messages = warning")
        yield connection


@pytest.fixture
def db(session: Connection) -> Iterator[Connection]:
    """A superuser's autocommit connection to a database that is emptied afterwards."""
    yield session
    session.execute("DISCARD TEMP")
    session.execute(_EMPTY)


@each(SHAPES)
def test_check_judges(db: Connection, shape: Shape) -> None:
    create(db, shape)
    found = verdict(seqguard.check(db), shape)
    assert (found.status, found.next_value, found.furthest, found.target) == (
        shape.status,
        shape.next_value,
        shape.furthest,
        shape.target,
    )
    assert sorted(column.kind for column in found.columns) == sorted(shape.kinds)


@each([shape for shape in SHAPES if shape.gets is not None])
def test_after_fix_the_next_insert_gets_exactly(db: Connection, shape: Shape) -> None:
    create(db, shape)
    seqguard.fix(db)
    assert rows(db, shape.ordinary) == [(shape.gets,)]


@each(REPAIRED)
def test_after_fix_the_verdict_is_ok(db: Connection, shape: Shape) -> None:
    create(db, shape)
    fixed = verdict(seqguard.fix(db), shape)
    assert (fixed.status, fixed.repair) == ("ok", seqguard.Repair(moved_to=shape.target))


@each(LEFT)
def test_fix_leaves(db: Connection, shape: Shape) -> None:
    create(db, shape)
    before = states(db)
    assert verdict(seqguard.fix(db), shape).repair is None
    assert states(db) == before


@each(GUARDED)
def test_guarded_the_insert_after_an_explicit_id_gets_the_one_after_it(db: Connection, shape: Shape) -> None:
    create(db, shape)
    seqguard.guard(db)
    db.execute(shape.explicit(shape.ahead).encode())
    assert rows(db, shape.ordinary) == [(shape.then_gets,)]


@each(REPAIRED)
def test_what_fix_would_run_repairs_the_same_in_psql(
    db: Connection, dsn: str, psql: Psql, shape: Shape
) -> None:
    create(db, shape)
    psql(dsn, as_sql.repairs(seqguard.check(db)))
    assert rows(db, shape.ordinary) == [(shape.gets,)]


@each(REPAIRED)
def test_what_fix_would_run_moves_nothing_when_run_again_later(
    db: Connection, dsn: str, psql: Psql, shape: Shape
) -> None:
    create(db, shape)
    script = as_sql.repairs(seqguard.check(db))
    psql(dsn, script)
    db.execute(shape.ordinary.encode())
    before = states(db)
    psql(dsn, script)
    assert states(db) == before


@each(LEFT)
def test_what_fix_would_run_leaves(db: Connection, dsn: str, psql: Psql, shape: Shape) -> None:
    create(db, shape)
    before = states(db)
    psql(dsn, as_sql.repairs(seqguard.check(db)))
    assert states(db) == before


@each(SHAPES)
def test_check_in_sql_gives_the_same_verdicts(db: Connection, shape: Shape) -> None:
    create(db, shape)
    in_sql = rows(
        db,
        "SELECT format('%s.%I', relnamespace::regnamespace, relname), status, next_value, furthest, target,"
        " last_value, is_called FROM seqguard.check() AS k JOIN pg_class AS c ON c.oid = k.sequence",
    )
    in_python = [
        (s.sequence, s.status, s.next_value, s.furthest, s.target, s.last_value, s.is_called)
        for s in seqguard.check(db).sequences
    ]
    assert sorted(in_sql) == sorted(in_python)


@each([shape for shape in SHAPES if shape.gets is not None])
def test_after_fix_in_sql_the_next_insert_gets_exactly(db: Connection, shape: Shape) -> None:
    create(db, shape)
    db.execute("SELECT seqguard.fix()")
    assert rows(db, shape.ordinary) == [(shape.gets,)]


@each(LEFT)
def test_fix_in_sql_leaves(db: Connection, shape: Shape) -> None:
    create(db, shape)
    before = states(db)
    db.execute("SELECT seqguard.fix()")
    assert states(db) == before


BEYOND = pytest.mark.parametrize("beyond", [16, 1000], ids=["in reach of nextval", "out of its reach"])


@BEYOND
def test_an_explicit_id_beyond_the_limit_is_taken_and_check_reports_it(db: Connection, beyond: int) -> None:
    db.execute("CREATE SEQUENCE s MAXVALUE 10; CREATE TABLE t (id int DEFAULT nextval('s'))")
    seqguard.guard(db)
    db.execute("INSERT INTO t VALUES (%s)", [beyond])
    (found,) = seqguard.check(db).sequences
    assert (found.status, found.furthest) == ("exhausted", beyond)


@BEYOND
def test_an_explicit_id_beyond_the_limit_does_not_use_the_sequence_up(db: Connection, beyond: int) -> None:
    db.execute("CREATE SEQUENCE s MAXVALUE 10; CREATE TABLE t (id int DEFAULT nextval('s'))")
    seqguard.guard(db)
    db.execute("INSERT INTO t VALUES (%s)", [beyond])
    assert one(db, "INSERT INTO t DEFAULT VALUES RETURNING id") == 1


def test_fix_drops_the_values_that_other_sessions_have_cached(db: Connection, dsn: str) -> None:
    db.execute("CREATE SEQUENCE s CACHE 10; CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('s'))")
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute("INSERT INTO t DEFAULT VALUES")
        db.execute("INSERT INTO t SELECT generate_series(2, 16)")
        seqguard.fix(db)
        assert one(other, "INSERT INTO t DEFAULT VALUES RETURNING id") == 17


def test_a_temporary_table_of_this_session_is_judged_and_repaired(db: Connection) -> None:
    db.execute("CREATE TEMPORARY TABLE t (id serial); INSERT INTO t VALUES (16)")
    assert [s.status for s in seqguard.check(db).sequences] == ["behind"]
    seqguard.fix(db)
    assert one(db, "INSERT INTO t DEFAULT VALUES RETURNING id") == 17


def test_a_margin_leaves_values_free_on_the_grid(db: Connection) -> None:
    db.execute(
        "CREATE SEQUENCE s INCREMENT 5; CREATE TABLE t (id int DEFAULT nextval('s')); INSERT INTO t VALUES (9)",
    )
    seqguard.fix(db, margin=3)
    assert one(db, "INSERT INTO t DEFAULT VALUES RETURNING id") == 26


def test_a_margin_goes_no_further_than_the_last_value(db: Connection) -> None:
    db.execute(
        "CREATE SEQUENCE s MAXVALUE 20; CREATE TABLE t (id int DEFAULT nextval('s')); INSERT INTO t VALUES (16)",
    )
    seqguard.fix(db, margin=1000)
    assert one(db, "INSERT INTO t DEFAULT VALUES RETURNING id") == 20
