"""Rows that hand unique values to one another, and batches with many rows that fail, are written nearly as fast as others."""

from __future__ import annotations

import random
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import one, rows
from writing import POSTS, USERS, batch, change, dsn, gone, letters, mapping, post, target, user

from seqguard.sync.writing.writer import Limits, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connection

    from seqguard.sync.event import Change

__all__ = ["dsn", "target"]

LIMITS = Limits(retry_every=60)
SLOTS, SWAPS, OTHERS = 40, 60, 20


@pytest.fixture
def writer(target: Connection, dsn: str) -> Iterator[Writer]:
    target.execute(
        "CREATE TABLE slots (id integer PRIMARY KEY, pos integer NOT NULL UNIQUE, note text DEFAULT 'own')"
    )
    target.execute("CREATE TABLE r (id integer PRIMARY KEY, v integer)")
    with closing(
        Writer(dsn, "s", [USERS, POSTS, mapping("slots", "id", "pos"), mapping("r", "id", "v")], LIMITS)
    ) as made:
        made.apply(batch(*[slot(n, n) for n in range(SLOTS)], *[other(n, 0) for n in range(100)]))
        yield made


def slot(number: int, pos: int) -> Change:
    return change("slots", None, {"id": number, "pos": pos})


def other(number: int, v: int) -> Change:
    return change("r", {"id": number, "v": v - 1}, {"id": number, "v": v})


def swaps(positions: list[int]) -> Iterator[Change]:
    """Pairs of slots that change places by way of -1, and rows of another table between."""
    chosen = random.Random(1)
    for version in range(SWAPS):
        a, b = chosen.sample(range(SLOTS), 2)
        positions[a], positions[b] = positions[b], positions[a]
        yield from (slot(a, -1), slot(b, positions[b]), slot(a, positions[a]))
        yield from (other(n, version) for n in range(OTHERS))


def count_writes(target: Connection) -> None:
    """Every statement that writes r draws from a sequence, whether it is rolled back or not."""
    target.execute("""
        CREATE SEQUENCE written;
        CREATE FUNCTION count_one() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM nextval('public.written'); RETURN NULL; END $$;
        CREATE TRIGGER counted AFTER INSERT OR UPDATE ON r FOR EACH STATEMENT EXECUTE FUNCTION count_one()""")


def writes(target: Connection) -> int:
    """How many statements wrote r."""
    found: int = one(target, "SELECT last_value FROM written")
    return found // 2  # INSERT ... ON CONFLICT DO UPDATE is both


def test_swapped_values_do_not_take_the_other_tables_apart(target: Connection, writer: Writer) -> None:
    count_writes(target)
    positions = list(range(SLOTS))
    assert writer.apply(batch(*swaps(positions))).in_order == {"slots"}
    assert writer.apply(batch(*swaps(positions))).in_order == set(), "it is told once"
    assert rows(target, "SELECT pos FROM slots ORDER BY id") == [(pos,) for pos in positions]
    assert one(target, "SELECT count(*) FROM slots WHERE note = 'own'") == SLOTS
    assert letters(target) == []
    assert writes(target) <= 2 * 2


def test_many_rows_that_fail_cost_a_few_tries_each(target: Connection, writer: Writer) -> None:
    taken = [slot(1000 + n, n % SLOTS) for n in range(20)]
    changes = [other(n % 100, n) for n in range(2000)]
    for n, one_taken in enumerate(taken):
        changes.insert(n * 90, one_taken)
    count_writes(target)
    writer.apply(batch(*changes))
    assert len(letters(target)) == 20
    assert one(target, "SELECT count(*) FROM r WHERE v >= 1900") == 100
    assert writes(target) <= 20 + 5


def test_a_value_of_a_row_that_is_gone_goes_to_another(target: Connection, writer: Writer) -> None:
    writer.apply(batch(user(1, email="a"), post(1, 1), slot(100, 100)))
    writer.apply(
        batch(
            *(gone("slots", 100), slot(101, 100), slot(101, 102), slot(102, 100), gone("slots", 101), slot(103, 102)),
            *(user(2, email="b"), post(1, 2), gone("users", 1), user(3, email="a"), post(2, 3)),
        )
    )  # fmt: skip
    assert rows(target, "SELECT id, pos FROM slots WHERE id >= 100 ORDER BY id") == [(102, 100), (103, 102)]
    assert rows(target, "SELECT id, email FROM users ORDER BY id") == [(2, "b"), (3, "a")]
    assert rows(target, "SELECT id, author FROM posts ORDER BY id") == [(1, 2), (2, 3)]
    assert letters(target) == []


def test_a_row_that_changes_often_takes_no_more_rounds(target: Connection, writer: Writer) -> None:
    hot = [change("users", None, {"id": 1, "name": str(n), "email": "hot"}) for n in range(500)]
    writer.apply(batch(user(2, email="x"), user(3, email="y")))
    swap = [user(2, email="-"), user(3, email="x"), user(2, email="y")]
    writer.apply(batch(*hot[:250], *swap, *hot[250:]))
    assert rows(target, "SELECT id, name, email FROM users ORDER BY id") == [
        (1, "499", "hot"),
        (2, "n", "y"),
        (3, "n", "x"),
    ]
    assert letters(target) == []
