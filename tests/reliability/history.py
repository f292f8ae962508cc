"""A history of the revamped platform: inserts, updates, deletes and changed keys, in transactions.

The same seed makes the same statements. What they meet is the database's: a parent that is gone is nobody's
error, its children are simply not made.
"""

from __future__ import annotations

import random
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pymysql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Connection = Any

_USERS = ("Active", "Inactive", "Suspended")
_POSTS = ("Draft", "Published", "Archived")
_LIKES = ("Like", "Love", "Wow", "Sad", "Angry")
_FIRST_ID, _LAST_ID = 1_000, 1_400
"""Explicit ids come from a small range: rows are met again, and deleted ids come back."""
_MAKES_NO_DIFFERENCE = (1062, 1451, 1452)
"""Duplicate key, parent with children, child without parent: of a random history, to be expected."""


class History:
    """Makes one random transaction after the other on a connection."""

    def __init__(self, connection: Connection, seed: int) -> None:
        self._connection = connection
        self._random = random.Random(seed)
        self._number = seed * 1_000_000
        self.statements = 0

    def transaction(self) -> None:
        """From one statement to five, committed together; one in ten is rolled back."""
        self._connection.begin()
        for _ in range(self._random.randint(1, 5)):
            self._statement()
        if self._random.random() < 0.1:
            self._connection.rollback()
        else:
            self._connection.commit()

    def _statement(self) -> None:
        kinds: list[Callable[[], tuple[str, tuple[Any, ...]]]] = [
            self._user, self._user, self._rename, self._rename, self._drop_user, self._move_user,
            self._post, self._post, self._view, self._drop_post, self._like, self._like, self._unlike,
        ]  # fmt: skip
        statement, parameters = self._random.choice(kinds)()
        try:
            with closing(self._connection.cursor()) as cursor:
                cursor.execute(statement, parameters)
        except pymysql.err.IntegrityError as error:
            if error.args[0] not in _MAKES_NO_DIFFERENCE:
                raise
        self.statements += 1

    def _id(self) -> int:
        return self._random.randint(_FIRST_ID, _LAST_ID)

    def _name(self) -> str:
        self._number += 1
        return f"name {self._number}"

    def _user(self) -> tuple[str, tuple[Any, ...]]:
        name = self._name()
        return (
            (
                "INSERT INTO revamp_users (id, user_name, email_address, mobile, account_status)"
                " VALUES (%s, %s, %s, %s, %s)"
            ),
            (self._id(), name, name, self._random.choice([None, "", "+1 202"]), self._random.choice(_USERS)),
        )

    def _rename(self) -> tuple[str, tuple[Any, ...]]:
        return "UPDATE revamp_users SET display_name = %s WHERE id = %s", (self._name(), self._id())

    def _drop_user(self) -> tuple[str, tuple[Any, ...]]:
        return "DELETE FROM revamp_users WHERE id = %s", (self._id(),)

    def _move_user(self) -> tuple[str, tuple[Any, ...]]:
        """A new key, for a user without children: MySQL refuses it for others."""
        return "UPDATE revamp_users SET id = %s WHERE id = %s", (self._id(), self._id())

    def _post(self) -> tuple[str, tuple[Any, ...]]:
        return (
            "INSERT INTO revamp_posts (author_id, title, content, status) VALUES (%s, %s, %s, %s)",
            (self._id(), self._name(), "Grüße 🐘", self._random.choice(_POSTS)),
        )

    def _view(self) -> tuple[str, tuple[Any, ...]]:
        return "UPDATE revamp_posts SET views = views + 1 WHERE author_id = %s", (self._id(),)

    def _drop_post(self) -> tuple[str, tuple[Any, ...]]:
        return "DELETE FROM revamp_posts WHERE author_id = %s ORDER BY id LIMIT 1", (self._id(),)

    def _like(self) -> tuple[str, tuple[Any, ...]]:
        return (
            (
                "INSERT INTO revamp_likes (user_id, post_id, reaction_type)"
                " SELECT %s, id, %s FROM revamp_posts ORDER BY id DESC LIMIT 2"
            ),
            (self._id(), self._random.choice(_LIKES)),
        )

    def _unlike(self) -> tuple[str, tuple[Any, ...]]:
        return "DELETE FROM revamp_likes WHERE user_id = %s", (self._id(),)


@contextmanager
def under_load(connect: Callable[[], Connection], seed: int) -> Iterator[None]:
    """Transactions one after the other, in a thread, while the block lasts."""
    over, failures = threading.Event(), list[BaseException]()

    def write() -> None:
        try:
            with closing(connect()) as connection:
                history = History(connection, seed)
                while not over.wait(0.02):
                    history.transaction()
        except BaseException as error:  # noqa: BLE001 - told of at the end of the block
            failures.append(error)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)
    assert not failures, failures
