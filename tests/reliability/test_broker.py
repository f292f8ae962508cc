"""Two workers of one group, foreign keys across partitions, a broker that goes silent, a worker that dies."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from broker import Broker, running
from debezium_messages import USERS, Connector, user
from platforms import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platforms import World

    Row = dict[str, Any]
    Message = tuple[str, bytes, bytes | None]

PARTITIONS = 4
NUMBER = {"type": "int32", "optional": False}
TEXT = {"type": "string", "optional": True}
CREATED = "2024-05-06T07:08:09.123456Z"
PROPERTIES = "session.timeout.ms=6000\nheartbeat.interval.ms=300\nreconnect.backoff.max.ms=200\n"

CONNECTORS = {
    "users": Connector(fields=(*USERS, {**TEXT, "field": "mobile"})),
    "posts": Connector(
        table="revamp_posts",
        fields=(
            *({**NUMBER, "field": name} for name in ("id", "author_id", "views")),
            *({**TEXT, "field": name} for name in ("title", "content", "status", "source")),
            USERS[-1],
        ),
    ),
    "likes": Connector(
        table="revamp_likes",
        fields=(
            *({**NUMBER, "field": name} for name in ("id", "user_id", "post_id")),
            *({**TEXT, "field": name} for name in ("reaction_type", "source")),
            USERS[-1],
        ),
    ),
}
EXPECTED = {
    "users": ("SELECT id, full_name, status FROM legacy_users", ("id", "display_name", "account_status")),
    "posts": ("SELECT id, user_id, view_count FROM legacy_posts", ("id", "author_id", "views")),
    "likes": (
        "SELECT id, user_id, post_id, like_type FROM legacy_likes",
        ("id", "user_id", "post_id", "reaction_type"),
    ),
}


class Platform:
    """The revamped platform's rows, and the messages that tell how they came about."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.rows: dict[str, dict[int, Row]] = {table: {} for table in CONNECTORS}
        self.messages: list[Message] = []
        self._last = 1_000

    def live(self, steps: int) -> None:
        """So many random steps. Children go before their parents."""
        for _ in range(steps):
            self._random.choice(
                [self._user, self._post, self._post, self._like, self._like, self._change, self._leave]
            )()

    def _tell(self, table: str, op: str, before: Row | None, after: Row | None) -> None:
        row = after or before
        assert row
        connector = CONNECTORS[table]
        self.messages.append(
            (connector.topic, connector.key_of(id=row["id"]), connector.envelope(op, before, after))
        )
        if after:
            self.rows[table][row["id"]] = after
        else:
            del self.rows[table][row["id"]]
            self.messages.append((connector.topic, connector.key_of(id=row["id"]), None))

    def _new(self) -> int:
        self._last += 1
        return self._last

    def _any(self, table: str) -> Row | None:
        found = self.rows[table]
        return found[self._random.choice(list(found))] if found else None

    def _user(self) -> None:
        self._tell("users", "c", None, user(self._new(), mobile=None))

    def _post(self) -> None:
        if author := self._any("users"):
            row = {"id": self._new(), "author_id": author["id"], "views": 0, "title": "t", "content": None}
            self._tell(
                "posts", "c", None, {**row, "status": "Draft", "source": "revamp", "created_at": CREATED}
            )

    def _like(self) -> None:
        fan, post = self._any("users"), self._any("posts")
        taken = {(like["user_id"], like["post_id"]) for like in self.rows["likes"].values()}
        if fan and post and (fan["id"], post["id"]) not in taken:
            row = {"id": self._new(), "user_id": fan["id"], "post_id": post["id"], "reaction_type": "Wow"}
            self._tell("likes", "c", None, {**row, "source": "revamp", "created_at": CREATED})

    def _change(self) -> None:
        if post := self._any("posts"):
            self._tell("posts", "u", post, {**post, "views": post["views"] + 1})
        if one := self._any("users"):
            self._tell("users", "u", one, {**one, "display_name": f"name {self._new()}"})

    def _leave(self) -> None:
        if post := self._any("posts"):
            for like in [like for like in self.rows["likes"].values() if like["post_id"] == post["id"]]:
                self._tell("likes", "d", like, None)
            self._tell("posts", "d", post, None)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with running() as found:
        for connector in CONNECTORS.values():
            found.topic(connector.topic, PARTITIONS)
        yield found


def send(broker: Broker, messages: list[Message]) -> None:
    for topic in {topic for topic, _, _ in messages}:
        broker.produce(topic, [(key, value) for named, key, value in messages if named == topic])


def is_equal(world: World, platform: Platform) -> bool:
    with psycopg.connect(world.dsn, autocommit=True) as connection:
        for table, (query, columns) in EXPECTED.items():
            found = connection.execute(f"{query} WHERE source = 'sync_service'".encode()).fetchall()
            if set(found) != {_target(row, columns) for row in platform.rows[table].values()}:
                return False
    return True


def _target(row: Row, columns: tuple[str, ...]) -> tuple[Any, ...]:
    lowered = ("account_status", "reaction_type")
    return tuple(row[name].lower() if name in lowered else row[name] for name in columns)


def test_two_workers_bring_rows_of_all_partitions_whatever_happens(world: World, broker: Broker) -> None:
    properties = world.folder / "kafka.properties"
    properties.write_text(PROPERTIES)
    world.write_mapping(
        "sync-kafka.toml",
        **{
            'bootstrap_servers = "kafka:9092"': f'bootstrap_servers = "{broker.servers}"\noption_file = "{properties}"'
        },
    )
    platform = Platform(seed=7)
    platform.live(1_500)
    total = len(platform.messages)
    first, _ = world.start("--batch-size", "40"), world.start("--batch-size", "40")
    send(broker, platform.messages[: total // 3])
    until(lambda: world.count_target() > 20, "rows go over")
    first.kill()
    send(broker, platform.messages[total // 3 : 2 * total // 3])
    world.start("--batch-size", "40")
    broker.pause()
    time.sleep(1.5)
    broker.resume()
    # as after a connector's crash: the last messages of the second third come again
    send(broker, platform.messages[2 * total // 3 - 100 :])
    until(lambda: is_equal(world, platform), "all tables are equal", 120)
    until(lambda: not world.letters(), "nothing waits any more")
    world.assert_ordinary_inserts_succeed()
