"""A table owner who is no superuser: whoever checks, fixes or guards his tables runs none of his code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from conftest import one, rows
from psycopg import errors

import seqguard
from seqguard import pg
from seqguard.checking import read
from seqguard.guarding import guard_new_tables, install, uninstall
from seqguard.render.as_sql import repairs
from seqguard.script import sql_script

if TYPE_CHECKING:
    from attacker import Attacker
    from conftest import Connect, Connection, Psql

Verb = Callable[["Connection"], object]


def by_sql(db: Connection) -> None:
    """check and fix as psql users call them."""
    install(db)
    db.execute("SELECT * FROM seqguard.check(); SELECT * FROM seqguard.fix()")
    db.execute("CALL seqguard.guard_all()")


VERBS: dict[str, Verb] = {
    "check": seqguard.check,
    "fix": seqguard.fix,
    "guard": seqguard.guard,
    "in SQL": by_sql,
    "unguard": lambda db: (seqguard.guard(db), uninstall(db)),
}
PLAIN = "CREATE TABLE t (id serial PRIMARY KEY, x int); INSERT INTO t VALUES (10, 2); "
PARTS = "CREATE TABLE t (id int DEFAULT nextval('s'), x int) PARTITION BY RANGE ({}); "
TRAPS = {
    "index expression": PLAIN + "CREATE INDEX ON t ((x + lair.evil(1)))",
    "index predicate": PLAIN + "CREATE INDEX ON t (x) WHERE x > lair.evil(1)",
    "operator in an index": PLAIN
    + """CREATE FUNCTION plus(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
             'BEGIN PERFORM lair.boom(); RETURN $1 + $2; END';
         CREATE OPERATOR lair.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = plus);
         CREATE INDEX ON t ((x + (1 OPERATOR(lair.+) 1)))""",
    "function that is inlined": PLAIN
    + """CREATE FUNCTION wrap(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + lair.evil(1)';
         CREATE INDEX ON t (wrap(x))""",
    "extended statistics": PLAIN + "CREATE STATISTICS e ON (x + lair.evil(1)), id FROM t; ANALYZE t",
    "check constraint": "CREATE TABLE t (id serial, x int CHECK (x > lair.evil(1))); INSERT INTO t VALUES (10, 2)",
    "partition key": PARTS.format("(x + lair.evil(1))") + "CREATE TABLE p PARTITION OF t DEFAULT",
    "key of a partition": PARTS.format("x")
    + "CREATE TABLE p PARTITION OF t DEFAULT PARTITION BY RANGE ((x + lair.evil(1)))",
    "partition's index": PARTS.format("x")
    + "CREATE TABLE p PARTITION OF t DEFAULT; CREATE INDEX ON p ((x + lair.evil(1)))",
    "partition's constraint": PARTS.format("x")
    + "CREATE TABLE p PARTITION OF t DEFAULT; ALTER TABLE p ADD CHECK (x > lair.evil(1))",
    "row security": PLAIN
    + """ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         CREATE POLICY p ON t USING (lair.evil(1) = 1)""",
    "generated column": "CREATE TABLE t (id serial, x int GENERATED ALWAYS AS (lair.evil(1)) STORED)",
    "another default": "CREATE TABLE t (id serial, x int DEFAULT lair.evil(1)); INSERT INTO t DEFAULT VALUES",
    "domain": """CREATE DOMAIN d AS numeric CHECK (VALUE > lair.evil(-10));
                 CREATE TABLE t (id d DEFAULT nextval('s')); INSERT INTO t VALUES (10)""",
    "trigger": PLAIN
    + """CREATE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM lair.boom(); RETURN NEW; END';
         CREATE TRIGGER a BEFORE INSERT OR UPDATE OR DELETE ON t EXECUTE FUNCTION tr()""",
    "rule": PLAIN + "CREATE RULE r AS ON INSERT TO t DO ALSO SELECT lair.boom()",
    "view": PLAIN
    + "CREATE VIEW v AS SELECT id, lair.boom() AS x FROM t; ALTER VIEW v ALTER id SET DEFAULT nextval('s')",
    "casts of his types": """
        CREATE TYPE lair.text AS (s varchar); CREATE TYPE lair.int8 AS RANGE (subtype = int4);
        CREATE FUNCTION a(lair.text) RETURNS pg_catalog.text LANGUAGE sql AS 'SELECT lair.boom()::text';
        CREATE CAST (lair.text AS pg_catalog.text) WITH FUNCTION a(lair.text) AS IMPLICIT;
        CREATE FUNCTION b(lair.int8) RETURNS int LANGUAGE sql AS 'SELECT lair.boom()';
        CREATE CAST (lair.int8 AS int) WITH FUNCTION b(lair.int8) AS IMPLICIT;
        CREATE FUNCTION c(bigint) RETURNS lair.text LANGUAGE sql AS 'SELECT ROW ($1)::lair.text';
        CREATE CAST (bigint AS lair.text) WITH FUNCTION c(bigint) AS ASSIGNMENT;
        CREATE FUNCTION d(bigint) RETURNS lair.int8 LANGUAGE sql AS $$SELECT '[1,2)'::lair.int8$$;
        CREATE CAST (bigint AS lair.int8) WITH FUNCTION d(bigint) AS ASSIGNMENT;
        CREATE TABLE t (id lair.text DEFAULT nextval('s')); INSERT INTO t DEFAULT VALUES;
        CREATE TABLE u (id lair.int8 DEFAULT nextval('s')); INSERT INTO u DEFAULT VALUES""",
}


def test_the_canary_sings(db: Connection, attacker: Attacker, canary: Callable[[], bool]) -> None:
    attacker.do("SELECT lair.evil(1); " + TRAPS["index expression"])
    assert not canary()
    db.execute("SELECT id FROM lair.t")
    assert canary()


@pytest.mark.parametrize("trap", TRAPS)
def test_a_superuser_runs_no_function_of_a_table_owner(
    db: Connection, connect: Connect, attacker: Attacker, canary: Callable[[], bool], trap: str
) -> None:
    if trap == "extended statistics" and db.info.server_version < 140000:
        pytest.skip("statistics on expressions came with PostgreSQL 14")
    attacker.do("CREATE SEQUENCE s; " + TRAPS[trap])
    for name, verb in VERBS.items():
        verb(connect())  # a session that has planned nothing yet
        assert not canary(), name
    assert one(db, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'sync_%'") == 0


@pytest.mark.usefixtures("canary")
def test_what_cannot_be_read_safely_is_told_with_the_role_that_can(db: Connection, attacker: Attacker) -> None:
    attacker.do(TRAPS["index expression"])
    (sequence,) = (s for s in seqguard.check(db).sequences if s.sequence == "lair.t_id_seq")
    assert sequence.status == "unreadable"
    assert "may run function lair.evil" in sequence.notes[0]
    assert f"run this as {attacker.name}" in sequence.notes[0]
    assert [s.status for s in seqguard.check(attacker.session).sequences if s.sequence == "lair.t_id_seq"] == [
        "behind"
    ]


def test_functions_of_a_superuser_in_an_index_are_no_obstacle(db: Connection, attacker: Attacker) -> None:
    db.execute("CREATE FUNCTION public.f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1'")
    attacker.do(PLAIN + "CREATE INDEX ON t (public.f(x))")
    assert [s.status for s in seqguard.check(db).sequences if s.sequence == "lair.t_id_seq"] == ["behind"]


# what he changes between the look at the catalogs and the reading or the repair

VIEW = """
    ALTER SEQUENCE t_id_seq RENAME TO other;
    CREATE VIEW t_id_seq AS SELECT 1::bigint AS last_value, false AS is_called FROM lair.boom()"""


@pytest.mark.parametrize("furthest", [10, 1_000_000])
def test_a_view_in_the_place_of_a_sequence_is_not_run_by_fix(
    db: Connection, attacker: Attacker, canary: Callable[[], bool], furthest: int
) -> None:
    attacker.do(f"CREATE TABLE t (id serial); INSERT INTO t VALUES ({furthest})")
    report = seqguard.check(db)
    attacker.do(VIEW)
    after = seqguard.fix(db, report)
    assert not canary()
    assert [s.repair.problem is not None for s in after.sequences if s.repair] == [True]


@pytest.mark.parametrize("furthest", [10, 1_000_000])
def test_a_view_in_the_place_of_a_sequence_is_not_run_by_the_dry_runs_sql(
    db: Connection, attacker: Attacker, canary: Callable[[], bool], psql: Psql, furthest: int
) -> None:
    attacker.do(f"CREATE TABLE t (id serial); INSERT INTO t VALUES ({furthest})")
    script = repairs(seqguard.check(db))
    attacker.do(VIEW)
    with pytest.raises(AssertionError, match=r"\(3, 'ERROR"):  # psql wants silence
        psql(db.info.dsn, script)
    assert not canary()


def test_another_table_in_a_schema_of_his_is_not_taken_for_ones_own(
    db: Connection, attacker: Attacker, canary: Callable[[], bool]
) -> None:
    db.execute("CREATE TABLE lair.t (id serial PRIMARY KEY); INSERT INTO lair.t VALUES (5)")
    facts = [fact for fact in pg.fed_columns(db, pg.Timeouts()) if fact.table]
    attacker.do("""
        ALTER SCHEMA lair RENAME TO away; CREATE SCHEMA lair;
        CREATE TYPE lair.evil AS RANGE (subtype = int4);
        CREATE FUNCTION lair.become(lair.evil) RETURNS int LANGUAGE sql AS 'SELECT away.boom()';
        CREATE CAST (lair.evil AS int) WITH FUNCTION lair.become(lair.evil) AS IMPLICIT;
        CREATE TABLE lair.t (id lair.evil); INSERT INTO lair.t VALUES ('[1,2)'); CREATE SEQUENCE lair.t_id_seq""")
    ((_, reading),) = read(db, facts, pg.Timeouts())
    assert not canary()
    assert reading.problem


# what he makes of the guard


def test_a_guard_of_another_owner_is_not_his_to_call(
    db: Connection, attacker: Attacker, canary: Callable[[], bool]
) -> None:
    db.execute("CREATE TABLE public.users (id serial)")
    attacker.do("CREATE TABLE t (id serial)")
    seqguard.guard(db)
    attacker.do("""
        ALTER TABLE t ALTER id DROP DEFAULT;
        ALTER TRIGGER sync_t_sequence ON t RENAME TO sync_users_sequence;
        ALTER TABLE t RENAME TO users; INSERT INTO users VALUES (5000)""")
    assert one(db, "SELECT last_value FROM public.users_id_seq") == 1
    assert not canary()


CASTS = {
    "to text": "CREATE FUNCTION c(evil_t) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lair.evil(1)::text'",
    "to bigint": "CREATE FUNCTION c(evil_t) RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT lair.evil(1)::bigint'",
    "to numeric": "CREATE FUNCTION c(evil_t) RETURNS numeric IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN lair.evil(1); END'",
    "none": "CREATE FUNCTION c(evil_t) RETURNS text LANGUAGE sql AS 'SELECT 1::text'",
}


@pytest.mark.parametrize("cast", CASTS)
def test_a_column_of_his_type_under_the_guarded_name_runs_no_cast_and_breaks_no_insert(
    db: Connection, attacker: Attacker, canary: Callable[[], bool], cast: str
) -> None:
    attacker.do(f"CREATE TYPE evil_t AS RANGE (subtype = int4); {CASTS[cast]}")
    if cast != "none":
        target = cast.removeprefix("to ")
        attacker.do(f"CREATE CAST (evil_t AS {target}) WITH FUNCTION c(evil_t) AS IMPLICIT")
    attacker.do("CREATE TABLE t (id serial, e evil_t)")
    seqguard.guard(db)
    attacker.do("ALTER TABLE t RENAME id TO old; ALTER TABLE t RENAME e TO id")
    attacker.do("INSERT INTO t (old, id) VALUES (20, '[1,2)'), (1000, '[1,2)')")
    assert not canary()
    assert one(db, "SELECT last_value FROM lair.t_id_seq") == 1000


MOVED_PARTITION = """
    ALTER TABLE r DETACH PARTITION p; ALTER TABLE p ALTER x SET DEFAULT 1;
    ALTER TRIGGER sync_p_sequence ON p RENAME TO sync_r_sequence; ALTER TABLE r RENAME id TO length"""


def test_a_partition_that_left_its_table_runs_no_function_in_a_columns_place(
    db: Connection, attacker: Attacker, canary: Callable[[], bool]
) -> None:
    attacker.do("""
        CREATE TABLE r (id serial, x int) PARTITION BY RANGE (x); CREATE TABLE p PARTITION OF r DEFAULT;
        CREATE FUNCTION become(p) RETURNS text LANGUAGE plpgsql AS
            $$BEGIN PERFORM lair.boom(); RETURN '5'; END$$;
        CREATE CAST (p AS text) WITH FUNCTION become(p) AS IMPLICIT""")
    guard_new_tables(db)
    seqguard.guard(db)
    older = attacker.open()
    older.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
    with suppress(errors.UndefinedObject):  # a guard with other names of its own
        attacker.do(MOVED_PARTITION)
    older.execute("INSERT INTO p (id) VALUES (1000)")
    older.execute("COMMIT")
    assert not canary()


def test_the_owner_of_a_guarded_table_adds_attaches_and_detaches_partitions(
    db: Connection, attacker: Attacker
) -> None:
    attacker.do("CREATE TABLE r (id serial, x int) PARTITION BY RANGE (x); CREATE TABLE q (LIKE r)")
    seqguard.guard(db)
    attacker.do("CREATE TABLE p PARTITION OF r FOR VALUES FROM (0) TO (5)")
    attacker.do("ALTER TABLE r ATTACH PARTITION q DEFAULT; INSERT INTO q VALUES (500, 9)")
    assert one(db, "SELECT last_value FROM lair.r_id_seq") == 500
    attacker.do("ALTER TABLE r DETACH PARTITION p")


SWAP = """BEGIN; ALTER SCHEMA lair RENAME TO tmp; ALTER SCHEMA cage RENAME TO lair;
          ALTER SCHEMA tmp RENAME TO cage; COMMIT"""


def test_two_schemas_that_have_swapped_their_names_lead_no_guard_to_a_view(
    db: Connection, attacker: Attacker, canary: Callable[[], bool]
) -> None:
    attacker.do("""
        CREATE SCHEMA cage; CREATE TABLE lair.t (id serial);
        CREATE FUNCTION cage.boom() RETURNS int LANGUAGE plpgsql AS $$BEGIN
            IF current_user = 'postgres' THEN PERFORM setval('public.canary', 666); END IF; RETURN 1; END$$;
        CREATE VIEW cage.t_id_seq AS SELECT 1::bigint AS last_value, false AS is_called FROM cage.boom()""")
    seqguard.guard(db)
    older = attacker.open()
    older.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
    attacker.do(SWAP)
    older.execute("INSERT INTO cage.t VALUES (5000)")
    # the guard has run with a snapshot in which the sequence has the name that is now the view's
    schema = (
        "SELECT nspname FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid WHERE relkind = 'S'"
    )
    assert rows(older, f"{schema} AND relname = 't_id_seq'") == [("lair",)]
    older.execute("COMMIT")
    assert one(db, "SELECT last_value FROM cage.t_id_seq") == 5000
    assert not canary()


def test_a_script_run_by_a_superuser_runs_nothing_of_his(
    db: Connection, attacker: Attacker, canary: Callable[[], bool], psql: Psql
) -> None:
    attacker.do("CREATE SEQUENCE s; " + TRAPS["partition key"] + "; CREATE TABLE u (id serial, x int);"
                "CREATE INDEX ON u ((x + lair.evil(1)))")  # fmt: skip
    with pytest.raises(AssertionError, match=r"\(0, 'WARNING"):  # psql wants silence
        psql(db.info.dsn, sql_script())
    assert not canary()


def test_a_role_with_usage_on_a_sequence_cannot_have_it_driven_to_its_end(
    db: Connection, connect: Connect, attacker: Attacker
) -> None:
    db.execute(
        f"CREATE TABLE public.users (id serial); GRANT USAGE ON SEQUENCE users_id_seq TO {attacker.name}"
    )
    attacker.do("CREATE TABLE t (id bigint DEFAULT nextval('public.users_id_seq'))")
    attacker.do("INSERT INTO t VALUES (2000000000)")
    seqguard.fix(connect())
    seqguard.guard(connect())
    assert one(db, "SELECT last_value FROM public.users_id_seq") == 1
