"""Guards run with the rights of whoever owns schema seqguard: nobody gets at these, or has others wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import one, rows
from psycopg import errors

import seqguard
from seqguard import pg
from seqguard.guarding import guard_new_tables, install

if TYPE_CHECKING:
    from collections.abc import Callable

    from attacker import Attacker
    from conftest import Connect, Connection

ROOT = "CREATE TABLE t (id serial, x int) PARTITION BY RANGE (x)"
TRAP = "CREATE TABLE p PARTITION OF t DEFAULT PARTITION BY RANGE ((x + lair.evil(1)))"


def test_a_partition_with_a_trap_in_its_key_is_seen_when_it_comes_after_the_planning(
    db: Connection, connect: Connect, attacker: Attacker, canary: Callable[[], bool]
) -> None:
    attacker.do(ROOT)
    install(db)
    (fact,) = (found for found in pg.fed_columns(db, pg.Timeouts(), guards=True) if found.table == "lair.t")
    attacker.do(TRAP)
    with pytest.raises(errors.InsufficientPrivilege, match=r"calls function lair\.evil"):
        pg.install_guard(connect(), fact, pg.Timeouts())
    assert not canary()


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_partition_with_a_trap_in_its_key_is_not_hidden_by_an_old_snapshot(
    db: Connection, attacker: Attacker, canary: Callable[[], bool], level: str
) -> None:
    attacker.do(ROOT)
    guard_new_tables(db)
    older = attacker.open()
    older.execute(f"BEGIN ISOLATION LEVEL {level}; SELECT 1".encode())
    attacker.do(TRAP)
    older.execute("ALTER TABLE t ALTER x SET DEFAULT 1; COMMIT")
    assert not canary()
    assert rows(db, "SELECT tgname FROM pg_trigger WHERE tgrelid = 'lair.t'::regclass") == []


def test_no_schema_is_renamed_while_a_superuser_guards_a_table_in_it(
    db: Connection, attacker: Attacker
) -> None:
    attacker.do("CREATE TABLE t (id serial)")
    install(db)
    (fact,) = (found for found in pg.fed_columns(db, pg.Timeouts(), guards=True) if found.table == "lair.t")
    with db.transaction():
        pg.install_guard(db, fact, pg.Timeouts())
        with pytest.raises(errors.LockNotAvailable):
            attacker.do("SET lock_timeout = '100ms'; ALTER SCHEMA lair RENAME TO away")


def test_a_former_owners_right_to_the_sequence_is_of_no_use_to_the_next(
    db: Connection, attacker: Attacker
) -> None:
    team = f"{attacker.name}_team"
    try:
        db.execute(f"CREATE ROLE {team}; GRANT {team} TO {attacker.name}; CREATE SEQUENCE public.s")
        db.execute(f"GRANT UPDATE ON SEQUENCE public.s TO {team}; SELECT nextval('public.s')")
        db.execute(f"GRANT CREATE, USAGE ON SCHEMA lair TO {team}")
        attacker.do(f"CREATE TABLE t (id int DEFAULT nextval('public.s')); ALTER TABLE t OWNER TO {team}")
        seqguard.guard(db)
        attacker.do(f"ALTER TABLE t OWNER TO {attacker.name}")
        db.execute(f"REVOKE {team} FROM {attacker.name}")
        attacker.do("INSERT INTO t VALUES (500), (2000000000)")
        assert one(db, "SELECT last_value FROM public.s") == 1
    finally:
        db.execute(f"DROP OWNED BY {team}; DROP ROLE {team}")


BAIT = """
    CREATE TABLE bait (id int);
    CREATE TRIGGER x AFTER INSERT ON bait FOR EACH ROW
        WHEN ((NULL::public.users).id IS NULL OR 'public.users_id_seq'::regclass IS NULL)
        EXECUTE FUNCTION seqguard.advance();
    INSERT INTO bait VALUES (5000)"""


def test_a_trigger_of_his_own_that_names_somebody_elses_table_moves_nothing(
    db: Connection, attacker: Attacker
) -> None:
    db.execute("CREATE TABLE public.users (id serial)")
    attacker.do(ROOT)
    seqguard.guard(db)
    db.execute(f"GRANT USAGE ON SCHEMA seqguard TO {attacker.name}")  # for seqguard.check(), say
    attacker.do(BAIT)
    assert one(db, "SELECT last_value FROM public.users_id_seq") == 1


def test_default_privileges_give_nobody_a_part_in_functions_made_for_later_tables(
    db: Connection, attacker: Attacker
) -> None:
    db.execute(f"ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO {attacker.name}")
    try:
        guard_new_tables(db)
        attacker.do("CREATE TABLE t (number serial)")
        made = "seqguard.advance_up_number()"
        assert not one(db, f"SELECT has_function_privilege('{attacker.name}', '{made}', 'EXECUTE')")
    finally:
        db.execute(f"ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM {attacker.name}")


def test_partitioned_tables_made_at_once_are_guarded_without_waiting(
    db: Connection, attacker: Attacker
) -> None:
    guard_new_tables(db)
    attacker.do(ROOT)
    second = attacker.open()
    second.execute("BEGIN; CREATE TABLE u (id serial, x int) PARTITION BY RANGE (x)")
    attacker.do("CREATE TABLE v (id serial, x int) PARTITION BY RANGE (x)")
    second.execute("COMMIT")
    assert {str(guard.table): guard.state for guard in seqguard.guards(db)} == dict.fromkeys(
        ["lair.t", "lair.u", "lair.v"], "installed"
    )


def test_nothing_is_sent_to_a_client_while_its_guard_has_the_turn(db: Connection) -> None:
    # who does not read what he is sent would keep it, and all others' guards would wait
    install(db)
    said: list[str] = []
    db.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
    db.execute("CREATE SEQUENCE s; SET client_min_messages = debug5")
    db.execute("SELECT seqguard.advance_at_once('public.s', 1, 100000)")
    db.execute("RESET client_min_messages")
    assert any("CommitTransaction" in message for message in said)
    assert not any("SubTransaction" in message for message in said)
    assert one(db, "SELECT last_value FROM s") == 100000


ALTERED = ["CYCLE MAXVALUE 100", "INCREMENT -1 MINVALUE -1000000", "INCREMENT 7 CACHE 50", "MAXVALUE 100"]


@pytest.mark.parametrize("altered", ALTERED)
def test_a_sequence_that_its_owner_alters_stops_no_insert(
    db: Connection, connect: Connect, altered: str
) -> None:
    db.execute("CREATE TABLE t (id serial); INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES")
    seqguard.guard(db)
    older = connect()
    older.execute("SET statement_timeout = '60s'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
    db.execute(f"ALTER SEQUENCE t_id_seq {altered}; SET statement_timeout = '60s'")
    db.execute("INSERT INTO t VALUES (90), (150), (1000000)")
    older.execute("INSERT INTO t VALUES (95), (155), (1000005)")
    older.execute("COMMIT")
    assert rows(db, "SELECT id FROM t WHERE id > 2 ORDER BY id") == [
        (number,) for number in (90, 95, 150, 155, 1000000, 1000005)
    ]


def test_a_numeric_id_of_all_digits_that_there_are_stops_no_insert(db: Connection) -> None:
    db.execute("CREATE SEQUENCE s; CREATE TABLE t (id numeric DEFAULT nextval('s'))")
    seqguard.guard(db)
    for value in ("-" + "9" * 131072, "9" * 131072, "NaN"):
        db.execute("INSERT INTO t VALUES (%s::numeric)", [value])
    assert one(db, "SELECT count(*) FROM t") == 3


def test_a_column_with_a_nondeterministic_collation_is_guarded_and_read(db: Connection) -> None:
    try:
        db.execute("CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    except errors.FeatureNotSupported:
        pytest.skip("this server is built without ICU")
    db.execute("CREATE SEQUENCE s; CREATE TABLE t (code text COLLATE ci DEFAULT 'A-' || nextval('s'))")
    seqguard.guard(db)
    db.execute("INSERT INTO t DEFAULT VALUES")
    db.execute("INSERT INTO t VALUES ('A-50')")
    assert one(db, "SELECT last_value FROM s") == 50
    assert [sequence.status for sequence in seqguard.check(db).sequences] == ["ok"]
