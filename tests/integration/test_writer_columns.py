"""Rows of one table that do not all bring the same columns: each is written with those that it brings."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from conftest import rows
from platforms import until
from writing import POSTS, STREAM, USERS, batch, change, dsn, letters, post, target, user

from seqguard.sync.writing.writer import Limits, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connection

    from seqguard.sync.event import Batch, Change

__all__ = ["dsn", "target"]

LIMITS = Limits(retry_every=0)
OLD = frozenset({"title"})


@pytest.fixture
def writer(target: Connection, dsn: str) -> Iterator[Writer]:
    """The target fills the column that old rows lack."""
    target.execute("ALTER TABLE posts ALTER title SET DEFAULT 'default'")
    with closing(Writer(dsn, "s", [USERS, POSTS], LIMITS)) as writer:
        yield writer
    target.execute("ALTER TABLE posts ALTER title DROP DEFAULT")


def old_post(number: int, author: int) -> Change:
    return change("posts", None, {"id": number, "author": author})


def old(*changes: Change) -> Batch:
    return replace(batch(*changes), lacks={"posts": OLD})


def whole(*changes: Change) -> Batch:
    return replace(batch(*changes), lacks={"posts": frozenset()})


def posts(target: Connection) -> list[tuple[object, ...]]:
    return rows(target, "SELECT id, title FROM posts ORDER BY id")


def make_due(target: Connection) -> None:
    target.execute("UPDATE seqguard_sync.dead_letters SET next_try = now() WHERE state = 'waiting'")


def test_a_batch_of_old_rows_leaves_the_new_column_as_it_is(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1)))
    writer.apply(whole(post(1, 1, "new")))
    writer.apply(old(old_post(1, 1), old_post(2, 1)))
    writer.apply(whole(post(3, 1, "new")))
    assert posts(target) == [(1, "new"), (2, "default"), (3, "new")]


def test_waiting_rows_are_written_with_the_columns_that_each_brought(
    target: Connection, writer: Writer
) -> None:
    writer.apply(whole(post(1, 9, "new")))
    writer.apply(old(old_post(2, 9)))
    writer.apply(whole(post(3, 9, "new")))
    writer.apply(old(old_post(4, 9)))
    writer.apply(batch(user(9)))
    make_due(target)
    until(lambda: writer.apply(batch()) and not letters(target), "every letter is applied")
    assert posts(target) == [(1, "new"), (2, "default"), (3, "new"), (4, "default")]


def test_trying_old_rows_again_changes_nothing_for_what_comes_next(target: Connection, writer: Writer) -> None:
    writer.apply(old(old_post(1, 9)))
    writer.apply(whole())
    writer.apply(batch(user(9)))
    make_due(target)
    writer.apply(whole(post(2, 9, "new")))
    writer.apply(batch(post(3, 9, "new")))  # as from the binlog, which says nothing of lacking columns
    assert posts(target) == [(1, "default"), (2, "new"), (3, "new")]


def test_what_was_prepared_for_other_columns_is_prepared_anew(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(9)))
    ahead = batch(post(1, 9, "new"))
    prepared = writer.prepare(ahead)
    writer.apply(old(old_post(2, 9)))
    writer.apply(replace(ahead, lacks={"posts": frozenset()}), prepared)
    assert posts(target) == [(1, "new"), (2, "default")]


def test_a_row_with_a_column_that_is_not_mapped_any_more_is_not_written_without_a_new_one(
    target: Connection, writer: Writer
) -> None:
    writer.apply(old(change("posts", None, {"id": 1, "author": 9, "heading": "t"})))
    writer.apply(batch(user(9)))
    writer.apply(whole())
    make_due(target)
    writer.apply(whole(post(2, 9)))
    assert posts(target) == [(2, "t")]
    assert letters(target) == [("posts", "[1]", "dead", "42703")]


def test_a_waiting_row_that_a_filter_leaves_out_by_now_is_no_letter_any_more(
    target: Connection, dsn: str, writer: Writer
) -> None:
    writer.apply(batch(post(1, 9)))
    writer.close()
    filtered = replace(POSTS, ignore={"title": frozenset({"t"})})
    with closing(Writer(dsn, "s", [USERS, filtered], LIMITS)) as other:
        other.stored(STREAM)
        make_due(target)
        other.apply(batch(user(9)))
    assert (posts(target), letters(target)) == ([], [])


def test_letters_of_both_kinds_can_be_retried_at_once(target: Connection, writer: Writer) -> None:
    writer.apply(whole(post(1, 9, "new"), post(2, 9, "new")))
    writer.apply(old(old_post(3, 9), old_post(4, 9)))
    target.execute("UPDATE seqguard_sync.dead_letters SET state = 'dead'")
    writer.apply(batch(user(9)))
    ids = [number for (number,) in rows(target, "SELECT id FROM seqguard_sync.dead_letters")]
    assert writer.retry(ids) == 4
    assert posts(target) == [(1, "new"), (2, "new"), (3, "default"), (4, "default")]
    assert letters(target) == []
