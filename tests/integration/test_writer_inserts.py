"""Many new rows at once go into the table by COPY; a row that is there already makes it an upsert."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import one, rows
from writing import POSTS, USERS, attempts, batch, count_attempts, dsn, letters, moved, post, target, user

from seqguard.sync.mapping.table import TableMapping
from seqguard.sync.writing.writer import Limits, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connection


__all__ = ["dsn", "target"]

EVERY = Limits(retry_every=0, insert_from=1)


@pytest.fixture
def writer(target: Connection, dsn: str) -> Iterator[Writer]:
    assert target
    with closing(Writer(dsn, "s", [USERS, POSTS], EVERY)) as writer:
        yield writer


def watch_commands(target: Connection) -> None:
    """Count the statements that insert into users: only an upsert is one that may update, too. Failed ones count."""
    target.execute("CREATE TABLE seen (n serial, upserts boolean)")
    count_attempts(target, "users")
    target.execute("""
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN INSERT INTO seen (upserts) VALUES (TG_OP = 'UPDATE'); RETURN NULL; END$$""")
    target.execute(
        "CREATE TRIGGER see AFTER INSERT OR UPDATE ON users FOR EACH STATEMENT EXECUTE FUNCTION see()"
    )


def kinds(target: Connection) -> list[bool]:
    """For each statement so far, whether it was an upsert."""
    seen = rows(target, "SELECT count(*) FILTER (WHERE upserts), count(*) FILTER (WHERE NOT upserts) FROM seen")
    ((updates, inserts),) = seen
    target.execute("TRUNCATE seen")
    return [True] * updates + [False] * (inserts - updates)


def test_new_rows_are_copied_into_the_table(target: Connection, writer: Writer) -> None:
    watch_commands(target)
    assert writer.apply(batch(user(1), user(2))).upserts == 2
    assert kinds(target) == [False]
    assert one(target, "SELECT nextval('users_id_seq')") == 3


def test_rows_that_are_there_are_met_once_and_then_upserted(target: Connection, writer: Writer) -> None:
    watch_commands(target)
    writer.apply(batch(*[user(n) for n in range(1, 7)]))
    assert kinds(target) == [False]
    for number in (1, 3, 5):
        writer.apply(batch(user(number, "again"), user(number + 1, "again")))
    assert kinds(target) == [True] * 3
    assert attempts(target) == 1 + 4, "one COPY in vain, for three batches"
    assert rows(target, "SELECT DISTINCT name FROM users") == [("again",)]
    assert letters(target) == []


def test_changes_of_rows_are_upserts_at_once(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1), user(2)))
    watch_commands(target)
    writer.apply(batch(moved(1, 1, "changed"), user(3)))
    assert kinds(target) == [True]


def test_a_key_that_is_generated_always_is_copied_as_it_is(target: Connection, dsn: str) -> None:
    target.execute("CREATE TABLE always (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)")
    table = TableMapping("users", "public", "always", ("id",), {"id": "id", "name": "name"})
    with closing(Writer(dsn, "s", [table], EVERY)) as writer:
        writer.apply(batch(user(7, "seven"), user(9, "nine")))
    assert rows(target, "SELECT id, name FROM always ORDER BY id") == [(7, "seven"), (9, "nine")]
    assert one(target, "INSERT INTO always (name) VALUES ('ten') RETURNING id") == 10


def test_row_security_leaves_it_to_the_upsert(target: Connection, dsn: str) -> None:
    role = "sync_" + one(target, "SELECT md5(random()::text)")
    target.execute(f"CREATE ROLE {role}")
    target.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    target.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
    target.execute(
        f"DO $$BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {role}', current_database()); END$$"
    )
    target.execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    target.execute("CREATE POLICY everything ON users USING (true)")
    try:
        with closing(Writer(f"{dsn} options='-c role={role}'", "s", [USERS], EVERY)) as writer:
            writer.apply(batch(user(1), user(2)))
        assert one(target, "SELECT count(*) FROM users") == 2
    finally:
        target.execute("DROP SCHEMA IF EXISTS seqguard_sync CASCADE")
        target.execute(f"DROP OWNED BY {role}")
        target.execute(f"DROP ROLE {role}")


def test_what_fails_in_a_copy_is_narrowed_down_as_in_an_upsert(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1, email="a")))
    writer.apply(batch(user(2), user(3, email="a"), user(4), post(1, 3), post(2, 2)))
    assert rows(target, "SELECT id FROM users ORDER BY id") == [(1,), (2,), (4,)]
    assert [letter[:3] for letter in letters(target)] == [("users", "[3]", "dead"), ("posts", "[1]", "waiting")]


@pytest.mark.parametrize(
    ("constraint", "state"),
    [("CHECK (name <> 'bad')", "23514"), ("NOT NULL", "23502")],
    ids=["check", "not null"],
)
@pytest.mark.parametrize("limits", [EVERY, Limits(retry_every=0, insert_from=10**9)], ids=["copy", "upsert"])
def test_rows_that_a_constraint_refuses_are_found_all_at_once(
    target: Connection, dsn: str, constraint: str, state: str, limits: Limits
) -> None:
    if constraint == "NOT NULL":
        target.execute("ALTER TABLE users ALTER name SET NOT NULL")
    else:
        target.execute(f"ALTER TABLE users ADD CONSTRAINT no_bad {constraint}".encode())
    bad = None if constraint == "NOT NULL" else "bad"
    count_attempts(target, "users")
    with closing(Writer(dsn, "s", [USERS], limits)) as writer:
        writer.apply(batch(*[user(n, bad if n % 2 else "good") for n in range(1, 4001)]))
    assert attempts(target) < 20
    assert one(target, "SELECT count(*) FROM users") == 2000
    assert rows(target, "SELECT state, sqlstate, count(*) FROM seqguard_sync.dead_letters GROUP BY 1, 2") == [
        ("dead", state, 2000)
    ]


def test_a_trigger_that_mends_rows_is_asked_before_a_constraint(target: Connection, writer: Writer) -> None:
    target.execute("ALTER TABLE users ADD CHECK (name IN ('good', 'worst'))")
    target.execute("""
        CREATE FUNCTION mend() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN IF NEW.name = 'bad' THEN NEW.name := 'good'; END IF; RETURN NEW; END$$""")
    target.execute("CREATE TRIGGER mend BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION mend()")
    writer.apply(batch(user(1, "bad"), user(2, "worse"), user(3, "good")))
    assert rows(target, "SELECT id, name FROM users ORDER BY id") == [(1, "good"), (3, "good")]
    assert [letter[1] for letter in letters(target)] == ["[2]"]
