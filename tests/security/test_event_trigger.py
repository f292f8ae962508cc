"""guard --new-tables: DDL of an ordinary role runs nothing of his with the rights of the superuser."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest import one, rows
from test_table_owner import TRAPS

from seqguard.guarding import guard_new_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from attacker import Attacker
    from conftest import Connection


@pytest.mark.parametrize("trap", TRAPS)
def test_tables_with_traps_are_followed_without_running_them(
    db: Connection, attacker: Attacker, canary: Callable[[], bool], trap: str
) -> None:
    guard_new_tables(db)
    attacker.do("CREATE SEQUENCE s")
    for statement in (TRAPS[trap], "ALTER SEQUENCE s INCREMENT 2", "ALTER TABLE t ALTER x SET DEFAULT 2"):
        with suppress(psycopg.Error):  # not every trap has each column; what counts is the canary
            attacker.do(statement)
    assert not canary()


def test_the_event_trigger_gives_no_guard_on_a_sequence_of_another_role(
    db: Connection, attacker: Attacker
) -> None:
    guard_new_tables(db)
    db.execute(
        f"CREATE TABLE users (id serial); GRANT USAGE, SELECT ON SEQUENCE users_id_seq TO {attacker.name}"
    )
    attacker.do("CREATE TABLE t (id int DEFAULT nextval('public.users_id_seq')); INSERT INTO t VALUES (5000)")
    assert one(db, "SELECT last_value FROM public.users_id_seq") == 1
    assert rows(db, "SELECT tgname FROM pg_trigger WHERE tgrelid = 'lair.t'::regclass") == []


@pytest.mark.parametrize(
    ("ddl", "made"),
    [
        ("CREATE SCHEMA seqguard_new", "to_regnamespace('seqguard_new')"),
        ("CREATE TABLE x AS SELECT 1 AS id", "to_regclass('lair.x')"),
    ],
)
def test_other_ddl_of_his_goes_on(db: Connection, attacker: Attacker, ddl: str, made: str) -> None:
    guard_new_tables(db)
    attacker.do(ddl)
    assert one(db, f"SELECT {made} IS NOT NULL")


def test_the_event_triggers_functions_are_not_his_to_call_or_change(db: Connection, attacker: Attacker) -> None:
    guard_new_tables(db)
    own = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'seqguard'::regnamespace AND prosecdef"
    assert one(db, f"{own} AND has_function_privilege('{attacker.name}', oid, 'EXECUTE')") == 0
    assert one(db, f"{own} AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = proowner)") == 0
