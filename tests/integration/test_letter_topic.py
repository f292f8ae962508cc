"""Dead letters are told to a Kafka topic where the mapping file names one, each at least once."""

from __future__ import annotations

import json
import logging
import secrets
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
from broker import Broker, running
from conftest import one
from platforms import until
from writing import POSTS, TABLES, USERS, batch, dsn, empty, post, user

from seqguard.errors import SeqguardError
from seqguard.sync.kafka.producing import Topic
from seqguard.sync.mapping.config import Config, KafkaSource
from seqguard.sync.running.backlog import open_backlog
from seqguard.sync.running.publishing import Publisher, message
from seqguard.sync.writing.writer import Limits, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from conftest import Connection


__all__ = ["dsn"]

SECONDS = 60.0


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with running() as made:
        yield made


@pytest.fixture
def target(db: Connection, dsn: str) -> Connection:
    """One letter that is dead, one that waits."""
    empty(db)
    db.execute(TABLES.encode())
    with closing(Writer(dsn, "s", [USERS, POSTS], Limits(retry_every=60))) as writer:
        writer.apply(batch(user(1, email="a"), user(2, email="a"), post(1, 3)))
    return db


@pytest.fixture
def topic(broker: Broker) -> str:
    return broker.topic(f"letters-{secrets.token_hex(4)}")


def publish(dsn: str, servers: str, topic: str, seconds: float = SECONDS) -> list[str]:
    """Tell the topic of what there is; return what kept us from it."""
    problems: list[str] = []
    Publisher(dsn, "s", Topic(servers, topic, None, seconds), problems.append).close()
    return problems


def told(broker: Broker, topic: str) -> list[dict[str, Any]]:
    """Everything in the topic."""
    settings = {"bootstrap.servers": broker.servers, "group.id": "g", "enable.partition.eof": True}
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + SECONDS
    with closing(confluent_kafka.Consumer(settings, logger=logging.getLogger("tests.broker"))) as consumer:
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        while time.monotonic() < deadline:
            got = consumer.poll(1)
            if got is not None and got.error():
                return found
            if got is not None:
                found.append({"message key": got.key(), **json.loads(got.value() or b"")})
    raise AssertionError("the topic has no end")


def test_a_dead_letter_is_told_with_its_row_and_reason_and_a_waiting_one_is_not(
    target: Connection, dsn: str, broker: Broker, topic: str
) -> None:
    assert publish(dsn, broker.servers, topic) == []
    (letter,) = told(broker, topic)
    assert letter["message key"] == b"[2]"
    assert (letter["sync"], letter["source"], letter["state"], letter["sqlstate"]) == (
        "s",
        "users",
        "dead",
        "23505",
    )
    assert letter["after"] == {"id": 2, "name": "n", "email": "a"}
    assert letter["stream"] == "binlog"
    assert letter["offset"] == one(
        target, "SELECT \"offset\" FROM seqguard_sync.dead_letters WHERE state = 'dead'"
    )
    assert one(target, "SELECT count(*) FROM seqguard_sync.dead_letters") == 2, "the table keeps it, too"


def test_a_letter_is_told_once(target: Connection, dsn: str, broker: Broker, topic: str) -> None:
    assert target
    publish(dsn, broker.servers, topic)
    publish(dsn, broker.servers, topic)
    assert len(told(broker, topic)) == 1


def test_a_letter_that_fails_otherwise_when_it_is_tried_again_is_told_again(
    target: Connection, dsn: str, broker: Broker, topic: str
) -> None:
    publish(dsn, broker.servers, topic)
    target.execute("UPDATE users SET email = 'b'")
    target.execute("ALTER TABLE users ADD CONSTRAINT no_a CHECK (email <> 'a')")
    with closing(Writer(dsn, "s", [USERS, POSTS])) as writer:
        ids = [one(target, "SELECT id FROM seqguard_sync.dead_letters WHERE state = 'dead'")]
        assert writer.retry(ids) == 0
        publish(dsn, broker.servers, topic)
        assert writer.retry(ids) == 0
        publish(dsn, broker.servers, topic)
    assert [letter["sqlstate"] for letter in told(broker, topic)] == ["23505", "23514"]


def test_brokers_that_are_away_are_told_when_they_are_back(
    target: Connection, dsn: str, broker: Broker, topic: str
) -> None:
    (problem,) = publish(dsn, "127.0.0.1:1", topic, 1)
    assert problem.startswith(f"topic {topic} at 127.0.0.1:1: ")
    assert one(target, "SELECT count(published) FROM seqguard_sync.dead_letters") == 0
    publish(dsn, broker.servers, topic)
    assert len(told(broker, topic)) == 1


class Faulty(Topic):
    """A topic that fails once, as nobody foresaw."""

    _failed = False

    def send(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        if not self._failed:
            self._failed = True
            raise ValueError("unforeseen")
        super().send(messages)


@pytest.mark.usefixtures("target")
def test_what_nobody_foresaw_is_told_and_letters_are_sent_no_less(dsn: str, broker: Broker, topic: str) -> None:
    problems: list[str] = []
    publisher = Publisher(dsn, "s", Faulty(broker.servers, topic, None), problems.append)
    until(lambda: problems, "it fails")
    publisher.close()
    assert problems == ["ValueError: unforeseen"]
    assert len(told(broker, topic)) == 1


def test_a_property_that_librdkafka_does_not_take_is_named_on_one_line(tmp_path: Path) -> None:
    properties = tmp_path / "kafka.properties"
    properties.write_text("sasl.mechanizm=PLAIN\n")
    with pytest.raises(SeqguardError, match=r'^Kafka: No such configuration property: "sasl.mechanizm"$'):
        Topic("127.0.0.1:1", "letters", str(properties))
    source = KafkaSource("127.0.0.1:1", "g", "x.", str(properties), None)
    with (
        pytest.raises(SeqguardError, match="mechanizm"),
        open_backlog(Config("sync.toml", "s", source, "dbname=x", ())),
    ):
        pass


def test_a_row_that_brokers_would_not_take_is_left_out() -> None:
    text = message(
        "s", {"id": 1, "key": "[1]", "error": "e", "before": None, "after": {"text": "x" * 2_000_000}}
    )
    assert json.loads(text) == {
        "sync": "s", "id": 1, "key": "[1]", "error": "e", "before": None, "after": None, "rows_left_out": True,
    }  # fmt: skip
