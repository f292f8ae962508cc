"""Guards are installed, listed, mended, named and removed."""

from __future__ import annotations

import hashlib

import pytest
from conftest import Connect, Connection, one
from guarded import USERS, ordinary_insert, states

import seqguard
from seqguard.guarding import install, uninstall


@pytest.fixture
def users(db: Connection) -> Connection:
    """A database with a guarded table users(id serial, name)."""
    db.execute(USERS)
    seqguard.guard(db)
    return db


# the life of a guard


def test_installing_repairs_what_is_behind(db: Connection) -> None:
    db.execute(USERS)
    db.execute("INSERT INTO users VALUES (16)")
    seqguard.guard(db)
    assert ordinary_insert(db) == 17


EVERY_STATE = {
    "public.bare.id": "missing",
    "public.fine.id": "installed",
    "public.odd.id": "unguardable",
    "public.off.id": "disabled",
    "public.old.id": "outdated",
    "public.tampered.id": "outdated",
}


def make_every_state(db: Connection) -> None:
    for table in ("fine", "old", "off", "tampered"):
        db.execute(f"CREATE TABLE {table} (id serial)")
    seqguard.guard(db)
    db.execute("CREATE TABLE bare (id serial); CREATE TABLE odd (id int DEFAULT nextval('bare_id_seq') + 1)")
    db.execute("COMMENT ON TRIGGER sync_old_sequence ON old IS 'seqguard guard of long ago'")
    db.execute("ALTER TABLE off DISABLE TRIGGER sync_off_sequence")
    db.execute("ALTER TABLE tampered ENABLE TRIGGER sync_tampered_sequence")


def test_list_shows_every_state(db: Connection) -> None:
    make_every_state(db)
    assert states(db) == EVERY_STATE


def test_running_again_mends_every_state(db: Connection) -> None:
    make_every_state(db)
    seqguard.guard(db)
    assert set(states(db).values()) == {"installed", "unguardable"}
    db.execute("INSERT INTO off VALUES (100)")
    assert ordinary_insert(db, "off") == 101


def test_running_again_changes_nothing(users: Connection) -> None:
    triggers = "SELECT oid, xmin::text FROM pg_trigger ORDER BY oid"
    functions = "SELECT oid, xmin::text FROM pg_proc WHERE pronamespace = 'seqguard'::regnamespace ORDER BY oid"
    before = [users.execute(query).fetchall() for query in (triggers, functions)]
    seqguard.guard(users)
    assert [users.execute(query).fetchall() for query in (triggers, functions)] == before


def test_an_older_schema_is_brought_up_to_date_in_place(users: Connection) -> None:
    trigger = one(users, "SELECT oid FROM pg_trigger WHERE tgname = 'sync_users_sequence'")
    users.execute("""
        CREATE OR REPLACE FUNCTION seqguard.version() RETURNS text LANGUAGE sql AS $$SELECT '0.0.1'$$;
        DROP FUNCTION seqguard.fix; DROP FUNCTION seqguard.check;
        CREATE FUNCTION seqguard.check(long_gone int) RETURNS int LANGUAGE sql AS 'SELECT 1';
        ALTER VIEW seqguard.guards RENAME COLUMN state TO condition""")
    assert install(users)
    assert [row[0] for row in users.execute("SELECT state FROM seqguard.guards")] == ["installed"]
    assert users.execute("SELECT * FROM seqguard.check() WHERE status <> 'ok'").fetchall() == []
    assert one(users, "SELECT to_regprocedure('seqguard.check(int)')") is None
    assert one(users, "SELECT oid FROM pg_trigger WHERE tgname = 'sync_users_sequence'") == trigger


def test_a_second_guard_in_the_callers_transaction_is_undone_by_its_rollback(connect: Connect) -> None:
    db = connect()
    db.execute(USERS)
    with db.transaction(force_rollback=True):
        assert [guard.state for guard in seqguard.guard(db)] == ["installed"]
    assert states(db) == {"public.users.id": "missing"}


def test_a_column_that_takes_no_guard_any_more_loses_it(users: Connection) -> None:
    users.execute("ALTER SEQUENCE users_id_seq CYCLE")
    assert states(users) == {"public.users.id": "outdated"}
    seqguard.guard(users)
    assert states(users) == {"public.users.id": "unguardable"}


def test_an_altered_direction_makes_a_guard_outdated(users: Connection) -> None:
    users.execute("ALTER SEQUENCE users_id_seq INCREMENT -1 MINVALUE -1000 RESTART WITH -1")
    assert states(users) == {"public.users.id": "outdated"}
    seqguard.guard(users)
    users.execute("INSERT INTO users VALUES (-100)")
    assert ordinary_insert(users) == -101


def test_a_foreign_trigger_of_the_same_name_is_left_alone(db: Connection) -> None:
    db.execute(USERS)
    db.execute("CREATE TABLE posts (id serial)")
    db.execute("""
        CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER sync_users_sequence BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION theirs()""")
    posts, users = seqguard.guard(db)
    assert (posts.state, users.state) == ("installed", "missing")
    assert users.problem == (
        "table public.users already has a trigger sync_users_sequence that is not seqguard's."
        " DROP TRIGGER sync_users_sequence ON public.users"
    )
    assert (
        one(db, "SELECT tgfoid::regproc::text FROM pg_trigger WHERE tgname = 'sync_users_sequence'") == "theirs"
    )


# names


def guard_names(db: Connection) -> list[str]:
    """The names of all guards, as the runbook's query finds them."""
    seqguard.guard(db)
    found = db.execute(
        "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'sync_%_sequence' AND tgparentid = 0 ORDER BY tgname"
    )
    return [row[0] for row in found]


def test_the_runbook_query_lists_the_guards(db: Connection) -> None:
    for table in ("legacy_users", "legacy_posts"):
        db.execute(f"CREATE TABLE {table} (id serial)")
    seqguard.guard(db)
    assert db.execute(
        "SELECT tgname, tgrelid::regclass::text, tgenabled::text FROM pg_trigger"
        " WHERE tgname LIKE 'sync_%_sequence' ORDER BY tgname"
    ).fetchall() == [
        ("sync_legacy_posts_sequence", "legacy_posts", "A"),
        ("sync_legacy_users_sequence", "legacy_users", "A"),
    ]


def test_the_column_is_in_the_name_when_a_table_has_several(db: Connection) -> None:
    db.execute("CREATE TABLE t (id serial, number serial)")
    assert guard_names(db) == ["sync_t_id_sequence", "sync_t_number_sequence"]


def test_a_second_fed_column_added_later_leaves_the_first_name(users: Connection) -> None:
    users.execute("ALTER TABLE users ADD number serial")
    assert guard_names(users) == ["sync_users_number_sequence", "sync_users_sequence"]


@pytest.mark.parametrize("letter", ["x", "ü", "漢"])
def test_a_name_past_63_bytes_is_shortened_with_a_hash(db: Connection, letter: str) -> None:
    table = letter * (63 // len(letter.encode()))
    db.execute(f'CREATE TABLE "{table}" (id serial, number serial)')
    names = guard_names(db)
    assert len(names) == 2
    assert all(len(name.encode()) <= 63 for name in names)
    digests = sorted(hashlib.md5(f"{table}_{column}".encode()).hexdigest()[:8] for column in ("id", "number"))
    assert sorted(name.split("_")[-2] for name in names) == digests


@pytest.mark.parametrize("length", [49, 50])
def test_a_name_of_63_bytes_is_kept_whole(db: Connection, length: int) -> None:
    table = "t" * length
    db.execute(f"CREATE TABLE {table} (id serial)")
    assert (guard_names(db) == [f"sync_{table}_sequence"]) == (length == 49)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE users DISABLE TRIGGER sync_users_sequence",
        "DROP TRIGGER IF EXISTS sync_users_sequence ON users",
    ],
)
def test_a_guard_switched_off_by_hand_no_longer_moves_the_sequence(users: Connection, statement: str) -> None:
    users.execute(statement)
    users.execute("INSERT INTO users VALUES (100)")
    assert ordinary_insert(users) == 1


# removing


def test_unguard_removes_the_guards_of_one_table(users: Connection) -> None:
    users.execute("CREATE TABLE posts (id serial)")
    seqguard.guard(users)
    removed = seqguard.unguard(users, "users")
    assert [(guard.name, guard.state) for guard in removed] == [("sync_users_sequence", "missing")]
    assert states(users) == {"public.posts.id": "installed", "public.users.id": "missing"}


def test_unguard_all_without_an_installation_has_nothing_to_do(db: Connection) -> None:
    assert uninstall(db) == ()
