"""Guards and DDL: what they stop, how to lift it, what follows by itself, what removal leaves behind."""

from __future__ import annotations

import pytest
from conftest import Connection, one, rows
from psycopg import errors

import seqguard
from seqguard.guarding import guard_new_tables, uninstall


def states(db: Connection) -> dict[str, str]:
    """The state of the guard on each column."""
    return {f"{guard.table}.{guard.column}": guard.state for guard in seqguard.guards(db)}


def next_id(db: Connection, table: str = "users") -> int:
    """The id that an insert without one gets."""
    return int(one(db, f"INSERT INTO {table} DEFAULT VALUES RETURNING id"))


@pytest.fixture
def users(db: Connection) -> Connection:
    """A database with a guarded table users(id serial, name)."""
    db.execute("CREATE TABLE users (id serial PRIMARY KEY, name text)")
    seqguard.guard(db)
    return db


# what a guard does not get in the way of

UNHINDERED = {
    "TRUNCATE": ("TRUNCATE users", 101),
    "TRUNCATE RESTART IDENTITY": ("TRUNCATE users RESTART IDENTITY", 1),
    "ALTER SEQUENCE RESTART": ("ALTER SEQUENCE users_id_seq RESTART WITH 500", 500),
    "ALTER SEQUENCE INCREMENT": ("ALTER SEQUENCE users_id_seq INCREMENT 10", 110),
    "ALTER SEQUENCE AS": ("ALTER SEQUENCE users_id_seq AS bigint", 101),
    "ADD COLUMN": ("ALTER TABLE users ADD note text DEFAULT 'x'", 101),
    "DROP of another COLUMN": ("ALTER TABLE users DROP name", 101),
    "ALTER TYPE of another column": ("ALTER TABLE users ALTER name TYPE varchar(10)", 101),
    "SET NOT NULL": ("ALTER TABLE users ALTER id SET NOT NULL", 101),
    "DROP CONSTRAINT": ("ALTER TABLE users DROP CONSTRAINT users_pkey", 101),
    "VACUUM FULL": ("VACUUM FULL users", 101),
    "CLUSTER": ("CLUSTER users USING users_pkey", 101),
    "SET UNLOGGED": ("ALTER TABLE users SET UNLOGGED", 101),
}


@pytest.mark.parametrize(("statement", "following"), UNHINDERED.values(), ids=UNHINDERED.keys())
def test_a_guard_does_not_hinder(users: Connection, statement: str, following: int) -> None:
    users.execute("INSERT INTO users VALUES (100)")
    users.execute(statement)
    assert next_id(users) == following


@pytest.mark.parametrize("kind", ["serial", "int GENERATED ALWAYS AS IDENTITY"])
def test_drop_table_takes_the_guard_with_it(db: Connection, kind: str) -> None:
    db.execute(f"CREATE TABLE users (id {kind})")
    seqguard.guard(db)
    db.execute("DROP TABLE users")
    assert rows(db, "SELECT FROM pg_trigger WHERE tgname LIKE 'sync%'") == []


def test_drop_schema_cascade_takes_tables_and_guards(db: Connection) -> None:
    db.execute("CREATE SCHEMA app; CREATE TABLE app.users (id serial)")
    seqguard.guard(db)
    db.execute("DROP SCHEMA app CASCADE")
    assert rows(db, "SELECT FROM pg_trigger WHERE tgname LIKE 'sync%'") == []


# what it stops, with a message that names the trigger

STOPPED = {
    "ALTER TYPE": (
        "ALTER TABLE users ALTER id TYPE bigint",
        "cannot alter type of a column used in a trigger definition",
        'trigger sync_users_sequence on table users depends on column "id"',
    ),
    "DROP COLUMN": (
        "ALTER TABLE users DROP id",
        "cannot drop column id of table users because other objects depend on it",
        "trigger sync_users_sequence on table users depends on column id of table users",
    ),
    "DROP SEQUENCE": (
        """ALTER SEQUENCE users_id_seq OWNED BY NONE; ALTER TABLE users ALTER id DROP DEFAULT;
        DROP SEQUENCE users_id_seq""",
        "cannot drop sequence users_id_seq because other objects depend on it",
        "trigger sync_users_sequence on table users depends on sequence users_id_seq",
    ),
}


@pytest.mark.parametrize(("statement", "message", "detail"), STOPPED.values(), ids=STOPPED.keys())
def test_a_guard_stops(users: Connection, statement: str, message: str, detail: str) -> None:
    with pytest.raises((errors.DependentObjectsStillExist, errors.FeatureNotSupported)) as stopped:
        users.execute(statement)
    assert stopped.value.diag.message_primary == message
    assert detail in str(stopped.value.diag.message_detail)


@pytest.mark.parametrize("statement", [entry[0] for entry in STOPPED.values()], ids=STOPPED.keys())
@pytest.mark.parametrize("lifting", ["DROP TRIGGER", "unguard"])
def test_removing_the_guard_lifts_it(users: Connection, statement: str, lifting: str) -> None:
    if lifting == "unguard":
        seqguard.unguard(users, "users")
    else:
        users.execute("DROP TRIGGER sync_users_sequence ON users")
    users.execute(statement)  # raises while the guard is there: see the test before
    assert one(users, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'sync%'") == 0


def test_a_guard_stops_drop_identity_until_it_is_removed(db: Connection) -> None:
    db.execute("CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY)")
    seqguard.guard(db)
    with pytest.raises(errors.DependentObjectsStillExist) as stopped:
        db.execute("ALTER TABLE users ALTER id DROP IDENTITY")
    assert stopped.value.diag.message_primary == (
        "cannot drop sequence users_id_seq because other objects depend on it"
    )
    assert "trigger sync_users_sequence on table users" in str(stopped.value.diag.message_detail)
    db.execute("DROP TRIGGER sync_users_sequence ON users; ALTER TABLE users ALTER id DROP IDENTITY")


def test_a_disabled_guard_still_stops_alter_type(users: Connection) -> None:
    users.execute("ALTER TABLE users DISABLE TRIGGER sync_users_sequence")
    with pytest.raises(errors.FeatureNotSupported, match="used in a trigger definition"):
        users.execute("ALTER TABLE users ALTER id TYPE bigint")


def test_a_widened_column_is_guarded_again(users: Connection) -> None:
    users.execute("DROP TRIGGER sync_users_sequence ON users; ALTER TABLE users ALTER id TYPE bigint")
    users.execute("ALTER SEQUENCE users_id_seq AS bigint")
    seqguard.guard(users)
    users.execute("INSERT INTO users VALUES (5000000000)")
    assert next_id(users) == 5_000_000_001


def test_another_default_leaves_the_guard_until_guard_runs_again(users: Connection) -> None:
    users.execute("CREATE SEQUENCE s; ALTER TABLE users ALTER id SET DEFAULT nextval('s')")
    assert states(users) == {"public.users.id": "missing", "public.users.": "outdated"}
    seqguard.guard(users)
    users.execute("INSERT INTO users VALUES (100)")
    assert next_id(users) == 101
    assert one(users, "SELECT is_called FROM users_id_seq") is False
    assert rows(users, "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'sync%'") == [("sync_users_sequence",)]


# new tables


@pytest.fixture
def watched(db: Connection) -> Connection:
    """A database whose new tables are guarded."""
    guard_new_tables(db)
    return db


CREATIONS = {
    "serial": "CREATE TABLE users (id serial, name text)",
    "identity": "CREATE TABLE users (id int GENERATED BY DEFAULT AS IDENTITY)",
    "default": "CREATE SEQUENCE s; CREATE TABLE users (id int DEFAULT nextval('s'))",
    "in a function": """CREATE FUNCTION make() RETURNS void LANGUAGE plpgsql
        AS 'BEGIN CREATE TABLE users (id serial); END'; SELECT make()""",
    "in a transaction": "BEGIN; CREATE TABLE users (id serial); INSERT INTO users VALUES (5); COMMIT",
    "with its schema": """CREATE SCHEMA app CREATE TABLE users (id serial);
        ALTER TABLE app.users SET SCHEMA public""",
    "LIKE": "CREATE TABLE a (id serial); CREATE TABLE users (LIKE a INCLUDING ALL)",
    "INHERITS": "CREATE TABLE a (id serial); CREATE TABLE users () INHERITS (a)",
    "ADD COLUMN serial": "CREATE TABLE users (name text); ALTER TABLE users ADD id serial",
    "ADD COLUMN identity": """CREATE TABLE users (name text);
        ALTER TABLE users ADD id int GENERATED BY DEFAULT AS IDENTITY""",
    "ADD IDENTITY": """CREATE TABLE users (id int NOT NULL);
        ALTER TABLE users ALTER id ADD GENERATED BY DEFAULT AS IDENTITY""",
    "SET DEFAULT": """CREATE TABLE users (id int); CREATE SEQUENCE s;
        ALTER TABLE users ALTER id SET DEFAULT nextval('s')""",
    "SET DEFAULT to another sequence": """CREATE TABLE users (id serial); CREATE SEQUENCE s;
        ALTER TABLE users ALTER id SET DEFAULT nextval('s')""",
    "ALTER SEQUENCE that turns it": """CREATE TABLE users (id serial);
        ALTER SEQUENCE users_id_seq CYCLE; ALTER SEQUENCE users_id_seq NO CYCLE""",
    "partitioned": """CREATE TABLE users (id serial) PARTITION BY LIST (id);
        CREATE TABLE any_user PARTITION OF users DEFAULT""",
}


@pytest.mark.parametrize("statement", CREATIONS.values(), ids=CREATIONS.keys())
def test_a_new_table_is_guarded(watched: Connection, statement: str) -> None:
    watched.execute(statement)
    assert states(watched)["public.users.id"] == "installed"
    watched.execute("INSERT INTO users (id) VALUES (100)")
    assert next_id(watched) == 101


FILLED = {
    "table": """CREATE TABLE users AS SELECT 1 AS id;
        ALTER TABLE users ALTER id SET NOT NULL, ALTER id ADD GENERATED BY DEFAULT AS IDENTITY""",
    "partitioned": """CREATE SEQUENCE s; CREATE TABLE users (id int) PARTITION BY LIST (id);
        CREATE TABLE any_user PARTITION OF users DEFAULT; INSERT INTO users VALUES (1);
        ALTER TABLE users ALTER id SET DEFAULT nextval('s')""",
}


@pytest.mark.parametrize("statement", FILLED.values(), ids=FILLED.keys())
def test_a_table_that_is_guarded_with_rows_in_it_is_told_of(watched: Connection, statement: str) -> None:
    told: list[str | None] = []
    watched.add_notice_handler(lambda notice: told.append(notice.message_primary))
    watched.execute(statement)
    assert told == [
        "seqguard: table public.users has been guarded with rows in it, which its sequence may be behind"
    ]
    watched.execute("ALTER TABLE users ADD note text")
    assert len(told) == 1


def test_a_partition_attached_is_guarded(watched: Connection) -> None:
    watched.execute("""
        CREATE TABLE users (id serial) PARTITION BY LIST (id);
        CREATE TABLE other (id int NOT NULL);
        ALTER TABLE users ATTACH PARTITION other DEFAULT;
        INSERT INTO other VALUES (100)""")
    assert next_id(watched) == 101


def test_a_guard_goes_with_the_default_that_it_was_for(watched: Connection) -> None:
    watched.execute("CREATE TABLE users (id serial); ALTER TABLE users ALTER id DROP DEFAULT")
    assert rows(watched, "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'sync%'") == []


def test_a_guard_switched_off_by_hand_stays_off(watched: Connection) -> None:
    watched.execute("CREATE TABLE users (id serial); ALTER TABLE users DISABLE TRIGGER sync_users_sequence")
    watched.execute("ALTER TABLE users ADD note text")
    assert states(watched) == {"public.users.id": "disabled"}


HARMLESS = {
    "a temporary table": "CREATE TEMP TABLE t (id serial)",
    "a table without a sequence": "CREATE TABLE t (id int)",
    "a table made from a query": "CREATE TABLE t AS SELECT 1 AS id",
    "a default that cannot be judged": "CREATE SEQUENCE s; CREATE TABLE t (id int DEFAULT nextval('s') + 1)",
    "a sequence that cycles": "CREATE SEQUENCE s CYCLE; CREATE TABLE t (id int DEFAULT nextval('s'))",
    "a table made and dropped at once": "BEGIN; CREATE TABLE t (id serial); DROP TABLE t; COMMIT",
    "a column dropped with its sequence": """CREATE TABLE t (id serial, n int);
        DROP TRIGGER sync_t_sequence ON t; ALTER TABLE t DROP id""",
    "an extension": "CREATE EXTENSION IF NOT EXISTS plpgsql",
}


@pytest.mark.parametrize("statement", HARMLESS.values(), ids=HARMLESS.keys())
def test_the_event_trigger_is_silent_about(watched: Connection, statement: str) -> None:
    said: list[str | None] = []
    watched.add_notice_handler(
        lambda notice: said.append(notice.message_primary) if notice.severity == "WARNING" else None
    )
    watched.execute(statement)
    assert said == []


BREAKAGES = {
    "a trigger of the same name": """CREATE TRIGGER sync_users_sequence AFTER INSERT ON users
        EXECUTE FUNCTION theirs(); ALTER TABLE users ADD id serial""",
    "a view that is gone": "DROP VIEW seqguard.stale_guards; ALTER TABLE users ADD id serial",
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_ddl_succeeds_with_a_warning_when_no_guard_can_be_made(watched: Connection, breakage: str) -> None:
    watched.execute("""
        CREATE TABLE users (name text);
        CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'""")
    said: list[str] = []
    watched.add_notice_handler(lambda notice: said.append(f"{notice.severity} {notice.message_primary}"))
    watched.execute(BREAKAGES[breakage])
    assert one(watched, "INSERT INTO users VALUES ('x') RETURNING id") == 1
    assert [line[:17] for line in said] == ["WARNING seqguard:"]


def test_new_tables_twice_is_the_same_as_once(watched: Connection) -> None:
    guard_new_tables(watched)
    assert rows(watched, "SELECT evtname, evtenabled::text FROM pg_event_trigger") == [
        ("seqguard_new_tables", "O")
    ]


# removal

CATALOGS = (
    "SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'",
    "SELECT oid, relname, relacl::text FROM pg_class WHERE relnamespace <> 'pg_toast'::regnamespace",
    "SELECT oid, proname, proacl::text FROM pg_proc",
    "SELECT oid, typname FROM pg_type",
    "SELECT oid, tgname FROM pg_trigger",
    "SELECT oid, evtname FROM pg_event_trigger",
    "SELECT * FROM pg_description",
    "SELECT classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype::text FROM pg_depend",
    """SELECT classid, objid, refclassid, refobjid, deptype::text FROM pg_shdepend
       WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())""",
)


def objects(db: Connection) -> dict[str, set[tuple[object, ...]]]:
    """Everything that the catalogs of this database list."""
    return {query: set(rows(db, query)) for query in CATALOGS}


def test_unguard_all_leaves_nothing_behind(db: Connection) -> None:
    db.execute("""
        CREATE TABLE users (id serial, number serial); CREATE TABLE posts (id int GENERATED ALWAYS AS IDENTITY);
        CREATE TABLE events (id serial, day int) PARTITION BY LIST (day);
        CREATE TABLE events_1 PARTITION OF events DEFAULT""")
    before = objects(db)
    guard_new_tables(db)
    seqguard.guard(db)
    db.execute("INSERT INTO users VALUES (100, 100); INSERT INTO events VALUES (100, 1)")
    uninstall(db)
    assert objects(db) == before


def test_unguard_all_removes_guards_that_no_longer_belong_to_a_column(users: Connection) -> None:
    users.execute("ALTER TABLE users ALTER id DROP DEFAULT")
    uninstall(users)
    assert rows(users, "SELECT tgname FROM pg_trigger") == []


def test_one_statement_removes_everything_without_python(db: Connection) -> None:
    db.execute("CREATE TABLE users (id serial)")
    before = objects(db)
    guard_new_tables(db)
    seqguard.guard(db)
    db.execute("DROP SCHEMA seqguard CASCADE")
    assert objects(db) == before


def test_unguard_of_one_table_leaves_the_others_guarded(users: Connection) -> None:
    users.execute("CREATE TABLE posts (id serial)")
    seqguard.guard(users)
    seqguard.unguard(users, "public.posts")
    assert states(users) == {"public.posts.id": "missing", "public.users.id": "installed"}


def test_from_serial_to_identity_one_command_lifts_the_guard_that_is_left(db: Connection) -> None:
    db.execute("CREATE TABLE users (id serial PRIMARY KEY)")
    seqguard.guard(db, "users")
    db.execute("ALTER TABLE users ALTER id DROP DEFAULT")
    (gone,) = seqguard.unguard(db, "users")
    assert (gone.name, gone.problem) == ("sync_users_sequence", None)
    db.execute("DROP SEQUENCE users_id_seq")
    db.execute("ALTER TABLE users ALTER id TYPE bigint, ALTER id ADD GENERATED BY DEFAULT AS IDENTITY")
    assert [guard.state for guard in seqguard.guard(db, "users")] == ["installed"]


def test_guard_removes_a_guard_that_has_nothing_left_to_guard(db: Connection) -> None:
    db.execute("CREATE TABLE users (id serial PRIMARY KEY, visits serial)")
    seqguard.guard(db)
    db.execute("ALTER TABLE users ALTER visits DROP DEFAULT")
    seqguard.guard(db)
    assert one(db, "SELECT array_agg(tgname::text) FROM pg_trigger WHERE NOT tgisinternal") == [
        "sync_users_id_sequence"
    ]


def test_unguard_refuses_a_table_that_is_not_there_beside_one_that_is(db: Connection) -> None:
    db.execute("CREATE TABLE users (id serial PRIMARY KEY)")
    seqguard.guard(db)
    with pytest.raises(seqguard.SeqguardError, match='"typo"'):
        seqguard.unguard(db, "users", "typo")
    assert [guard.state for guard in seqguard.guards(db)] == ["installed"]
