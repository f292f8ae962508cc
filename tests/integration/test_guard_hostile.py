"""What others leave lying about is not run with the rights of the guard's owner, nor of whoever runs a command."""

from __future__ import annotations

import pytest
from conftest import Connect, Connection, Psql, one
from psycopg import errors
from test_guard_rights import states

import seqguard
from seqguard import pg
from seqguard.checking import read
from seqguard.guarding import uninstall
from seqguard.script import sql_script

# hostile objects

_TRAPS = [
    *(
        f"FUNCTION evil.{name} RETURNS bigint"
        for name in ("nextval(regclass)", "pg_sequence_last_value(regclass)")
    ),
    "FUNCTION evil.setval(regclass, bigint) RETURNS bigint",
    "FUNCTION evil.has_sequence_privilege(oid, text) RETURNS boolean",
    "FUNCTION evil.has_sequence_privilege(regclass, text) RETURNS boolean",
    "FUNCTION evil.pg_advisory_xact_lock(int, int) RETURNS void",
    "FUNCTION evil.format(text, VARIADIC text[]) RETURNS text",
    "FUNCTION evil.div(numeric, numeric) RETURNS numeric",
    "FUNCTION evil.sign(numeric) RETURNS numeric",
    "FUNCTION evil.substring(text, text) RETURNS text",
    "FUNCTION evil.max(int) RETURNS int",
]


_TYPES = ("int", "bigint", "numeric", "oid", "name", "text", '"char"', "smallint")


_OPERATORS = ("=", "<>", "<", "<=", ">", ">=")


@pytest.fixture
def hostile(db: Connection) -> str:
    """A search_path whose first schema shadows functions and operators with traps."""
    trap = " LANGUAGE plpgsql AS 'BEGIN RAISE ''trapped''; END'"
    statements = ["CREATE SCHEMA evil", "GRANT USAGE ON SCHEMA evil TO PUBLIC"]
    statements += [f"CREATE {definition}{trap}" for definition in _TRAPS]
    for number, kind in enumerate(_TYPES):
        statements.append(f"CREATE FUNCTION evil.trap_{number}({kind}, {kind}) RETURNS boolean{trap}")
        statements += [
            f"CREATE OPERATOR evil.{operator} (LEFTARG={kind}, RIGHTARG={kind}, FUNCTION=evil.trap_{number})"
            for operator in _OPERATORS
        ]
    db.execute(";\n".join(statements))
    return "SET search_path = evil, public, pg_catalog"


@pytest.mark.parametrize("query", ["SELECT 1 = 1", "SELECT sign(1.0)", "SELECT nextval('pg_class'::regclass)"])
def test_the_traps_do_snap(db: Connection, hostile: str, query: str) -> None:
    db.execute(hostile)
    with pytest.raises(errors.RaiseException, match="trapped"):
        db.execute(query)


@pytest.mark.parametrize("column", ["int DEFAULT nextval('s')", "text DEFAULT 'A' || nextval('s')"])
def test_an_insert_with_a_hostile_search_path_moves_the_sequence(
    db: Connection, connect: Connect, role: str, hostile: str, column: str
) -> None:
    db.execute(f"CREATE SEQUENCE public.s; CREATE TABLE public.t (id {column})")
    db.execute(f"GRANT INSERT ON t TO {role}")
    seqguard.guard(db)
    inserter = connect(user=role)
    inserter.execute(hostile)
    for number in (5, 5000):  # by nextval and by setval
        value = f"A{number}" if column.startswith("text") else number
        inserter.execute("INSERT INTO t (id) VALUES (%s)", [value])
        assert one(db, "SELECT last_value FROM s") == number


def test_commands_run_with_a_hostile_search_path(db: Connection, hostile: str) -> None:
    db.execute("CREATE TABLE t (id serial); INSERT INTO t VALUES (1000), (DEFAULT)")
    db.execute(hostile)
    assert [report.status for report in seqguard.check(db).sequences] == ["behind"]
    assert seqguard.fix(db).in_sync
    assert [guard.state for guard in seqguard.guard(db)] == ["installed"]
    assert [guard.state for guard in uninstall(db)] == ["missing"]
    assert one(db, "SHOW search_path") == "evil, public, pg_catalog"


def test_the_script_runs_with_a_hostile_search_path(db: Connection, psql: Psql, hostile: str) -> None:
    db.execute("CREATE TABLE public.t (id serial); INSERT INTO t VALUES (1000)")
    psql(f"{db.info.dsn} options='-c search_path=evil,public,pg_catalog'", sql_script())
    assert hostile
    assert states(db) == {"public.t": "installed"}
    assert one(db, "SELECT last_value FROM public.t_id_seq") == 1000


# what a table owner makes of a transaction whose snapshot is older than his DDL

EVIL = """
    CREATE TYPE {role}.evil AS (a int);
    CREATE FUNCTION {role}.become({role}.evil) RETURNS text LANGUAGE plpgsql AS
        $$BEGIN EXECUTE 'ALTER ROLE {role} SUPERUSER'; RETURN '5'; END$$;
    CREATE CAST ({role}.evil AS text) WITH FUNCTION {role}.become({role}.evil);
    CREATE TABLE {role}.t (length serial, v text)"""


SWAPS = {
    "another trigger takes the guard's name": (
        """ALTER TABLE {role}.t ADD e {role}.evil;
           CREATE FUNCTION {role}.noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
           CREATE TRIGGER x AFTER INSERT ON {role}.t FOR EACH ROW WHEN (NEW.e IS NOT NULL
               AND pg_sequence_last_value('{role}.t_length_seq'::regclass) IS NULL)
               EXECUTE FUNCTION {role}.noop()""",
        """ALTER TRIGGER x ON {role}.t RENAME TO y; ALTER TRIGGER sync_t_sequence ON {role}.t RENAME TO x""",
        "INSERT INTO {role}.t (length, e) VALUES (1000, ROW (1)::{role}.evil)",
    ),
    "another column takes the column's name": (
        "SELECT",
        "ALTER TABLE {role}.t RENAME length TO old; ALTER TABLE {role}.t ADD length {role}.evil",
        "INSERT INTO {role}.t (old, length) VALUES (1000, ROW (1)::{role}.evil)",
    ),
    "a function takes the column's name": (
        """CREATE FUNCTION {role}.become({role}.t) RETURNS text LANGUAGE plpgsql AS
               $$BEGIN EXECUTE 'ALTER ROLE {role} SUPERUSER'; RETURN '5'; END$$;
           CREATE CAST ({role}.t AS text) WITH FUNCTION {role}.become({role}.t) AS IMPLICIT""",
        "ALTER TABLE {role}.t RENAME length TO other",
        "INSERT INTO {role}.t (other) VALUES (1000)",
    ),
}


@pytest.mark.parametrize("swap", SWAPS)
def test_a_table_owner_never_runs_code_as_the_owner_of_the_guard(
    db: Connection, connect: Connect, role: str, swap: str
) -> None:
    db.execute(f"CREATE SCHEMA AUTHORIZATION {role}")
    user, other = connect(user=role), connect(user=role)
    before, meanwhile, insert = (part.format(role=role) for part in SWAPS[swap])
    user.execute(EVIL.format(role=role))
    user.execute(before)
    seqguard.guard(db)
    user.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
    other.execute(meanwhile)
    user.execute(insert)
    user.execute("COMMIT")
    assert one(db, "SELECT rolsuper FROM pg_roles WHERE rolname = %s", [role]) is False


# what a table owner makes of a superuser who checks

CHANGES = {
    "a view takes the table's name": (
        "ALTER TABLE {role}.t RENAME TO old; CREATE VIEW {role}.t AS SELECT {role}.become() AS id"
    ),
    "a column of his type takes the column's name": (
        """CREATE TYPE {role}.mine AS RANGE (subtype = int4);
           CREATE FUNCTION {role}.to_int({role}.mine) RETURNS int LANGUAGE sql AS 'SELECT {role}.become()';
           CREATE CAST ({role}.mine AS int) WITH FUNCTION {role}.to_int({role}.mine) AS IMPLICIT;
           ALTER TABLE {role}.t RENAME id TO old; ALTER TABLE {role}.t ADD id {role}.mine DEFAULT '[1,2)'"""
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_superuser_who_checks_never_runs_a_table_owners_code(
    db: Connection, connect: Connect, role: str, change: str
) -> None:
    db.execute(f"CREATE SCHEMA AUTHORIZATION {role}")
    user = connect(user=role)
    user.execute(f"""
        CREATE FUNCTION {role}.become() RETURNS int LANGUAGE plpgsql AS
            $$BEGIN EXECUTE 'ALTER ROLE {role} SUPERUSER'; RETURN 5; END$$;
        CREATE TABLE {role}.t (id serial); INSERT INTO {role}.t VALUES (1)""")
    (fact,) = pg.fed_columns(db, pg.Timeouts(), guards=True)
    user.execute(CHANGES[change].format(role=role))
    ((_, reading),) = read(db, [fact], pg.Timeouts())
    assert reading.problem
    assert one(db, "SELECT rolsuper FROM pg_roles WHERE rolname = %s", [role]) is False
