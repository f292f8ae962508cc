"""What cannot be read is told, never ok; the rest is judged all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest import one, rows

import seqguard
from seqguard.catalog import selected_columns
from seqguard.checking import read
from seqguard.errors import SeqguardError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Connect, Connection

SHORT = seqguard.Timeouts(lock=100)


@pytest.fixture
def reader(db: Connection, connect: Connect, role: str) -> Connection:
    """A session of a role that may read `data.t` and its sequence `counters.s`, and `public.u`."""
    db.execute("CREATE SCHEMA data; CREATE SCHEMA counters; CREATE SEQUENCE counters.s")
    db.execute("CREATE TABLE data.t (id int PRIMARY KEY DEFAULT nextval('counters.s'), secret text)")
    db.execute(
        "CREATE TABLE u (id serial PRIMARY KEY); INSERT INTO data.t VALUES (16); INSERT INTO u VALUES (9)"
    )
    db.execute(
        f"GRANT USAGE ON SCHEMA data, counters, public TO {role};"
        f"GRANT SELECT ON SEQUENCE counters.s, u_id_seq TO {role};"
        f"GRANT SELECT (id) ON data.t, u TO {role}".encode()
    )
    return connect(user=role)


def statuses(connection: Connection, timeouts: seqguard.Timeouts = SHORT) -> dict[str, str]:
    report = seqguard.check(connection, timeouts=timeouts)
    return {sequence.sequence: sequence.status for sequence in report.sequences}


def help_for_s(connection: Connection) -> str:
    """The statement that check says would make counters.s readable."""
    (sequence,) = (s for s in seqguard.check(connection).sequences if s.sequence == "counters.s")
    (note,) = (note for note in sequence.notes if note.startswith("unreadable: "))
    return note.removeprefix("unreadable: ")


MISSING = pytest.mark.parametrize(
    ("taken", "wanted"),
    [
        ("REVOKE USAGE ON SCHEMA counters FROM {}", "GRANT USAGE ON SCHEMA counters TO {}"),
        ("REVOKE USAGE ON SCHEMA data FROM {}", "GRANT USAGE ON SCHEMA data TO {}"),
        ("REVOKE SELECT ON SEQUENCE counters.s FROM {}", "GRANT SELECT ON SEQUENCE counters.s TO {}"),
        ("REVOKE SELECT (id) ON data.t FROM {}", "GRANT SELECT (id) ON TABLE data.t TO {}"),
    ],
    ids=["sequence's schema", "table's schema", "sequence", "column"],
)


def test_a_role_that_may_read_sequence_and_column_may_check(reader: Connection) -> None:
    assert statuses(reader) == {"counters.s": "behind", "public.u_id_seq": "behind"}


@MISSING
def test_without_a_privilege_a_sequence_is_unreadable_and_the_rest_judged(
    db: Connection, reader: Connection, role: str, taken: str, wanted: str
) -> None:
    db.execute(taken.format(role).encode())
    assert statuses(reader) == {"counters.s": "unreadable", "public.u_id_seq": "behind"}
    assert help_for_s(reader) == wanted.format(role)


@MISSING
def test_the_grant_that_is_told_helps(
    db: Connection, reader: Connection, role: str, taken: str, wanted: str
) -> None:
    db.execute(taken.format(role).encode())
    assert statuses(reader)["counters.s"] == "unreadable", wanted
    db.execute(help_for_s(reader).encode())
    assert statuses(reader)["counters.s"] == "behind"


def test_the_grant_is_told_with_quoted_names(db: Connection, reader: Connection, role: str) -> None:
    db.execute('ALTER TABLE data.t RENAME TO "it\'s 100%"; ALTER TABLE data."it\'s 100%" RENAME id TO "a""b"')
    db.execute(f'REVOKE SELECT ("a""b") ON data."it\'s 100%" FROM {role}'.encode())
    db.execute(help_for_s(reader).encode())
    assert statuses(reader)["counters.s"] == "behind"


def test_without_any_privilege_nothing_is_ok(db: Connection, connect: Connect, role: str) -> None:
    db.execute("CREATE TABLE t (id serial); CREATE TABLE u (id int GENERATED ALWAYS AS IDENTITY)")
    assert set(statuses(connect(user=role)).values()) == {"unreadable"}


def test_rows_hidden_by_a_policy_make_a_sequence_unreadable(
    db: Connection, reader: Connection, role: str
) -> None:
    db.execute("ALTER TABLE data.t ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON data.t USING (id < 5)")
    assert statuses(reader) == {"counters.s": "unreadable", "public.u_id_seq": "behind"}
    assert help_for_s(reader) == f"ALTER ROLE {role} BYPASSRLS"


def test_a_policy_that_is_forced_on_the_owner_makes_a_sequence_unreadable(
    db: Connection, reader: Connection, role: str
) -> None:
    db.execute(f"ALTER TABLE data.t OWNER TO {role}; GRANT UPDATE ON SEQUENCE counters.s TO {role}".encode())
    db.execute("ALTER TABLE data.t ENABLE ROW LEVEL SECURITY; ALTER TABLE data.t FORCE ROW LEVEL SECURITY")
    assert statuses(reader)["counters.s"] == "unreadable"


def test_a_policy_made_after_the_catalogs_were_read_hides_nothing(db: Connection, reader: Connection) -> None:
    facts = selected_columns(reader, seqguard.Selection(tables=("data.t",)), SHORT)
    db.execute("ALTER TABLE data.t ENABLE ROW LEVEL SECURITY")
    ((_, reading),) = read(reader, facts, SHORT)
    assert reading.problem == 'query would be affected by row-level security policy for table "t"'


def test_a_role_that_bypasses_policies_reads_all_rows(db: Connection, reader: Connection) -> None:
    db.execute("ALTER TABLE data.t ENABLE ROW LEVEL SECURITY")
    db.execute(help_for_s(reader).encode())
    assert statuses(reader)["counters.s"] == "behind"


@pytest.mark.parametrize(
    "statement", ["LOCK TABLE data.t", "DROP TABLE data.t", "ALTER TABLE data.t ADD x int"]
)
def test_a_table_that_another_session_has_locked_is_unreadable_and_the_rest_judged(
    connect: Connect, reader: Connection, statement: str
) -> None:
    other = connect()
    with other.transaction(force_rollback=True):
        other.execute(statement.encode())
        assert statuses(reader) == {"counters.s": "unreadable", "public.u_id_seq": "behind"}


def test_a_locked_table_holds_check_up_no_longer_than_the_lock_timeout(
    connect: Connect, reader: Connection
) -> None:
    other = connect()
    with other.transaction(force_rollback=True):
        other.execute("LOCK TABLE data.t")
        report = seqguard.check(reader, timeouts=seqguard.Timeouts(lock=50, statement=60_000))
    (sequence,) = (found for found in report.sequences if found.status == "unreadable")
    assert sequence.notes[0] == "unreadable: canceling statement due to lock timeout"


def test_check_in_sql_does_not_wait_for_a_locked_table_either(clone: Callable[[str], str]) -> None:
    dsn = clone("installed")
    with psycopg.connect(dsn, autocommit=True) as db, psycopg.connect(dsn) as other:
        db.execute("CREATE TABLE t (id serial); CREATE TABLE u (id serial); INSERT INTO u VALUES (9)")
        db.execute("SET statement_timeout = '60s'")
        other.execute("LOCK TABLE t")
        found = rows(db, "SELECT sequence::text, status FROM seqguard.check()")
    assert sorted(found) == [("t_id_seq", "unreadable"), ("u_id_seq", "behind")]


def test_the_statement_timeout_bounds_the_reading_of_a_column_without_an_index(db: Connection) -> None:
    db.execute("CREATE SEQUENCE s; CREATE TABLE u (id serial); INSERT INTO u VALUES (9)")
    db.execute("CREATE UNLOGGED TABLE t (id text DEFAULT 'A' || nextval('s'))")
    db.execute("INSERT INTO t SELECT 'A' || repeat('1', 8000) FROM generate_series(1, 10000)")
    for _ in range(5):
        db.execute("INSERT INTO t SELECT id FROM t")
    assert statuses(db, seqguard.Timeouts(statement=1_500)) == {
        "public.s": "unreadable",
        "public.u_id_seq": "behind",
    }


def test_a_column_without_an_index_is_judged_when_there_is_time(db: Connection) -> None:
    db.execute(
        "CREATE SEQUENCE s; CREATE TABLE t (id text DEFAULT 'A' || nextval('s')); INSERT INTO t VALUES ('A9')"
    )
    assert statuses(db, seqguard.Timeouts(statement=60_000)) == {"public.s": "behind"}


def test_a_read_only_session_can_check(connect: Connect, db: Connection) -> None:
    db.execute("CREATE TABLE t (id serial); INSERT INTO t VALUES (16)")
    assert statuses(connect(options="-c default_transaction_read_only=on")) == {"public.t_id_seq": "behind"}


def test_check_changes_nothing_in_the_callers_session(db: Connection) -> None:
    db.execute("SET lock_timeout = '7s'; SET search_path = nowhere; SET row_security = on")
    statuses(db)
    shown = [
        db.execute(f"SHOW {name}".encode()).fetchone()
        for name in ("lock_timeout", "search_path", "row_security")
    ]
    assert shown == [("7s",), ("nowhere",), ("on",)]


def test_check_works_in_the_callers_transaction_and_leaves_it_open(db: Connection) -> None:
    with db.transaction(force_rollback=True):
        db.execute("CREATE TABLE t (id serial); INSERT INTO t VALUES (16)")
        assert statuses(db) == {"public.t_id_seq": "behind"}
        assert db.info.transaction_status.name == "INTRANS"
    assert statuses(db) == {}


def test_progress_reaches_what_is_expected_also_when_a_sequence_is_unreadable(
    db: Connection, reader: Connection, role: str
) -> None:
    db.execute(f"REVOKE SELECT ON SEQUENCE counters.s FROM {role}".encode())
    expected: list[int] = []
    done: list[int] = []
    seqguard.check(reader, expect=expected.append, progress=done.append)
    assert (sum(expected), sum(done)) == (2, 2)


def test_what_fix_may_not_move_is_told_as_not_moved(db: Connection, reader: Connection) -> None:
    db.execute("ALTER SEQUENCE counters.s CACHE 2")
    expected: list[int] = []
    done: list[int] = []
    selection = seqguard.Selection(tables=("data.t",))
    report = seqguard.fix(reader, selection=selection, expect=expected.append, progress=done.append)
    (repair,) = (sequence.repair for sequence in report.sequences)
    assert repair == seqguard.Repair(
        problem="only its owner postgres can move it 16 steps: run fix as that role"
    )
    assert (sum(expected), sum(done)) == (1, 1)


@pytest.mark.parametrize(
    "setting", ["standard_conforming_strings = off", "quote_all_identifiers = on", "extra_float_digits = -15"]
)
def test_what_the_database_sets_changes_no_verdict(db: Connection, connect: Connect, setting: str) -> None:
    db.execute("CREATE TABLE users (id serial PRIMARY KEY)")
    db.execute("INSERT INTO users VALUES (16)")
    db.execute(f"ALTER DATABASE {db.info.dbname} SET {setting}".encode())
    other = connect()
    (before,) = seqguard.check(other).sequences
    assert (before.status, before.furthest) == ("behind", 16)
    seqguard.guard(other)
    other.execute("INSERT INTO users VALUES (100)")
    assert one(other, "INSERT INTO users DEFAULT VALUES RETURNING id") == 101


def test_a_connection_that_shows_names_as_bytes_is_refused(db: Connection) -> None:
    db.execute("SET client_encoding = 'SQL_ASCII'")
    with pytest.raises(SeqguardError, match="SET client_encoding = 'UTF8' first"):
        seqguard.check(db)


def test_a_connection_in_pipeline_mode_is_refused(db: Connection) -> None:
    with db.pipeline(), pytest.raises(SeqguardError, match="leave it first"):
        seqguard.check(db)
