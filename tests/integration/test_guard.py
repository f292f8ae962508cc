"""The guard: however an explicit id arrives, the next ordinary insert gets the one after it."""

from __future__ import annotations

import hashlib

import psycopg
import pytest
from conftest import Connect, Connection, one

import seqguard
from seqguard.guarding import install, uninstall

USERS = "CREATE TABLE users (id serial PRIMARY KEY, name text UNIQUE)"


def ordinary_insert(db: Connection, table: str = "users") -> int:
    """The id that an insert without one gets."""
    return int(one(db, f"INSERT INTO {table} DEFAULT VALUES RETURNING id"))


def states(db: Connection) -> dict[str, str]:
    """The state of the guard on each column."""
    return {f"{guard.table}.{guard.column}": guard.state for guard in seqguard.guards(db)}


def status(db: Connection, sequence: str) -> str:
    """The verdict on a sequence."""
    return next(report.status for report in seqguard.check(db).sequences if report.sequence == sequence)


@pytest.fixture
def users(db: Connection) -> Connection:
    """A database with a guarded table users(id serial, name)."""
    db.execute(USERS)
    seqguard.guard(db)
    return db


# every way rows arrive

WAYS = {
    "INSERT": "INSERT INTO users (id) VALUES (100)",
    "INSERT of several rows, the highest in the middle": "INSERT INTO users (id) VALUES (7), (100), (8)",
    "INSERT of ids and defaults": "INSERT INTO users (id) VALUES (99), (DEFAULT), (100), (DEFAULT)",
    "INSERT SELECT": "INSERT INTO users (id) SELECT g FROM generate_series(100, 51, -1) AS g",
    "INSERT RETURNING": "INSERT INTO users (id) VALUES (100) RETURNING id, name",
    "INSERT in a WITH query": "WITH new AS (INSERT INTO users (id) VALUES (100) RETURNING id) SELECT FROM new",
    "upsert that inserts": "INSERT INTO users (id) VALUES (100) ON CONFLICT (id) DO NOTHING",
    "upsert that updates": """INSERT INTO users (id, name) VALUES (1, 'a');
        INSERT INTO users (id, name) VALUES (2, 'a') ON CONFLICT (name) DO UPDATE SET id = 100""",
    "UPDATE of the id": "INSERT INTO users (id) VALUES (1); UPDATE users SET id = 100",
    "function in PL/pgSQL": """CREATE FUNCTION add_user(id int) RETURNS void LANGUAGE plpgsql
        AS 'BEGIN INSERT INTO users VALUES ($1); END'; SELECT add_user(100)""",
    "exception block": """DO $$BEGIN
        BEGIN INSERT INTO users VALUES (100); EXCEPTION WHEN OTHERS THEN RAISE; END; END$$""",
    "savepoint": "BEGIN; SAVEPOINT s; INSERT INTO users VALUES (100); RELEASE s; COMMIT",
    "a prepared statement": "PREPARE add AS INSERT INTO users VALUES ($1); EXECUTE add(100)",
    "session_replication_role": "SET session_replication_role = replica; INSERT INTO users VALUES (100)",
    "a BEFORE trigger that sets it": """CREATE FUNCTION force_id() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN NEW.id := 100; RETURN NEW; END';
        CREATE TRIGGER force_id BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION force_id();
        INSERT INTO users DEFAULT VALUES; DROP TRIGGER force_id ON users""",
    "an updatable view": "CREATE VIEW people AS SELECT id, name FROM users; INSERT INTO people VALUES (100)",
    "a rule": """CREATE TABLE inbox (id int);
        CREATE RULE pass AS ON INSERT TO inbox DO INSTEAD INSERT INTO users VALUES (NEW.id);
        INSERT INTO inbox VALUES (100)""",
}


@pytest.mark.parametrize("statement", WAYS.values(), ids=WAYS.keys())
def test_the_sequence_follows_an_explicit_id(users: Connection, statement: str) -> None:
    users.execute(statement)
    assert ordinary_insert(users) == 101


@pytest.mark.parametrize("options", ["", "WITH (FORMAT csv)", "WITH (FORMAT binary)"])
def test_the_sequence_follows_copy(users: Connection, options: str) -> None:
    with users.cursor().copy(f"COPY users (id, name) FROM STDIN {options}") as copy:
        if "csv" in options:
            copy.write("7,a\n100,b\n8,c\n")
        else:
            copy.set_types(["int4", "text"])
            for row in [(7, "a"), (100, "b"), (8, "c")]:
                copy.write_row(row)
    assert ordinary_insert(users) == 101


@pytest.mark.parametrize(
    "action",
    [
        "WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)",
        "WHEN MATCHED THEN UPDATE SET id = 100 WHEN NOT MATCHED THEN INSERT (id) VALUES (50)",
    ],
)
def test_the_sequence_follows_merge(users: Connection, action: str) -> None:
    if users.info.server_version < 150000:
        pytest.skip("MERGE came with PostgreSQL 15")
    users.execute("INSERT INTO users VALUES (1), (2)")
    users.execute(f"MERGE INTO users AS u USING (VALUES (1), (100)) AS s (id) ON u.id = s.id {action}")
    assert ordinary_insert(users) == 101


def test_the_sequence_follows_ids_of_a_statement_that_is_rolled_back(users: Connection) -> None:
    # as with nextval: a value once passed is gone
    users.execute("BEGIN; INSERT INTO users VALUES (100); ROLLBACK")
    assert ordinary_insert(users) in (1, 101)


def test_ordinary_inserts_leave_no_gaps(users: Connection) -> None:
    users.execute("INSERT INTO users (name) SELECT g FROM generate_series(1, 50) AS g")
    assert [ordinary_insert(users) for _ in range(3)] == [51, 52, 53]


def test_currval_after_an_ordinary_insert_is_its_id(users: Connection) -> None:
    users.execute("INSERT INTO users VALUES (100)")
    drawn = ordinary_insert(users)
    assert users.execute("SELECT currval('users_id_seq'), lastval()").fetchone() == (drawn, drawn)


def test_an_id_below_the_next_value_leaves_the_sequence_alone(users: Connection) -> None:
    users.execute("ALTER SEQUENCE users_id_seq RESTART WITH 1000")
    users.execute("INSERT INTO users VALUES (100)")
    assert ordinary_insert(users) == 1000


def test_the_first_value_of_a_fresh_sequence_is_skipped_when_taken(users: Connection) -> None:
    users.execute("INSERT INTO users VALUES (1)")
    assert ordinary_insert(users) == 2


def test_two_explicit_ids_far_apart_move_the_sequence_exactly(users: Connection) -> None:
    for value in (20, 1_000_000, 1_000_033, 1_000_066):  # by nextval and by setval
        users.execute("INSERT INTO users (id) VALUES (%s)", [value])
        assert one(users, "SELECT last_value FROM users_id_seq") == value
    assert ordinary_insert(users) == 1_000_067


# partitions

PARTITIONED = """
    CREATE TABLE events (id {kind}, day int DEFAULT 1, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1) PARTITION BY LIST (id);
    CREATE TABLE events_1_any PARTITION OF events_1 DEFAULT;
    CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2)"""

ROUTES = {
    "the root": "INSERT INTO events VALUES (100, 2)",
    "a partition": "INSERT INTO events_2 VALUES (100, 2)",
    "a partition of a partition": "INSERT INTO events_1_any VALUES (100, 1)",
    "a row that moves between partitions": "INSERT INTO events VALUES (1, 1); UPDATE events SET id = 100, day = 2",
    "a partition made later": """CREATE TABLE events_3 PARTITION OF events FOR VALUES IN (3);
        INSERT INTO events_3 VALUES (100, 3)""",
    "a partition attached later": """CREATE TABLE other (day int NOT NULL, id int NOT NULL);
        ALTER TABLE events ATTACH PARTITION other FOR VALUES IN (3);
        INSERT INTO other (id, day) VALUES (100, 3)""",
    "replica role into a partition attached later": """CREATE TABLE other (day int NOT NULL, id int NOT NULL);
        ALTER TABLE events ATTACH PARTITION other FOR VALUES IN (3);
        SET session_replication_role = replica;
        INSERT INTO other (id, day) VALUES (100, 3)""",
}


@pytest.mark.parametrize("kind", ["serial", "int GENERATED BY DEFAULT AS IDENTITY"])
@pytest.mark.parametrize("route", ROUTES)
def test_the_sequence_of_a_partitioned_table_follows(db: Connection, kind: str, route: str) -> None:
    if kind != "serial" and db.info.server_version < 170000:
        pytest.skip("identity on partitioned tables came with PostgreSQL 17")
    db.execute(PARTITIONED.format(kind=kind))
    seqguard.guard(db)
    db.execute(ROUTES[route])
    assert ordinary_insert(db, "events") == 101


def test_a_partitioned_table_has_one_guard_of_its_own(db: Connection) -> None:
    db.execute(PARTITIONED.format(kind="serial"))
    seqguard.guard(db)
    assert states(db) == {"public.events.id": "installed"}


# shapes

SHAPES = {
    "identity always": ("id int GENERATED ALWAYS AS IDENTITY", "100", 101),
    "identity by default": ("id int GENERATED BY DEFAULT AS IDENTITY", "100", 101),
    "smallserial": ("id smallserial", "100", 101),
    "bigserial": ("id bigserial", "5000000000", 5000000001),
    "numeric": ("id numeric DEFAULT nextval('counter')", "100", 101),
    "numeric with a fraction": ("id numeric DEFAULT nextval('counter')", "100.7", 101),
    "double precision": ("id float8 DEFAULT nextval('counter')", "100", 101),
    "a domain": ("id positive DEFAULT nextval('counter')", "100", 101),
    "increment 10, on the grid": ("id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT 10)", "101", 111),
    "increment 10, off the grid": ("id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT 10)", "105", 111),
    "increment 10, far": ("id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT 10)", "1000005", 1000011),
    "odd of two masters": ("id int GENERATED BY DEFAULT AS IDENTITY (START 1 INCREMENT 2)", "100", 101),
    "even of two masters": ("id int GENERATED BY DEFAULT AS IDENTITY (START 2 INCREMENT 2)", "100", 102),
    "descending": ("id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1)", "-100", -101),
    "descending by 5": ("id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT -5)", "-103", -106),
    "descending, far": ("id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT -5)", "-1000003", -1000006),
    "descending from a positive start": (
        "id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1 START 1000 MAXVALUE 1000)",
        "500",
        499,
    ),
    "start 1000": ("id int GENERATED BY DEFAULT AS IDENTITY (START 1000)", "1000", 1001),
    "start 1000, id below": ("id int GENERATED BY DEFAULT AS IDENTITY (START 1000)", "5", 1000),
    "cached": ("id int GENERATED BY DEFAULT AS IDENTITY (CACHE 20)", "100", 101),
}


@pytest.mark.parametrize(("column", "explicit", "following"), SHAPES.values(), ids=SHAPES.keys())
def test_the_guard_holds_for(db: Connection, column: str, explicit: str, following: int) -> None:
    db.execute("CREATE SEQUENCE counter; CREATE DOMAIN positive AS int CHECK (VALUE > 0)")
    db.execute(f"CREATE TABLE t ({column})")
    seqguard.guard(db)
    db.execute(f"INSERT INTO t (id) OVERRIDING SYSTEM VALUE VALUES ({explicit})")
    assert ordinary_insert(db, "t") == following


INVOICES = """
    CREATE SEQUENCE invoice;
    CREATE TABLE invoices (id text DEFAULT 'INV-' || nextval('invoice') || '/x' PRIMARY KEY)"""


@pytest.mark.parametrize(
    ("explicit", "following"),
    [
        ("INV-100/x", "INV-101/x"),
        ("INV-007/x", "INV-8/x"),
        ("INV-x", "INV-1/x"),
        ("OTHER-100/x", "INV-1/x"),
        ("", "INV-1/x"),
        ("INV-" + "9" * 40 + "/x", "INV-1/x"),
    ],
)
def test_the_number_in_a_text_column_counts(db: Connection, explicit: str, following: str) -> None:
    db.execute(INVOICES)
    seqguard.guard(db)
    db.execute("INSERT INTO invoices VALUES (%s)", [explicit])
    assert one(db, "INSERT INTO invoices DEFAULT VALUES RETURNING id") == following


@pytest.mark.parametrize("prefix", ["it's.", "100% ", '"\\"', "$1", "a|b"])
def test_the_prefix_of_a_text_column_can_be_anything(db: Connection, prefix: str) -> None:
    db.execute("CREATE SEQUENCE s")
    db.execute(
        psycopg.sql.SQL("CREATE TABLE t (id text DEFAULT {} || nextval('s'))").format(
            psycopg.sql.Literal(prefix)
        )
    )
    seqguard.guard(db)
    db.execute("INSERT INTO t VALUES (%s)", [f"{prefix}100"])
    assert one(db, "INSERT INTO t DEFAULT VALUES RETURNING id") == f"{prefix}101"


@pytest.mark.parametrize("value", ["NULL", "'NaN'", "'Infinity'", "'-Infinity'", "1e300", "-1e300"])
def test_a_value_that_is_no_id_is_let_through(db: Connection, value: str) -> None:
    db.execute("CREATE SEQUENCE s")
    db.execute("CREATE TABLE t (id float8 DEFAULT nextval('s'), exact numeric DEFAULT nextval('s'))")
    seqguard.guard(db)
    exact = "NULL" if "Infinity" in value and db.info.server_version < 140000 else value
    db.execute(f"INSERT INTO t VALUES ({value}, {exact})")
    assert one(db, "SELECT nextval('s')") == 1


@pytest.mark.parametrize("beyond", [11, 12, 1_000_000])
def test_an_id_beyond_the_limit_is_let_through_and_check_reports_it(db: Connection, beyond: int) -> None:
    db.execute("CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY (MAXVALUE 10))")
    seqguard.guard(db)
    db.execute("INSERT INTO t VALUES (%s)", [beyond])
    assert one(db, "SELECT id FROM t") == beyond
    assert status(db, "public.t_id_seq") == "exhausted"


def test_the_last_id_of_a_sequence_is_let_through_and_check_reports_it(db: Connection) -> None:
    db.execute("CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY (MAXVALUE 1000))")
    seqguard.guard(db)
    db.execute("INSERT INTO t VALUES (1000)")
    assert status(db, "public.t_id_seq") == "exhausted"


def test_a_bigint_beyond_an_integer_sequence_is_let_through(db: Connection) -> None:
    db.execute("CREATE SEQUENCE s AS int; CREATE TABLE t (id bigint DEFAULT nextval('s'))")
    seqguard.guard(db)
    db.execute("INSERT INTO t VALUES (9223372036854775807)")
    assert status(db, "public.s") == "exhausted"


def test_two_columns_of_a_table_each_have_a_guard(db: Connection) -> None:
    db.execute("CREATE TABLE t (id serial, number serial, note text)")
    seqguard.guard(db)
    db.execute("INSERT INTO t VALUES (100, 50)")
    assert db.execute("INSERT INTO t DEFAULT VALUES RETURNING id, number").fetchone() == (101, 51)


def test_two_tables_that_share_a_sequence_keep_it_ahead_of_both(db: Connection) -> None:
    db.execute(
        "CREATE TABLE a (id serial); CREATE TABLE b (LIKE a INCLUDING ALL); CREATE TABLE c () INHERITS (a)"
    )
    seqguard.guard(db)
    for value, table in enumerate("abc", start=100):
        db.execute(f"INSERT INTO {table} VALUES ({value})")
        assert one(db, "SELECT last_value FROM a_id_seq") == value


def test_a_sequence_in_another_schema_and_odd_names(db: Connection) -> None:
    db.execute("""
        CREATE SCHEMA "Über ""mass"" %"; CREATE SEQUENCE "Über ""mass"" %"."Zähler 'x'";
        CREATE TABLE "T $1 %I" ("Id ""x" int DEFAULT nextval('"Über ""mass"" %"."Zähler ''x''"'))""")
    seqguard.guard(db)
    db.execute('INSERT INTO "T $1 %I" VALUES (100)')
    assert one(db, 'INSERT INTO "T $1 %I" DEFAULT VALUES RETURNING "Id ""x"') == 101


# the life of a guard


def test_installing_repairs_what_is_behind(db: Connection) -> None:
    db.execute(USERS)
    db.execute("INSERT INTO users VALUES (16)")
    seqguard.guard(db)
    assert ordinary_insert(db) == 17


def test_list_shows_every_state(db: Connection) -> None:
    for table in ("fine", "old", "off", "tampered"):
        db.execute(f"CREATE TABLE {table} (id serial)")
    seqguard.guard(db)
    db.execute("CREATE TABLE bare (id serial); CREATE TABLE odd (id int DEFAULT nextval('bare_id_seq') + 1)")
    db.execute("COMMENT ON TRIGGER sync_old_sequence ON old IS 'seqguard guard of long ago'")
    db.execute("ALTER TABLE off DISABLE TRIGGER sync_off_sequence")
    db.execute("ALTER TABLE tampered ENABLE TRIGGER sync_tampered_sequence")
    assert states(db) == {
        "public.bare.id": "missing",
        "public.fine.id": "installed",
        "public.odd.id": "unguardable",
        "public.off.id": "disabled",
        "public.old.id": "outdated",
        "public.tampered.id": "outdated",
    }


def test_running_again_mends_every_state(db: Connection) -> None:
    test_list_shows_every_state(db)
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
