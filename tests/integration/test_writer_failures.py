"""What fails is narrowed down to the changes that fail, says why in plain words, and stops nothing else."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from conftest import eventually, one, rows
from writing import (
    POSTS,
    STREAM,
    USERS,
    attempts,
    batch,
    change,
    count_attempts,
    dsn,
    gone,
    letters,
    mapping,
    moved,
    post,
    target,
    user,
)

from seqguard.errors import SeqguardError
from seqguard.sync.event import Batch, JsonDocument, ZeroDate
from seqguard.sync.failure import TransientError
from seqguard.sync.writing.letters import key_text, read_key, read_row, row_text
from seqguard.sync.writing.writer import Limits, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connect, Connection

    from seqguard.sync.event import Value

__all__ = ["dsn", "target"]

LIMITS = Limits(lock_timeout=60_000, retry_every=0)
HASTY = Limits(lock_timeout=300)


@pytest.fixture
def writer(target: Connection, dsn: str) -> Iterator[Writer]:
    assert target
    writer = Writer(dsn, "s", [USERS, POSTS], LIMITS)
    yield writer
    writer.close()


def detail(target: Connection) -> Any:
    return one(target, "SELECT detail FROM seqguard_sync.dead_letters")


def make_due(target: Connection) -> None:
    target.execute("UPDATE seqguard_sync.dead_letters SET next_try = now() WHERE state = 'waiting'")


def test_a_taken_address_says_whose_it_is(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1, email="a")))
    writer.apply(batch(user(2, email="a"), user(3)))
    assert rows(target, "SELECT id FROM users ORDER BY id") == [(1,), (3,)]
    assert letters(target) == [("users", "[2]", "dead", "23505")]
    assert detail(target).startswith("the row of public.users with id = 1 has the same email")


def test_a_value_that_only_postgresql_can_judge_is_found_by_its_line(target: Connection, dsn: str) -> None:
    target.execute("CREATE TABLE docs (id integer PRIMARY KEY, doc jsonb)")
    writer = Writer(dsn, "s", [mapping("docs", "id", "doc")], LIMITS)
    docs = [JsonDocument("{" if n == 30 else f'{{"n": {n}}}') for n in range(50)]
    writer.apply(batch(*[change("docs", None, {"id": n, "doc": doc}) for n, doc in enumerate(docs)]))
    writer.close()
    assert one(target, "SELECT count(*) FROM docs") == 49
    assert letters(target) == [("docs", "[30]", "dead", "22P02")]


def test_the_state_before_a_change_that_fails_is_applied(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1, "good"), user(1, "bad\0")))
    assert rows(target, "SELECT name FROM users") == [("good",)]
    assert letters(target) == [("users", "[1]", "dead", "22021")]


@pytest.mark.parametrize(
    ("kind", "value", "change_type"),
    [
        ("integer", 2**40, "ALTER TABLE things ALTER v TYPE bigint"),
        ("varchar(5)", "longer than five", "ALTER TABLE things ALTER v TYPE text"),
        ("mood", "curious", "ALTER TYPE mood ADD VALUE 'curious'"),
    ],
)
def test_a_value_fits_once_the_type_of_its_column_was_changed(
    target: Connection, dsn: str, kind: str, value: Value, change_type: str
) -> None:
    target.execute("CREATE TYPE mood AS ENUM ('happy')")
    target.execute(f"CREATE TABLE things (id integer PRIMARY KEY, v {kind})".encode())
    with closing(Writer(dsn, "s", [mapping("things", "id", "v")], Limits(look_every=0))) as writer:
        writer.apply(batch(change("things", None, {"id": 1, "v": value})))
        target.execute(change_type.encode())
        writer.apply(batch(change("things", None, {"id": 2, "v": value})))
    assert rows(target, "SELECT id FROM things") == [(2,)]
    assert [key for _, key, _, _ in letters(target)] == ["[1]"]


def test_a_row_is_deleted_whose_key_fits_only_the_type_that_the_column_has_now(
    target: Connection, dsn: str
) -> None:
    target.execute("CREATE TABLE things (id integer PRIMARY KEY)")
    first, second = (Writer(dsn, "s", [mapping("things", "id")], Limits(look_every=0)) for _ in range(2))
    with closing(first), closing(second):
        first.apply(batch(change("things", None, {"id": 1})))
        target.execute("ALTER TABLE things ALTER id TYPE bigint")
        second.apply(batch(change("things", None, {"id": 2**40}, "partition 2")))
        first.apply(batch(gone("things", 2**40)))
    assert rows(target, "SELECT id FROM things") == [(1,)]


def test_a_parent_with_children_waits_to_be_deleted(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1), post(1, 1)))
    writer.apply(batch(gone("users", 1)))
    assert letters(target) == [("users", "[1]", "waiting", "23503")]
    writer.apply(batch(gone("posts", 1)))
    make_due(target)
    writer.apply(Batch())
    assert rows(target, "SELECT id FROM users") == []
    assert letters(target) == []


def test_a_child_that_has_waited_for_long_is_dead(target: Connection, writer: Writer) -> None:
    writer.apply(batch(post(1, 1)))
    target.execute("UPDATE seqguard_sync.dead_letters SET created = now() - interval '1 hour'")
    make_due(target)
    writer.apply(Batch())
    assert rows(target, "SELECT state, attempts > 1 FROM seqguard_sync.dead_letters") == [("dead", True)]


LATER = "now() + interval '1 hour'"


def test_a_child_waits_however_many_wait_already(target: Connection, writer: Writer) -> None:
    writer.apply(batch(post(1, 1)))
    columns = "sync, source, key, state, sqlstate, error, detail, stream"
    target.execute(
        f'INSERT INTO seqguard_sync.dead_letters ({columns}, "offset", next_try) SELECT {columns.replace("key", "n")},'
        f' "offset", {LATER} FROM seqguard_sync.dead_letters, generate_series(2, 100000) AS n'.encode()
    )
    writer.apply(batch(post(0, 1)))
    assert rows(target, "SELECT state, count(*) FROM seqguard_sync.dead_letters GROUP BY 1") == [
        ("waiting", 100_001)
    ]


def test_thousands_of_children_follow_their_parents(target: Connection, writer: Writer) -> None:
    count = 12_000
    writer.apply(batch(*[post(n, n) for n in range(count)]))
    target.execute(f"UPDATE seqguard_sync.dead_letters SET next_try = {LATER}".encode())
    writer.apply(batch(*[user(n) for n in range(count)]))
    make_due(target)
    deadline = time.monotonic() + 60
    while letters(target) and time.monotonic() < deadline:
        writer.apply(Batch())
    assert one(target, "SELECT count(*) FROM posts") == count


def test_children_without_parents_are_found_all_at_once(target: Connection, writer: Writer) -> None:
    count_attempts(target, "posts")
    writer.apply(batch(user(1), *[post(n, 1 if n % 100 == 0 else n) for n in range(2, 2001)]))
    assert attempts(target) < 20
    assert one(target, "SELECT count(*) FROM posts") == 20
    assert one(target, "SELECT count(*) FROM seqguard_sync.dead_letters WHERE state = 'waiting'") == 1979


def test_a_child_comes_before_its_parent_through_two_writers(target: Connection, dsn: str) -> None:
    first, second = (Writer(dsn, "s", [USERS, POSTS], LIMITS) for _ in range(2))
    first.apply(batch(change("posts", None, {"id": 1, "author": 1, "title": "t"}, "partition 1")))
    parent = change("users", None, {"id": 1, "name": "n", "email": "e"}, "partition 2")
    at_once = second.apply(batch(parent)).retried  # its time may have come already
    make_due(target)
    assert at_once + second.apply(Batch()).retried == 1
    first.close()
    second.close()
    assert rows(target, "SELECT author FROM posts") == [(1,)]


def test_a_letter_that_is_tried_again_does_not_undo_a_later_change(target: Connection, writer: Writer) -> None:
    writer.apply(batch(post(1, 1, "old")))
    writer.apply(batch(user(1), post(1, 1, "new")))
    make_due(target)
    writer.apply(Batch())
    assert rows(target, "SELECT title FROM posts") == [("new",)]


def test_what_a_dead_change_of_a_key_owes_is_done_by_the_next_change_of_the_row(
    target: Connection, writer: Writer
) -> None:
    writer.apply(batch(user(1, email="a"), user(2, email="b")))
    writer.apply(batch(moved(1, 9, email="b")))
    assert letters(target) == [("users", "[9]", "dead", "23505")]
    writer.apply(batch(user(9, email="c")))
    assert rows(target, "SELECT id, email FROM users ORDER BY id") == [(2, "b"), (9, "c")]
    assert letters(target) == []


def test_a_row_that_has_taken_the_old_key_meanwhile_is_left_alone(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1, email="a"), user(2, email="b")))
    writer.apply(batch(moved(1, 9, email="b")))
    writer.apply(batch(user(1, "another", "d")))
    writer.apply(batch(user(9, email="c")))
    assert rows(target, "SELECT id, email FROM users ORDER BY id") == [(1, "d"), (2, "b"), (9, "c")]


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        ("DROP TABLE posts", "posts"),
        ("ALTER TABLE posts DROP COLUMN title", "title"),
        ("ALTER TABLE posts DROP CONSTRAINT posts_pkey", "ON CONFLICT"),
    ],
)
def test_a_table_that_is_no_longer_right_is_stopped_and_the_others_go_on(
    target: Connection, writer: Writer, harm: str, word: str
) -> None:
    writer.apply(batch(user(1)))
    target.execute(harm.encode())
    applied = writer.apply(batch(user(2), post(1, 1)))
    assert word in applied.tables["posts"]
    assert applied.stopped == {"posts": 1}
    assert writer.apply(batch(user(3), post(2, 1))).tables == {}
    assert one(target, "SELECT count(*) FROM users") == 3
    assert [(source, state) for source, _, state, _ in letters(target)] == [("posts", "stopped")] * 2


def test_a_table_that_the_source_stopped_is_put_aside(target: Connection, writer: Writer) -> None:
    one_batch = batch(user(1), post(1, 1))
    writer.apply(Batch(one_batch.changes, one_batch.positions, {"posts": "column title is gone"}))
    assert letters(target) == [("posts", "[1]", "stopped", "")]
    assert rows(target, "SELECT error FROM seqguard_sync.dead_letters") == [("column title is gone",)]


def test_a_column_that_has_become_wider_is_noticed(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1), post(1, 1)))
    target.execute("ALTER TABLE posts ALTER COLUMN title TYPE integer USING 0")
    writer.apply(batch(post(2, 1, "5")))
    assert rows(target, "SELECT title FROM posts ORDER BY id") == [(0,), (5,)]


def test_row_security_refuses_rows_not_the_table(target: Connection, dsn: str, role: str) -> None:
    target.execute(
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role};"
        f" ALTER TABLE users ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON users USING (name <> 'hidden')".encode()
    )
    with closing(Writer(dsn, "s", [])) as installer:
        installer.apply(Batch())
    target.execute(f"GRANT ALL ON SCHEMA seqguard_sync TO {role};"
                   f" GRANT ALL ON ALL TABLES IN SCHEMA seqguard_sync TO {role}".encode())  # fmt: skip
    writer = Writer(f"{dsn} user={role}", "s", [USERS], LIMITS)
    writer.apply(batch(user(1), user(2, "hidden"), user(3)))
    writer.close()
    assert letters(target) == [("users", "[2]", "dead", "42501")]


def test_who_may_not_create_the_schema_is_told_the_grant(target: Connection, dsn: str, role: str) -> None:
    assert target
    writer = Writer(f"{dsn} user={role}", "s", [USERS], LIMITS)
    with pytest.raises(SeqguardError, match=f'GRANT CREATE ON DATABASE .* TO "{role}"') as caught:
        writer.apply(batch(user(1)))
    assert not isinstance(caught.value, TransientError)


def test_a_locked_row_is_tried_again_later(target: Connection, dsn: str, connect: Connect) -> None:
    writer = Writer(dsn, "s", [USERS, POSTS], HASTY)
    writer.apply(batch(user(1)))
    again = batch(user(1, "new"), user(2))
    with connect().transaction() as transaction:
        transaction.connection.execute("SELECT FROM users FOR UPDATE")
        with pytest.raises(TransientError, match="lock"):
            writer.apply(again)
    writer.apply(again)
    writer.close()
    assert rows(target, "SELECT id, name FROM users ORDER BY id") == [(1, "new"), (2, "n")]
    assert letters(target) == []


def test_a_server_that_is_not_there_is_a_matter_of_time() -> None:
    writer = Writer("host=/nowhere dbname=x", "s", [USERS], LIMITS)
    with pytest.raises(TransientError):
        writer.apply(batch(user(1)))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_batch_cut_off_at_its_commit_is_applied_once(
    target: Connection, dsn: str, connect: Connect, when: str
) -> None:
    """The server is slow to commit; the connection is cut while it is at it, or once it has done it."""
    writer = Writer(dsn, "s", [USERS, POSTS], LIMITS)
    writer.stored(STREAM)
    writer.apply(batch(user(1)))
    target.execute("CREATE TABLE gate ()")
    target.execute("""
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN LOCK TABLE public.gate IN SHARE MODE; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER wait AFTER UPDATE ON seqguard_sync.positions
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()""")
    work = batch(user(2), change("users", None, {"id": 3, "name": "n", "email": "e"}))
    failure = _cut(target, connect, writer, work, when)
    if when == "before":
        assert isinstance(failure, TransientError)
        writer.stored(STREAM)
        writer.apply(work)
    assert writer.stored(STREAM) == work.positions[STREAM]
    writer.close()
    assert rows(target, "SELECT changes FROM seqguard_sync.positions") == [(3,)]
    assert one(target, "SELECT count(*) FROM users") == 3


AT_COMMIT = (
    "FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event_type = 'Lock' AND datname = current_database()"
)


def _cut(target: Connection, connect: Connect, writer: Writer, work: Batch, when: str) -> BaseException | None:
    """Apply in a thread until it waits in its COMMIT; then end its server process, or let it go on."""
    failures: list[BaseException] = []
    with connect().transaction() as transaction:
        transaction.connection.execute("LOCK TABLE gate IN EXCLUSIVE MODE")
        thread = threading.Thread(target=_caught, args=(writer, work, failures))
        thread.start()
        eventually(target, f"SELECT count(*) {AT_COMMIT}", 1)
        if when == "before":
            target.execute(f"SELECT pg_terminate_backend(pid) {AT_COMMIT}".encode())
            eventually(target, f"SELECT count(*) {AT_COMMIT}", 0)
    thread.join(60)
    return failures[0] if failures else None


def _caught(writer: Writer, work: Batch, failures: list[BaseException]) -> None:
    try:
        writer.apply(work)
    except TransientError as error:
        failures.append(error)


def test_an_error_that_comes_with_the_commit_is_narrowed_down_too(target: Connection, dsn: str) -> None:
    target.execute("ALTER TABLE posts ALTER CONSTRAINT posts_author_fkey DEFERRABLE INITIALLY DEFERRED")
    writer = Writer(dsn, "s", [USERS, POSTS], LIMITS)
    writer.apply(batch(post(1, 1), user(1), post(2, 7)))
    writer.close()
    assert rows(target, "SELECT id FROM posts") == [(1,)]
    assert letters(target) == [("posts", "[2]", "waiting", "23503")]


def test_tables_that_reference_each_other_are_filled_where_the_keys_are_deferrable(
    target: Connection, dsn: str
) -> None:
    target.execute("ALTER TABLE users ADD best integer REFERENCES posts (id) DEFERRABLE;"
                   " ALTER TABLE posts ALTER CONSTRAINT posts_author_fkey DEFERRABLE")  # fmt: skip
    writer = Writer(dsn, "s", [mapping("users", "id", "best"), POSTS], LIMITS)
    writer.apply(batch(change("users", None, {"id": 1, "best": 1}), post(1, 1)))
    writer.close()
    assert letters(target) == []
    assert rows(target, "SELECT best FROM users") == [(1,)]


def test_an_identity_that_is_generated_always_gets_the_source_s_values(target: Connection, dsn: str) -> None:
    target.execute("CREATE TABLE always (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)")
    writer = Writer(dsn, "s", [mapping("always", "id", "v")], LIMITS)
    writer.apply(
        batch(change("always", None, {"id": 7, "v": "a"}), change("always", None, {"id": 8, "v": "b"}))
    )
    writer.apply(batch(change("always", {"id": 7}, {"id": 9, "v": "c"})))
    writer.close()
    assert rows(target, "SELECT id, v FROM always ORDER BY id") == [(8, "b"), (9, "c")]
    assert one(target, "INSERT INTO always (v) VALUES ('x') RETURNING id") == 10


def test_a_truncate_leaves_the_rows_that_are_the_target_s_own(target: Connection, dsn: str) -> None:
    target.execute("CREATE TABLE marked (id integer PRIMARY KEY, origin text)")
    target.execute("INSERT INTO marked VALUES (1, 'target')")
    writer = Writer(dsn, "s", [mapping("marked", "id", constants={"origin": "sync"})], LIMITS)
    writer.apply(batch(change("marked", None, {"id": 2})))
    writer.apply(batch(change("marked", None, None)))
    writer.close()
    assert rows(target, "SELECT id FROM marked") == [(1,)]


def test_a_letter_keeps_every_value_and_its_type() -> None:
    row: dict[str, Value] = {
        "a": Decimal("1.50"),
        "b": b"\x00\xff",
        "c": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        "d": date(2026, 1, 2),
        "e": timedelta(hours=-30, microseconds=5),
        "f": JsonDocument('{"a": 1.10}'),
        "g": ZeroDate("0000-00-00"),
        "h": 2**64 - 1,
        "i": 0.1,
        "j": "\0\U0001f600",
        "k": None,
        "l": True,
    }
    assert repr(read_row(row_text(row))) == repr(row)
    assert read_key(key_text(tuple(row.values()))) == tuple(row.values())


def test_a_nul_can_be_stored_in_a_letter(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1, "a\0b")))
    assert read_row(one(target, "SELECT after::text FROM seqguard_sync.dead_letters"))["name"] == "a\0b"  # type: ignore[index]


@pytest.mark.parametrize("identity", ["", "GENERATED ALWAYS AS IDENTITY"])
def test_a_row_keeps_its_unique_value_when_its_key_changes(target: Connection, dsn: str, identity: str) -> None:
    target.execute(f"CREATE TABLE k (id integer {identity} PRIMARY KEY, pos integer NOT NULL UNIQUE)".encode())
    with closing(Writer(dsn, "s", [mapping("k", "id", "pos")], LIMITS)) as writer:
        writer.apply(batch(*[change("k", None, {"id": n, "pos": n}) for n in (1, 2, 3)]))
        writer.apply(batch(change("k", {"id": 2, "pos": 2}, {"id": 20, "pos": 2})))
        assert letters(target) == []
        assert rows(target, "SELECT id, pos FROM k ORDER BY id") == [(1, 1), (3, 3), (20, 2)]
