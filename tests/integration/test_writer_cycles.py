"""Rows that reference one another, and rows that others reference: who waits for whom, and until when."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import one, rows
from writing import POSTS, USERS, batch, change, dsn, letters, mapping, moved, post, target, user

from seqguard.sync.event import Batch
from seqguard.sync.writing.writer import Limits, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connection

__all__ = ["dsn", "target"]

TABLES = [mapping("users", "id", "best"), POSTS, mapping("likes", "id", "fan")]
LATER = Limits(retry_every=3600)


@pytest.fixture
def writer(target: Connection, dsn: str) -> Iterator[Writer]:
    """Users have a best post, posts an author; a third table references users. The cycle's keys are deferrable."""
    target.execute("""
        ALTER TABLE users ADD best integer REFERENCES posts (id) DEFERRABLE;
        ALTER TABLE posts ALTER CONSTRAINT posts_author_fkey DEFERRABLE;
        CREATE TABLE likes (id integer PRIMARY KEY, fan integer REFERENCES users (id))""")
    with closing(Writer(dsn, "s", TABLES, LATER)) as made:
        made.apply(Batch())  # looks for letters that are due, and does not again
        yield made


def make_due(target: Connection, which: str = "true") -> None:
    target.execute(f"UPDATE seqguard_sync.dead_letters SET next_try = now() WHERE {which}".encode())


def make_wait(target: Connection) -> None:
    target.execute("UPDATE seqguard_sync.dead_letters SET next_try = now() + interval '1 hour'")


def retried(dsn: str) -> int:
    """What a writer applies of the letters that are due."""
    with closing(Writer(dsn, "s", TABLES, Limits(retry_every=0))) as writer:
        return writer.apply(Batch()).retried


def fan_of(number: int, who: int) -> Batch:
    return batch(change("likes", None, {"id": number, "fan": who}))


def test_rows_that_wait_for_each_other_are_applied_together(
    target: Connection, dsn: str, writer: Writer
) -> None:
    writer.apply(batch(change("users", None, {"id": 1, "best": 1})))
    writer.apply(fan_of(1, 7))
    writer.apply(batch(post(1, 1)))
    assert len(letters(target)) == 3
    make_wait(target)
    make_due(target, "source = 'posts'")
    assert retried(dsn) == 2
    assert rows(target, "SELECT best FROM users") == [(1,)]
    assert letters(target) == [("likes", "[1]", "waiting", "23503")]


def test_a_letter_that_is_tried_along_with_others_does_not_wait_longer(
    target: Connection, dsn: str, writer: Writer
) -> None:
    writer.apply(fan_of(1, 7))
    writer.apply(fan_of(2, 8))
    make_wait(target)
    make_due(target, "key = '[2]'")
    assert retried(dsn) == 0
    assert rows(target, "SELECT key, attempts FROM seqguard_sync.dead_letters ORDER BY id") == [
        ("[1]", 1),
        ("[2]", 2),
    ]


def test_an_orphan_in_the_same_batch_does_not_keep_a_cycle_waiting(target: Connection, writer: Writer) -> None:
    writer.apply(
        batch(change("users", None, {"id": 1, "best": 1}), *fan_of(1, 7).changes, post(1, 1), post(2, 9))
    )
    assert letters(target) == [("likes", "[1]", "waiting", "23503"), ("posts", "[2]", "waiting", "23503")]
    assert rows(target, "SELECT best FROM users") == [(1,)]


def test_a_row_that_others_reference_says_so(target: Connection, dsn: str) -> None:
    with closing(Writer(dsn, "s", [USERS, POSTS], LATER)) as writer:
        writer.apply(batch(user(1), post(1, 1)))
        writer.apply(batch(moved(1, 2)))
        writer.apply(batch(post(3, 9)))
    details = [text for (text,) in rows(target, "SELECT detail FROM seqguard_sync.dead_letters ORDER BY id")]
    assert details[0].startswith("other rows still reference this one as it was")
    assert details[1].startswith("the row that this one references is not there")
    assert one(target, "SELECT count(*) FROM users") == 1
