"""The guard: however an explicit id arrives, the next ordinary insert gets the one after it."""

from __future__ import annotations

import pytest
from conftest import Connection, one
from guarded import USERS, ordinary_insert, states

import seqguard


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
    assert ordinary_insert(users) == 101


def test_an_update_of_another_column_is_not_looked_at(users: Connection) -> None:
    # the WHEN clause would be read from its text for every such statement
    query = "SELECT string_agg(a.attname, ' ') FROM pg_trigger AS t JOIN pg_attribute AS a"
    query += " ON a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr) WHERE t.tgname = 'sync_users_sequence'"
    assert one(users, query) == "id"


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
    # a sequence that was never called: before 18 the guard draws its first value to see where it stands
    assert ordinary_insert(users) == (1000 if users.info.server_version >= 180000 else 1001)


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
