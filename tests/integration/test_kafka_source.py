"""The Kafka source on a real broker: positions, tombstones, bad messages, faults of the broker."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from broker import Broker, running
from confluent_kafka import KafkaError
from debezium_messages import Connector, user
from proxy import Proxy

from seqguard.errors import SeqguardError
from seqguard.sync.event import BadMessage, Batch, Change, Offset
from seqguard.sync.failure import TransientError
from seqguard.sync.kafka.options import Options
from seqguard.sync.kafka.source import KafkaSource
from seqguard.sync.mapping.table import TableMapping
from seqguard.sync.target.catalog import TargetColumn, TargetTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import confluent_kafka

FAST = "session.timeout.ms=6000\nheartbeat.interval.ms=200\nreconnect.backoff.max.ms=200\n"
RANGE = FAST + "partition.assignment.strategy=range\n"
SECONDS = 60.0
Message = tuple[bytes | None, bytes | None]
COLUMNS = {"id": "id", "user_name": "username", "created_at": "created_at"}
KINDS = {"id": "integer", "username": "text", "created_at": "timestamp with time zone"}
MAPPING = TableMapping("revamp_users", "public", "legacy_users", ("id",), COLUMNS)
TARGET = TargetTable(
    1,
    "public",
    "legacy_users",
    {name: TargetColumn(name, kind, True, True, False, False) for name, kind in KINDS.items()},
    (),
    frozenset(),
    (),
)
CONNECTOR = Connector(schemas=False)


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with running() as found:
        yield found


@dataclass
class Target:
    """Keeps positions, as the writer does, and what was read."""

    positions: dict[str, Offset] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)

    def stored(self, stream: str) -> Offset | None:
        return self.positions.get(stream)

    def apply(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.positions.update(batch.positions)

    @property
    def changes(self) -> list[Change]:
        return [change for batch in self.batches for change in batch.changes]

    @property
    def ids(self) -> list[Any]:
        return [(change.after or change.before or {}).get("id") for change in self.changes]


@dataclass
class Place:
    """A topic of a test's own, and how to read it."""

    broker: Broker
    topic: str
    option_file: Path
    group: str = field(default_factory=lambda: f"group-{secrets.token_hex(4)}")

    def send(self, *messages: Message) -> None:
        self.broker.produce(self.topic, messages)

    def source(self) -> KafkaSource:
        return KafkaSource(*self.how())

    def how(self) -> tuple[Options, dict[str, list[tuple[TableMapping, TargetTable]]]]:
        options = Options(self.broker.servers, self.group, str(self.option_file))
        return options, {self.topic: [(MAPPING, TARGET)]}

    def read(self, target: Target, until: int, source: KafkaSource | None = None) -> None:
        """Read until the streams stand so far in all."""
        with closing(source or self.source()) as reading:
            reading.start(target.stored)
            _poll_until(reading, target, until)


@pytest.fixture
def place(broker: Broker, tmp_path: Path) -> Place:
    options = tmp_path / "kafka.properties"
    options.write_text(RANGE)
    return Place(broker, broker.topic(f"users-{secrets.token_hex(4)}"), options)


def insert(number: int) -> Message:
    return CONNECTOR.key_of(id=number), CONNECTOR.envelope("c", after=user(number))


def inserts(numbers: Iterable[int]) -> list[Message]:
    return [insert(number) for number in numbers]


def delete(number: int) -> Message:
    return CONNECTOR.key_of(id=number), CONNECTOR.envelope("d", user(number))


def tombstone(number: int) -> Message:
    return CONNECTOR.key_of(id=number), None


def test_a_new_group_reads_from_the_beginning_and_goes_on_where_the_target_stands(place: Place) -> None:
    place.send(*inserts(range(5)))
    target = Target()
    place.read(target, 5)
    place.send(*inserts(range(5, 8)))
    place.read(target, 8)
    assert target.ids == list(range(8))
    (position,) = target.positions.values()
    assert position == {"offset": 8, "columns": {"revamp_users": COLUMNS}}


def test_positions_are_the_targets_not_the_brokers(place: Place) -> None:
    place.send(*inserts(range(5)))
    place.read(Target(), 5)
    behind = Target({f"{place.topic}/0": {"offset": 3}})
    place.read(behind, 5)
    assert behind.ids == [3, 4]
    replay = Target()
    place.read(replay, 5)
    assert replay.ids == [0, 1, 2, 3, 4]


def test_a_batch_holds_no_more_than_the_limit(place: Place) -> None:
    place.send(*inserts(range(10)))
    target = Target()
    with closing(place.source()) as source:
        source.start(target.stored)
        _poll_until(source, target, 10, limit=4)
    assert max(len(batch.changes) for batch in target.batches) <= 4
    assert target.ids == list(range(10))
    assert [change.position.offset for change in target.changes] == [{"offset": n} for n in range(1, 11)]


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {column: value for column, value in row.items() if column != name}


SENT: dict[str, list[Message]] = {
    "tombstones": [
        *(insert(1), tombstone(1), delete(2), insert(3), tombstone(2)),
        *(delete(3), tombstone(3), tombstone(4), tombstone(4)),
    ],
    "bad": [insert(1), (b"key\0", b"\xff no JSON"), insert(2)],
    "narrower": [(CONNECTOR.key_of(id=1), CONNECTOR.envelope("c", after=_without(user(1), "user_name")))],
    "others": [(b"{}", CONNECTOR.envelope("c", after={"a": 1}, table="others"))],
}


@pytest.fixture(scope="module")
def harvest(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    """What comes of each list of SENT, in a topic of its own; read at once, because joining a group takes seconds."""
    options = tmp_path_factory.mktemp("harvest") / "kafka.properties"
    options.write_text(RANGE)
    for name, messages in SENT.items():
        broker.produce(broker.topic(name), messages)
    found = {name: Target() for name in SENT}
    everything = Target()
    with closing(
        KafkaSource(
            Options(broker.servers, "harvest", str(options)), {name: [(MAPPING, TARGET)] for name in SENT}
        )
    ) as source:
        source.start(everything.stored)
        deadline = time.monotonic() + SECONDS
        while everything.positions.keys() != {f"{name}/0" for name in SENT} or source.lag() != 0:
            assert time.monotonic() < deadline, everything.positions
            everything.apply(source.poll(1, 0.2))
    for batch in everything.batches:
        for stream in batch.positions:
            found[stream.removesuffix("/0")].apply(batch)
    return found


def test_a_tombstone_right_after_its_delete_is_nothing_new_even_after_a_restart(place: Place) -> None:
    place.send(insert(1), delete(1))
    target = Target()
    place.read(target, 2)
    place.send(tombstone(1))
    place.read(target, 3)
    assert [(c.before is None, c.after is None) for c in target.changes] == [(True, False), (False, True)]


def test_any_other_tombstone_is_a_delete(harvest: dict[str, Target]) -> None:
    changes = harvest["tombstones"].changes
    assert [(c.before or {}).get("id") for c in changes] == [None, 1, 2, None, 2, 3, 4, 4]


def test_a_bad_message_stops_nothing(harvest: dict[str, Target]) -> None:
    target = harvest["bad"]
    assert target.ids == [1, 2]
    (bad,) = (bad for batch in target.batches for bad in batch.bad)
    assert isinstance(bad, BadMessage)
    assert (bad.table, bad.key, bad.value) == ("revamp_users", b"key\0", b"\xff no JSON")
    assert bad.position.offset == {"offset": 2}
    assert "no JSON" in bad.reason


def test_a_lost_column_is_told_with_its_changes(harvest: dict[str, Target]) -> None:
    (batch,) = harvest["narrower"].batches
    assert batch.stopped == {
        "revamp_users": "its messages no longer have the mapped columns user_name: dropped or renamed?"
    }
    assert len(batch.changes) == 1


def test_messages_of_other_tables_move_the_position_on(harvest: dict[str, Target]) -> None:
    assert harvest["others"].changes == []
    assert harvest["others"].positions == {"others/0": {"offset": 1}}


def test_lag_counts_what_waits(place: Place) -> None:
    place.send(*inserts(range(10)))
    target = Target()
    with closing(place.source()) as source:
        assert source.lag() is None
        source.start(target.stored)
        _poll_until(source, target, 4, limit=1)
        assert source.lag() == 6
        _poll_until(source, target, 10)
        assert source.lag() == 0
        place.send(insert(10))
        _poll_until(source, target, 11)
        assert source.lag() == 0


def test_a_position_that_is_not_in_the_topic_is_an_error(place: Place) -> None:
    place.send(*inserts(range(3)))
    with pytest.raises(
        SeqguardError, match=r"partition 0: .* stands at offset 1000, .*it ends at 3.*new snapshot"
    ):
        place.read(Target({f"{place.topic}/0": {"offset": 1000}}), 1001)


def test_a_position_that_cannot_be_read_is_tried_again(place: Place) -> None:
    def stored(_: str) -> Offset | None:
        raise TransientError("the target is away")

    with closing(place.source()) as source:
        source.start(stored)
        with pytest.raises(TransientError, match="the target is away"):
            source.poll(1, SECONDS)


def test_a_broker_that_goes_and_comes_back_loses_nothing(tmp_path: Path) -> None:
    broker = Broker()
    with closing(Proxy(("127.0.0.1", broker.port), 0)) as proxy:
        broker.advertised = proxy.port
        try:
            broker.start()
            options = tmp_path / "kafka.properties"
            options.write_text(RANGE)
            place = Place(broker, broker.topic("users"), options)
            target = Target()
            place.send(*inserts(range(5)))
            place.read(target, 5)
            proxy.refuse()
            with closing(place.source()) as source:
                with pytest.raises(TransientError, match=f"no broker at 127.0.0.1:{proxy.port} answers"):
                    source.start(target.stored)
                proxy.accept()
                source.start(target.stored)
                _poll_until_caught_up(source, target)
                proxy.refuse()
                with pytest.raises(TransientError, match="answers"):
                    _poll_for(source, SECONDS)
                proxy.accept()
                place.send(*inserts(range(5, 10)))
                place.read(target, 10, source)
            assert target.ids == list(range(10))
        finally:
            broker.stop()


def test_a_broker_that_hangs_for_a_while_loses_nothing(tmp_path: Path) -> None:
    with running() as broker:
        options = tmp_path / "kafka.properties"
        options.write_text(RANGE)
        place = Place(broker, broker.topic("users"), options)
        target = Target()
        place.send(*inserts(range(5)))
        with closing(place.source()) as source:
            source.start(target.stored)
            _poll_until(source, target, 5)
            broker.pause()
            target.apply(source.poll(5, 1))
            broker.resume()
            place.send(*inserts(range(5, 10)))
            _poll_until(source, target, 10)
        assert target.ids == list(range(10))


def test_a_broker_that_lost_its_topics_is_not_read_from_the_middle(tmp_path: Path) -> None:
    with running() as broker:
        options = tmp_path / "kafka.properties"
        options.write_text(RANGE)
        place = Place(broker, broker.topic("users"), options)
        target = Target()
        place.send(*inserts(range(5)))
        place.read(target, 5)
        broker.stop()
        broker.start()
        broker.topic("users")
        place.send(*inserts(range(2)))
        with pytest.raises(SeqguardError, match="the topic was made anew"):
            place.read(target, 10)


class Handed(KafkaSource):
    """Takes a message as if the client had handed it out."""

    def hand(self, message: Any) -> None:
        self._take(message)


class Refused:
    """What the client hands out where a position of a partition is not in the topic."""

    def error(self) -> KafkaError:
        return KafkaError(KafkaError._AUTO_OFFSET_RESET)  # noqa: SLF001 - its name

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0


def test_a_position_that_is_refused_in_a_partition_that_was_taken_away_is_no_matter(place: Place) -> None:
    with closing(Handed(*place.how())) as source:
        source.hand(Refused())
        assert source.lag() is None


class Halved(KafkaSource):
    """Remembers what its poll held as its partitions were taken away, what it held then, and the lag.

    Until then it takes its time for a message: messages last longer than another member needs to join.
    """

    held: tuple[Batch, Batch, int | None] | None = None

    def _take(self, message: confluent_kafka.Message) -> None:
        super()._take(message)
        if not self.held:
            time.sleep(0.01)

    def _on_revoke(
        self, consumer: confluent_kafka.Consumer, revoked: list[confluent_kafka.TopicPartition]
    ) -> None:
        before = self._batch()
        super()._on_revoke(consumer, revoked)
        self.held = self.held or (before, self._batch(), self.lag())


def test_a_rebalance_in_mid_batch_takes_the_changes_along(place: Place) -> None:
    topic = place.broker.topic(f"{place.topic}-two", 2)
    shared, again, target = Place(place.broker, topic, place.option_file), Target(), Target()
    shared.send(*inserts(range(10_000)))
    first, second = Halved(*shared.how()), shared.source()
    with closing(first), closing(second), ThreadPoolExecutor(1) as pool:
        first.start(Target().stored)
        first.poll(1, SECONDS)
        joined = pool.submit(_join, second, target)
        # this poll lasts as long as there are messages: the range assignor takes both partitions
        # away while it holds changes of them
        again.apply(first.poll(10**9, 0.2))
        while not (again.changes and joined.done()):
            again.apply(first.poll(100, 0.2))
        joined.result()
    assert first.held
    before, after, lag = first.held
    assert before.changes
    assert (after.changes, after.positions, lag) == ([], {}, 0)
    (stream,) = again.positions
    assert stream not in target.positions
    assert target.changes[0].position.offset == {"offset": 1}


def _join(source: KafkaSource, target: Target) -> None:
    """Become a member; end when the first change is there."""
    source.start(target.stored)
    _poll_until(source, target, 1, limit=1)


def _poll_until(source: KafkaSource, target: Target, until: int, limit: int = 100) -> None:
    """Until the streams stand so far in all. A poll may bring less than there is."""
    deadline = time.monotonic() + SECONDS
    while sum(int(str(offset["offset"])) for offset in target.positions.values()) < until:
        assert time.monotonic() < deadline, target.positions
        target.apply(source.poll(limit, 0.2))
        source.committed(target.positions)


def _poll_until_caught_up(source: KafkaSource, target: Target) -> None:
    deadline = time.monotonic() + SECONDS
    while source.lag() != 0:
        assert time.monotonic() < deadline, target.positions
        target.apply(source.poll(10, 0.2))


def _poll_for(source: KafkaSource, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        source.poll(1, 0.2)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("sasl.password", "line 1: write name=value"),
        ("no.such.property=secret", "No such configuration property"),
        ("auto.offset.reset=latest", "auto.offset.reset is not for this file: seqguard sets it"),
        ("group.id=x", "group.id is not for this file"),
    ],
)
def test_an_option_file_is_judged_without_telling_its_secrets(
    broker: Broker, tmp_path: Path, line: str, error: str
) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text(f"{line}\n# sasl.password=secret\n")
    with pytest.raises(SeqguardError) as caught:
        KafkaSource(Options(broker.servers, "g", str(path)), {"t": [(MAPPING, TARGET)]}).start(Target().stored)
    assert error in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_option_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SeqguardError, match="No such file"):
        KafkaSource(Options("localhost", "g", str(tmp_path / "none")), {})
