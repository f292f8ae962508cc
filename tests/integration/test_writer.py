"""The writer: a batch comes out in the target as it went in at the source, once, with its position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import one, rows
from writing import (
    POSTS,
    STREAM,
    USERS,
    batch,
    change,
    dsn,
    gone,
    letters,
    moved,
    post,
    target,
    user,
)

from seqguard.sync.event import Batch
from seqguard.sync.failure import LostStreamError, TransientError
from seqguard.sync.writing.writer import Limits, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connect, Connection


__all__ = ["dsn", "target"]


@pytest.fixture
def writer(target: Connection, dsn: str) -> Iterator[Writer]:
    assert target
    writer = Writer(dsn, "s", [USERS, POSTS], Limits(retry_every=0))
    yield writer
    writer.close()


def test_what_happens_to_a_row_within_a_batch_comes_out_as_its_end(target: Connection, writer: Writer) -> None:
    applied = writer.apply(
        batch(user(1, "a"), user(2, "b"), user(1, "c"), gone("users", 2), user(3), gone("users", 3))
    )
    assert rows(target, "SELECT id, name FROM users") == [(1, "c")]
    # users is referenced: a row that goes again must take with it what referenced it meanwhile
    assert (applied.upserts, applied.deletes) == (3, 2)
    assert applied.changes == {"users": 6}


def test_rows_that_are_as_they_should_be_are_not_written_again(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1)))
    before = one(target, "SELECT xmin::text FROM users")
    assert writer.apply(batch(user(1))).upserts == 0
    assert one(target, "SELECT xmin::text FROM users") == before


def test_children_come_after_their_parents_and_go_before_them(target: Connection, writer: Writer) -> None:
    writer.apply(batch(post(1, 1), user(1)))
    writer.apply(batch(gone("users", 1), gone("posts", 1)))
    assert rows(target, "SELECT 1 FROM users UNION ALL SELECT 2 FROM posts") == []
    assert letters(target) == []


def test_a_row_keeps_its_children_when_its_key_changes(target: Connection, writer: Writer) -> None:
    target.execute("ALTER TABLE posts DROP CONSTRAINT posts_author_fkey,"
                   " ADD FOREIGN KEY (author) REFERENCES users (id) ON UPDATE CASCADE")  # fmt: skip
    writer.apply(batch(user(1), post(5, 1)))
    writer.apply(batch(moved(1, 9, "new")))
    assert rows(target, "SELECT id, name FROM users") == [(9, "new")]
    assert rows(target, "SELECT author FROM posts") == [(9,)]


def test_a_change_of_the_key_of_a_row_that_is_not_there_brings_the_row(
    target: Connection, writer: Writer
) -> None:
    writer.apply(batch(moved(1, 9)))
    assert rows(target, "SELECT id FROM users") == [(9,)]


def test_an_address_may_be_handed_from_one_row_to_another_within_a_batch(
    target: Connection, writer: Writer
) -> None:
    writer.apply(batch(user(1, email="a"), user(2, email="b")))
    writer.apply(batch(user(1, email="c"), user(2, email="a"), user(3, email="b")))
    writer.apply(batch(gone("users", 2), user(4, email="a")))
    assert rows(target, "SELECT id, email FROM users ORDER BY id") == [(1, "c"), (3, "b"), (4, "a")]
    assert letters(target) == []


def test_the_position_is_stored_with_the_rows(target: Connection, writer: Writer) -> None:
    assert writer.stored(STREAM) is None
    last = batch(user(1), user(2))
    writer.apply(last)
    assert writer.stored(STREAM) == last.positions[STREAM]
    assert rows(target, "SELECT sync, stream, changes FROM seqguard_sync.positions") == [("s", STREAM, 2)]


def test_a_position_may_move_on_without_changes(writer: Writer) -> None:
    writer.apply(Batch((), {STREAM: {"at": 5}}))
    writer.apply(Batch((), {STREAM: {"at": 6}}))
    assert writer.stored(STREAM) == {"at": 6}


def test_a_stream_that_another_writer_has_moved_on_is_lost(
    target: Connection, writer: Writer, dsn: str
) -> None:
    writer.apply(batch(user(1)))
    other = Writer(dsn, "s", [USERS, POSTS])
    other.stored(STREAM)
    other.apply(batch(user(2)))
    with pytest.raises(LostStreamError, match="binlog"):
        writer.apply(batch(user(3)))
    writer.stored(STREAM)
    writer.apply(batch(user(4)))
    other.close()
    assert rows(target, "SELECT id FROM users ORDER BY id") == [(1,), (2,), (4,)]


def test_a_value_that_fits_nowhere_becomes_a_letter_and_the_others_go_on(
    target: Connection, writer: Writer
) -> None:
    applied = writer.apply(batch(user(1), user(2, "a\0b"), user(2**40), user(4)))
    assert rows(target, "SELECT id FROM users ORDER BY id") == [(1,), (4,)]
    assert letters(target) == [
        ("users", "[2]", "dead", "22021"),
        ("users", f"[{2**40}]", "dead", "22003"),
    ]
    assert applied.dead == {"users": 2}


def test_a_row_that_a_constraint_refuses_becomes_a_letter_and_the_others_go_on(
    target: Connection, writer: Writer
) -> None:
    target.execute("ALTER TABLE users ADD CHECK (name <> 'bad')")
    writer.apply(batch(*[user(n, "bad" if n % 7 == 0 else "good") for n in range(1, 30)]))
    assert len(rows(target, "SELECT id FROM users")) == 25
    assert [letter[1:] for letter in letters(target)] == [(f"[{n}]", "dead", "23514") for n in (7, 14, 21, 28)]


def test_a_child_waits_for_its_parent(target: Connection, writer: Writer) -> None:
    assert writer.apply(batch(post(1, 1))).waiting == {"posts": 1}
    assert letters(target) == [("posts", "[1]", "waiting", "23503")]
    at_once = writer.apply(batch(user(1))).retried  # its time may have come already
    target.execute("UPDATE seqguard_sync.dead_letters SET next_try = now()")
    assert at_once + writer.apply(Batch()).retried == 1
    assert rows(target, "SELECT id FROM posts") == [(1,)]
    assert letters(target) == []


def test_a_later_change_of_the_row_takes_the_place_of_its_letter(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1, "a\0"), post(1, 1)))
    assert len(letters(target)) == 2
    writer.apply(batch(user(1, "a"), gone("posts", 1)))
    assert letters(target) == []


def test_a_connection_that_is_cut_is_opened_again(target: Connection, writer: Writer, connect: Connect) -> None:
    writer.apply(batch(user(1)))
    connect().execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                      " WHERE pid <> pg_backend_pid() AND application_name = 'seqguard'")  # fmt: skip
    again = batch(user(2))
    with pytest.raises(TransientError):
        writer.apply(again)
    writer.apply(again)
    assert rows(target, "SELECT id FROM users ORDER BY id") == [(1,), (2,)]


def test_a_truncate_empties_the_table(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1), user(2)))
    writer.apply(batch(user(3), change("users", None, None), user(4)))
    assert rows(target, "SELECT id FROM users ORDER BY id") == [(4,)]


def test_sequences_are_right_after_each_batch(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(100)))
    assert one(target, "INSERT INTO users (name) VALUES ('ordinary') RETURNING id") == 101
