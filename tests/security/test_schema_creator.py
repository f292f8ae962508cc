"""One who may create in public: shadows of everything that seqguard and its guards use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from conftest import Connection, Psql, one
from psycopg import errors

import seqguard
from seqguard.guarding import guard_new_tables, uninstall
from seqguard.script import sql_script

if TYPE_CHECKING:
    from attacker import Attacker

Canary = Callable[[], bool]
TRAP = " LANGUAGE plpgsql AS 'BEGIN PERFORM lair.boom(); RETURN NULL; END';"
FUNCTIONS = (
    "nextval(regclass) RETURNS bigint",
    "nextval(text) RETURNS bigint",
    "setval(regclass, bigint) RETURNS bigint",
    "setval(regclass, bigint, boolean) RETURNS bigint",
    "pg_sequence_last_value(regclass) RETURNS bigint",
    "has_sequence_privilege(oid, text) RETURNS boolean",
    "has_sequence_privilege(oid, oid, text) RETURNS boolean",
    "set_config(text, text, boolean) RETURNS text",
    "current_setting(text) RETURNS text",
    "format(text) RETURNS text",
    "format(text, text) RETURNS text",
    "format(text, VARIADIC text[]) RETURNS text",
    "quote_literal(text) RETURNS text",
    "quote_ident(text) RETURNS text",
    "to_regclass(text) RETURNS regclass",
    "obj_description(oid, name) RETURNS text",
    "pg_get_userbyid(oid) RETURNS name",
    "concat(text, text) RETURNS text",
    "substring(text, text) RETURNS text",
    "div(numeric, numeric) RETURNS numeric",
    "sign(numeric) RETURNS numeric",
    "floor(numeric) RETURNS numeric",
    "guard(regclass) RETURNS text",
    "advance() RETURNS bigint",
    "version() RETURNS text",
    "judge(bigint) RETURNS bigint",
)
TYPES = ("integer", "bigint", "numeric", "oid", "name", "text", '"char"', "smallint", "regclass", "boolean")
OPERATORS = ("=", "<>", "<", "<=", ">", ">=", "||", "+", "-", "*", "/", "~", "~~", "!~")


def shadows() -> str:
    """Functions, operators, an aggregate, types, domains and relations named as PostgreSQL's own."""
    made = [f"CREATE FUNCTION public.{function}{TRAP}" for function in FUNCTIONS]
    for number, kind in enumerate(TYPES):
        made.append(f"CREATE FUNCTION public.trap_{number}({kind}, {kind}) RETURNS boolean{TRAP}")
        made += [
            f"CREATE OPERATOR public.{op} (LEFTARG = {kind}, RIGHTARG = {kind}, FUNCTION = public.trap_{number});"
            for op in OPERATORS
        ]
    made.append(f"CREATE FUNCTION public.step(int, int) RETURNS int{TRAP}")
    made += [
        f"CREATE AGGREGATE public.{name}(int) (SFUNC = public.step, STYPE = int);"
        for name in ("max", "min", "count")
    ]
    made += [
        "CREATE DOMAIN public.regclass AS text CHECK (lair.boom() = 1);",
        "CREATE DOMAIN public.int8 AS pg_catalog.int8 CHECK (lair.boom() = 1);",
        "CREATE DOMAIN public.oid AS pg_catalog.oid CHECK (lair.boom() = 1);",
        "CREATE TYPE public.name AS (a int);",
        *(
            f"CREATE VIEW public.{name} AS SELECT c.* FROM pg_catalog.{name} AS c, lair.boom();"
            for name in (
                "pg_class",
                "pg_depend",
                "pg_trigger",
                "pg_sequence",
                "pg_namespace",
                "pg_proc",
                "pg_roles",
            )
        ),
    ]
    return "\n".join(made)


@pytest.fixture
def shadowed(db: Connection, attacker: Attacker) -> Connection:
    """A database whose public schema the attacker has filled, with a table that is behind."""
    db.execute("CREATE TABLE public.t (id serial PRIMARY KEY, note text); INSERT INTO t VALUES (100)")
    db.execute(f"GRANT CREATE ON SCHEMA public TO {attacker.name}")
    attacker.do("SET search_path = pg_catalog; " + shadows())
    return db


@pytest.mark.parametrize("path", ["public", "public, pg_catalog"])
def test_no_command_uses_what_shadows_postgresqls_own(shadowed: Connection, canary: Canary, path: str) -> None:
    shadowed.execute(f"SET search_path = {path}".encode())
    assert "behind" in {report.status for report in seqguard.check(shadowed).sequences}
    assert seqguard.fix(shadowed).in_sync
    guard_new_tables(shadowed)
    assert {guard.state for guard in seqguard.guard(shadowed)} == {"installed"}
    shadowed.execute("SELECT * FROM seqguard.check(); SELECT * FROM seqguard.fix()")
    shadowed.execute("CALL seqguard.guard_all()")
    shadowed.execute("CREATE TABLE public.u (id pg_catalog.int4 GENERATED ALWAYS AS IDENTITY)")
    shadowed.execute("INSERT INTO public.t (id) VALUES (110), (9000)")
    uninstall(shadowed)
    assert not canary()


def test_the_shadows_do_catch_what_looks_for_them(shadowed: Connection, canary: Canary) -> None:
    shadowed.execute("SET search_path = public, pg_catalog; SELECT 'a'::text = 'b'::text")
    assert canary()


def test_the_script_uses_nothing_that_shadows(shadowed: Connection, canary: Canary, psql: Psql) -> None:
    psql(f"{shadowed.info.dsn} options='-c search_path=public,pg_catalog'", sql_script())
    assert not canary()
    shadowed.execute("SET search_path = pg_catalog")
    assert one(shadowed, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'sync_t%'") == 1


# schema seqguard, prepared by somebody else

PREPARED = {
    "function": "CREATE FUNCTION seqguard.version() RETURNS text LANGUAGE sql AS 'SELECT lair.boom()::text'",
    "trigger function": """CREATE FUNCTION seqguard.advance() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM lair.boom(); RETURN NULL; END'""",
    "overload": """CREATE FUNCTION seqguard.install_guard(int, text, int, int, text, text, text) RETURNS void
        LANGUAGE sql AS 'SELECT lair.boom()'""",
    "table": "CREATE TABLE seqguard.turn ()",
    "view": "CREATE VIEW seqguard.guards AS SELECT lair.boom() AS table_oid",
    "type": "CREATE TYPE seqguard.guards AS (a int)",
    "nothing but a grant": "SELECT",
}


@pytest.fixture
def prepared(db: Connection, attacker: Attacker, request: pytest.FixtureRequest) -> Connection:
    """A schema seqguard that an administrator took over with what the attacker had put in it."""
    db.execute("CREATE TABLE public.t (id serial)")
    attacker.do("CREATE SCHEMA seqguard; " + PREPARED[request.param])
    if request.param == "nothing but a grant":
        attacker.do(f"GRANT CREATE ON SCHEMA seqguard TO {attacker.name}")
        db.execute("ALTER SCHEMA seqguard OWNER TO postgres")
        db.execute(f"GRANT CREATE ON SCHEMA seqguard TO {attacker.name}")
    db.execute("ALTER SCHEMA seqguard OWNER TO postgres")
    return db


@pytest.mark.parametrize("prepared", PREPARED, indirect=True)
def test_a_schema_in_which_others_have_a_say_is_refused(
    prepared: Connection, attacker: Attacker, canary: Canary
) -> None:
    with pytest.raises(seqguard.SeqguardError, match=f"schema seqguard holds objects of {attacker.name}"):
        seqguard.guard(prepared)
    seqguard.guards(prepared)
    assert not canary()


@pytest.mark.parametrize("prepared", PREPARED, indirect=True)
def test_the_script_stops_at_a_schema_in_which_others_have_a_say(
    prepared: Connection, canary: Canary, psql: Psql
) -> None:
    with pytest.raises(AssertionError, match=r"\(2, 'WARNING"):  # the connection is gone
        psql(prepared.info.dsn, sql_script())
    assert one(prepared, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'sync_%'") == 0
    assert not canary()


def test_default_privileges_give_nobody_a_part_in_the_guard(db: Connection, attacker: Attacker) -> None:
    for kind in ("FUNCTIONS", "TABLES", "SCHEMAS"):
        db.execute(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON {kind} TO {attacker.name}")
    db.execute("CREATE TABLE public.t (id serial)")
    seqguard.guard(db)
    for forbidden in (
        "CREATE TABLE seqguard.x ()",
        "DO $$BEGIN LOCK TABLE seqguard.turn IN ACCESS EXCLUSIVE MODE; END$$",
        """CREATE TABLE lair.b (id int); CREATE TRIGGER x AFTER INSERT ON lair.b FOR EACH ROW
           WHEN (NEW.id > pg_sequence_last_value('public.t_id_seq')) EXECUTE FUNCTION seqguard.advance()""",
    ):
        with pytest.raises((errors.InsufficientPrivilege, errors.UndefinedTable)):
            attacker.do(forbidden)


def test_a_stranger_with_connect_alone_sees_and_moves_nothing(db: Connection, stranger: Connection) -> None:
    db.execute("CREATE SCHEMA app; CREATE TABLE app.t (id serial); INSERT INTO app.t VALUES (5)")
    seqguard.guard(db)
    (sequence,) = seqguard.check(stranger).sequences
    assert sequence.status == "unreadable"
    assert sequence.furthest is sequence.last_value is None
    for call in (
        "SELECT seqguard.check()",
        "SELECT seqguard.fix()",
        "SELECT seqguard.guard('app.t')",
        "CALL seqguard.guard_all()",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            stranger.execute(call.encode())
