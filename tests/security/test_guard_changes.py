"""What a table owner changes between the planning of a guard and its installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import rows
from psycopg import errors

from seqguard import pg
from seqguard.guarding import install

if TYPE_CHECKING:
    from collections.abc import Callable

    from attacker import Attacker
    from conftest import Connection

TRIGGERS = "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal"
EVIL_TYPE = """
    CREATE TYPE evil AS RANGE (subtype = int4);
    CREATE FUNCTION c(evil) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT lair.evil(1)';
    CREATE CAST (evil AS int) WITH FUNCTION c(evil) AS IMPLICIT;
    ALTER TABLE t ALTER id DROP DEFAULT; ALTER TABLE t ALTER id TYPE evil USING NULL"""
RETYPED = {
    "a type of his": ("serial", EVIL_TYPE),
    "numeric": ("serial", "ALTER TABLE t ALTER id TYPE numeric"),
    "date": (
        "numeric DEFAULT nextval('public.s')",
        "ALTER TABLE t ALTER id DROP DEFAULT; ALTER TABLE t ALTER id TYPE date USING NULL",
    ),
}


@pytest.mark.parametrize("change", RETYPED)
def test_a_column_of_another_type_than_planned_is_refused(
    db: Connection, attacker: Attacker, canary: Callable[[], bool], change: str
) -> None:
    column, statements = RETYPED[change]
    db.execute(f"CREATE SEQUENCE public.s; GRANT ALL ON SEQUENCE public.s TO {attacker.name}")
    attacker.do(f"CREATE TABLE t (id {column})")
    install(db)
    (fact,) = (found for found in pg.fed_columns(db, pg.Timeouts(), guards=True) if found.table == "lair.t")
    attacker.do(statements)
    with pytest.raises(errors.DatatypeMismatch, match=r"column id of table lair\.t was changed"):
        pg.install_guard(db, fact, pg.Timeouts())
    assert rows(db, TRIGGERS) == []
    assert not canary()


SWAPPING = """
    CREATE FUNCTION public.swap() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
        ALTER SCHEMA {0} RENAME TO tmp; ALTER SCHEMA {1} RENAME TO {0}; ALTER SCHEMA tmp RENAME TO {1}; END$$;
    CREATE EVENT TRIGGER swap ON ddl_command_start WHEN TAG IN ('CREATE TRIGGER')
        EXECUTE FUNCTION public.swap()"""


@pytest.mark.parametrize("schemas", [("lair", "cage"), ("counters", "fakes")])
def test_a_schema_that_is_renamed_between_the_statements_leaves_no_guard_elsewhere(
    db: Connection, schemas: tuple[str, str]
) -> None:
    # an event trigger swaps the names where an attacker would have to hit the very instant
    db.execute("CREATE SCHEMA lair; CREATE SCHEMA cage; CREATE SCHEMA counters; CREATE SCHEMA fakes")
    db.execute("CREATE SEQUENCE counters.s; CREATE SEQUENCE fakes.s; CREATE TABLE cage.t (id int)")
    db.execute("CREATE TABLE lair.t (id int DEFAULT nextval('counters.s'))")
    install(db)
    (fact,) = (found for found in pg.fed_columns(db, pg.Timeouts(), guards=True) if found.table)
    db.execute(SWAPPING.format(*schemas).encode())
    with pytest.raises((errors.UndefinedTable, errors.UndefinedObject)):  # by whichever statement comes first
        pg.install_guard(db, fact, pg.Timeouts())
    assert rows(db, TRIGGERS) == []
