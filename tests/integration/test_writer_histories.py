"""Whatever happens at a source that keeps its own constraints, in whatever batches it comes: the target ends equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from conftest import one, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from writing import POSTS, STREAM, USERS, batch, change, dsn, target

from seqguard.sync.event import Batch
from seqguard.sync.writing.writer import Limits, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connection

    from seqguard.sync.event import Change

__all__ = ["dsn", "target"]

IDS, EMAILS = st.integers(1, 5), st.sampled_from(["a", "b", "c", None])
ACTIONS = st.one_of(
    st.tuples(st.just("user"), IDS, EMAILS),
    st.tuples(st.just("user gone"), IDS),
    st.tuples(st.just("user moved"), IDS, IDS, EMAILS),
    st.tuples(st.just("post"), IDS, st.none() | IDS),
    st.tuples(st.just("post gone"), IDS),
    st.tuples(st.just("swap"), IDS, IDS),
)
HISTORIES = st.lists(ACTIONS, min_size=1, max_size=40)
SIZES = st.lists(st.integers(1, 8), min_size=1, max_size=30)
REPLAYS = st.lists(st.floats(0, 1), max_size=3)


class Source:
    """Two tables with a key each, a unique e-mail address and a foreign key, and the changes made to them."""

    def __init__(self) -> None:
        self.users: dict[int, dict[str, Any]] = {}
        self.posts: dict[int, dict[str, Any]] = {}
        self.changes: list[Change] = []

    def do(self, what: str, *arguments: Any) -> None:
        getattr(self, what.replace(" ", "_"))(*arguments)

    def user(self, number: int, email: str | None) -> None:
        if email is None or email not in self._emails(number):
            self._write("users", self.users, {"id": number, "name": f"{len(self.changes)}", "email": email})

    def user_gone(self, number: int) -> None:
        if number in self.users and not self._is_parent(number):
            self.changes.append(change("users", self.users.pop(number), None))

    def user_moved(self, old: int, new: int, email: str | None) -> None:
        if old not in self.users or new in self.users or self._is_parent(old) or email in self._emails(old):
            return
        before = self.users.pop(old)
        self.users[new] = {"id": new, "name": f"{len(self.changes)}", "email": email}
        self.changes.append(change("users", before, self.users[new]))

    def post(self, number: int, author: int | None) -> None:
        if author is None or author in self.users:
            self._write("posts", self.posts, {"id": number, "author": author, "title": f"{len(self.changes)}"})

    def post_gone(self, number: int) -> None:
        if number in self.posts:
            self.changes.append(change("posts", self.posts.pop(number), None))

    def swap(self, one: int, other: int) -> None:
        """Two rows hand each other their addresses."""
        if one in self.users and other in self.users and one != other:
            first, second = self.users[one]["email"], self.users[other]["email"]
            self.user(one, None)
            self.user(other, first)
            self.user(one, second)

    def _write(self, table: str, held: dict[int, dict[str, Any]], row: dict[str, Any]) -> None:
        before = held.get(row["id"])
        held[row["id"]] = row
        self.changes.append(change(table, before, row))

    def _emails(self, besides: int) -> set[str]:
        return {row["email"] for number, row in self.users.items() if number != besides and row["email"]}

    def _is_parent(self, number: int) -> bool:
        return any(row["author"] == number for row in self.posts.values())


@pytest.fixture(params=[1, 500], ids=["by COPY where it can be", "by upserts"])
def writer(target: Connection, dsn: str, request: pytest.FixtureRequest) -> Iterator[Writer]:
    assert target
    writer = Writer(dsn, "s", [USERS, POSTS], Limits(retry_every=0, insert_from=request.param))
    writer.apply(Batch())
    yield writer
    writer.close()


def _reset(target: Connection) -> None:
    target.execute(
        "TRUNCATE users, posts, seqguard_sync.positions, seqguard_sync.dead_letters RESTART IDENTITY"
    )


def _send(writer: Writer, changes: list[Change], sizes: list[int]) -> None:
    start, turn = 0, 0
    while start < len(changes):
        size = sizes[turn % len(sizes)]
        writer.apply(batch(*changes[start : start + size]))
        start, turn = start + size, turn + 1


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES, sizes=SIZES, replays=REPLAYS)
def test_the_target_ends_as_the_source_however_it_is_cut_and_replayed(
    target: Connection, writer: Writer, history: list[Any], sizes: list[int], replays: list[float]
) -> None:
    _reset(target)
    writer.stored(STREAM)
    source = Source()
    for action in history:
        source.do(*action)
    _send(writer, source.changes, sizes)
    assert _contents(target) == _expected(source)
    assert one(target, "SELECT count(*) FROM seqguard_sync.dead_letters") == 0
    for where in replays:
        _send(writer, source.changes[int(where * len(source.changes)) :], sizes)
    target.execute("UPDATE seqguard_sync.dead_letters SET next_try = now() WHERE state = 'waiting'")
    writer.apply(Batch())
    assert _contents(target) == _expected(source)
    assert rows(target, "SELECT * FROM seqguard_sync.dead_letters") == []
    for table in ("users", "posts"):
        furthest = one(target, f"SELECT coalesce(max(id), 0) FROM {table}")
        assert one(target, f"INSERT INTO {table} DEFAULT VALUES RETURNING id") > furthest


def _contents(target: Connection) -> tuple[list[Any], list[Any]]:
    return (
        rows(target, "SELECT id, name, email FROM users ORDER BY id"),
        rows(target, "SELECT id, author, title FROM posts ORDER BY id"),
    )


def _expected(source: Source) -> tuple[list[Any], list[Any]]:
    users = sorted(tuple(row.values()) for row in source.users.values())
    return users, sorted(tuple(row.values()) for row in source.posts.values())
