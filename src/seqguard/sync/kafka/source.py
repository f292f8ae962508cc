"""Debezium's topics as a source: a member of a consumer group, whose positions live in the target."""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from seqguard.errors import SeqguardError
from seqguard.sync.event import BadMessage, Batch, Change, Position
from seqguard.sync.failure import TransientError
from seqguard.sync.kafka.debezium import Columns, Decoder, MalformedError, Message
from seqguard.sync.kafka.options import is_cooperative, properties, telling_mistakes
from seqguard.sync.mapping.table import new_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seqguard.sync.event import Json, Offset, Row
    from seqguard.sync.kafka.options import Options
    from seqguard.sync.mapping.table import TableMapping, Targets
    from seqguard.sync.source import Stored
    from seqguard.sync.target.catalog import TargetTable

REACH_SECONDS = 5.0
_PROBE_SECONDS = 2.0
_REFUSED = {
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own errors are named so
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
}
_PASSING = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,  # Debezium makes a topic with the table's first change
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001 - the group went on without us; the next poll joins again
    KafkaError._TRANSPORT,  # noqa: SLF001 - librdkafka connects again; told of when no broker is left
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - looked at in poll()
}

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


@dataclass(slots=True, eq=False)
class _Partition:
    """An assigned partition: the next offset, the key of a delete just read, and what rows brought.

    columns: by source table, those that went over from here, with their targets. A row without one is from after
    it was dropped; without a column that none has brought so far, from before that came.
    Debezium sends a tombstone after a delete: one with the same key directly after it says nothing new. Alone
    it is a delete of its own: of unwrapped messages, or all that compaction left.
    """

    topic: str
    number: int
    next: int | None
    deleted: str | None
    columns: dict[str, Targets]

    @property
    def stream(self) -> str:
        return stream(self.topic, self.number)

    @property
    def offset(self) -> Offset:
        offset: dict[str, Json] = {"offset": self.next}
        if self.deleted is not None:
            offset["deleted"] = self.deleted
        if self.columns:
            offset["columns"] = dict(self.columns)
        return offset

    def news(self, mapping: TableMapping) -> frozenset[str]:
        """The columns that older rows of a table lack, as far as no filter looks at them.

        No column is new while one that was brought is not read any more: it may have been renamed, and the rows have
        the old name.
        """
        before = self.columns.get(mapping.source, {})
        if before.keys() - mapping.reads.keys():
            return frozenset()
        new = new_columns(mapping.columns.items(), before, mapping.key)
        return frozenset(new.keys() - {*mapping.ignore, *mapping.only})


def stream(topic: str, partition: int) -> str:
    """The name of a partition's stream."""
    return f"{topic}/{partition}"


def _partition(assigned: TopicPartition, offset: Offset | None) -> _Partition:
    """An assigned partition, where the target stands in it."""
    stored: Mapping[str, Any] = offset or {}
    return _Partition(
        assigned.topic,
        assigned.partition,
        stored.get("offset"),
        stored.get("deleted"),
        dict(stored.get("columns", {})),
    )


class KafkaSource:
    """Reads the topics of mapped tables, together with the other members of the group.

    librdkafka connects to brokers again by itself. Only when none is left is that a TransientError.
    """

    may_run_ahead = False

    def __init__(
        self,
        options: Options,
        topics: Mapping[str, Sequence[tuple[TableMapping, TargetTable]]],
        *,
        catalog: bool = False,
    ) -> None:
        """topics: the tables whose changes come in a topic, most often one, by the topic's name.

        catalog: whether the source has the mapped columns for sure, so that a row may be from before one came.
        Raises SeqguardError when the option file cannot be read, or sets what is not its to set.
        """
        self._options, self._catalog = options, catalog
        self._columns = {
            topic: [Columns(mapping, target) for mapping, target in tables] for topic, tables in topics.items()
        }
        self._by_source = {c.mapping.source: c for columns in self._columns.values() for c in columns}
        self._properties = properties(options)
        self._consumer: confluent_kafka.Consumer | None = None
        self._clear()

    def _clear(self) -> None:
        self._decoder = Decoder(self._columns)
        self._partitions: dict[tuple[str | None, int | None], _Partition] = {}
        self._begin_batch()
        self._held: confluent_kafka.Message | None = None
        self._failure: Exception | None = None
        self._last_error = ""
        self._brokers_down = False
        self._joined = False

    def _begin_batch(self) -> None:
        self._pending: list[tuple[_Partition, Change | BadMessage | None]] = []
        self._lacks: dict[str, frozenset[str]] = {}
        self._stopped: dict[str, str] = {}

    def start(self, stored: Stored) -> None:
        """Join the group. Each partition that we get is read from where the target stands, or from its beginning.

        Raises TransientError when no broker answers, SeqguardError when they refuse us.
        """
        self.close()
        self._stored = stored
        with telling_mistakes():
            self._consumer = confluent_kafka.Consumer(
                {**self._properties, "error_cb": self._on_error}, logger=_log
            )
            self._consumer.subscribe(
                list(self._columns),
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_revoke,
            )
        self._reach(REACH_SECONDS)

    def poll(self, limit: int, seconds: float) -> Batch:
        """What is there, at most so many messages, some of which may bring no change, in which all rows of a table
        have the same columns.

        A partition that is taken from us meanwhile takes its changes with it: its next reader brings them.
        Raises TransientError when no broker is left; SeqguardError when a position is no longer in the topic, the
        brokers refuse us, or messages have values whose type is left open.
        """
        consumer, until = self._running(), time.monotonic() + seconds
        self._begin_batch()
        held, self._held = self._held, None
        if held is not None:
            self._take(held)
        while len(self._pending) < limit and self._held is None:
            message = consumer.poll(0 if self._pending else max(0.0, until - time.monotonic()))
            if self._failure:
                raise self._failure
            if message is not None:
                self._take(message)
            elif self._pending or time.monotonic() >= until:
                break
        if not self._pending:
            self._check_positions()
            if self._brokers_down:
                self._reach(_PROBE_SECONDS)
        return self._batch()

    def committed(self, positions: Mapping[str, Offset]) -> None:
        """Tell the brokers, for tools that show the group's lag. Nobody reads it back."""
        ours = [
            TopicPartition(each.topic, each.number, each.next)
            for each in self._partitions.values()
            if each.next is not None and each.stream in positions
        ]
        if ours:
            with suppress(KafkaException):
                self._running().commit(offsets=ours, asynchronous=True)

    def lag(self) -> int | None:
        """How many messages wait in the partitions that are ours, None until the brokers have told."""
        waiting = [self._waiting(partition) for partition in self._partitions.values()]
        known = [count for count in waiting if count is not None]
        return sum(known) if self._joined and len(known) == len(waiting) else None

    def close(self) -> None:
        """Leave the group."""
        if self._consumer:
            self._consumer.close()
            self._consumer = None
        self._clear()

    def _running(self) -> confluent_kafka.Consumer:
        assert self._consumer, "start() comes first"
        return self._consumer

    def _waiting(self, partition: _Partition) -> int | None:
        """The watermarks are those that came with the last fetch."""
        low, high = self._watermarks(partition)
        if high < 0:
            return None
        return max(0, high - (low if partition.next is None else partition.next))

    def _watermarks(self, partition: _Partition) -> tuple[int, int]:
        at = TopicPartition(partition.topic, partition.number)
        low, high = self._running().get_watermark_offsets(at, cached=True)
        return low, high

    def _check_positions(self) -> None:
        """A position beyond the end is not told of by every broker."""
        for partition in self._partitions.values():
            _, high = self._watermarks(partition)
            if partition.next is not None and 0 <= high < partition.next:
                raise self._out_of_range(partition, f"it ends at {high}")

    def _take(self, message: confluent_kafka.Message) -> None:
        error = message.error()
        if error:
            self._judge(error, message)
            return
        partition = self._partitions.get((message.topic(), message.partition()))
        offset = message.offset()
        assert offset is not None
        if partition is None or (partition.next is not None and offset < partition.next):
            return
        item = self._read(message, partition, offset + 1)
        if isinstance(item, Change) and item.after is not None and not self._fits(item, item.after, partition):
            self._held = message
            return
        partition.next = offset + 1
        self._pending.append((partition, item))

    def _fits(self, change: Change, row: Row, partition: _Partition) -> bool:
        """Look at a row's columns. False where the batch has rows of its table with others: it opens the next batch."""
        columns, table = self._by_source[change.table], change.table
        missing = columns.missing(row)
        lost = missing and missing - (partition.news(columns.mapping) if self._catalog else frozenset())
        if lost:
            listed = ", ".join(sorted(lost))
            self._stopped.setdefault(
                table, f"its messages no longer have the mapped columns {listed}: dropped or renamed?"
            )
            return True
        if self._lacks.setdefault(table, missing) != missing:
            return False
        reads = columns.mapping.reads
        if partition.columns.get(table) is not reads:
            partition.columns[table] = (
                {name: to for name, to in reads.items() if name not in missing} if missing else reads
            )
        return True

    def _read(
        self, message: confluent_kafka.Message, partition: _Partition, after: int
    ) -> Change | BadMessage | None:
        key, value = message.key(), message.value()
        digest = None if key is None else hashlib.blake2b(key, digest_size=12).hexdigest()
        repeated, partition.deleted = partition.deleted == digest, None
        if value is None and repeated and digest is not None:
            return None
        position = Position(partition.stream, {"offset": after})
        try:
            change = self._decoder.change(Message(partition.topic, key, value, position))
        except MalformedError as error:
            return BadMessage(error.table, position, str(error), key, value)
        if change and change.before is not None and change.after is None and value is not None:
            partition.deleted = digest
        return change

    def _batch(self) -> Batch:
        items = [item for _, item in self._pending]
        changes = [item for item in items if isinstance(item, Change)]
        at_hand = {change.table for change in changes}
        return Batch(
            changes=changes,
            positions={partition.stream: partition.offset for partition, _ in self._pending},
            stopped={table: why for table, why in self._stopped.items() if table in at_hand},
            lacks={table: names for table, names in self._lacks.items() if table in at_hand},
            bad=[item for item in items if isinstance(item, BadMessage)],
        )

    def _on_assign(self, consumer: confluent_kafka.Consumer, assigned: list[TopicPartition]) -> None:
        """Partitions are ours: read them from where the target stands."""
        self._joined = True
        try:
            for each in assigned:
                partition = _partition(each, self._stored(stream(each.topic, each.partition)))
                self._partitions[each.topic, each.partition] = partition
                each.offset = OFFSET_BEGINNING if partition.next is None else partition.next
            if is_cooperative(self._properties):
                consumer.incremental_assign(assigned)
            else:
                consumer.assign(assigned)
        except (SeqguardError, KafkaException) as error:
            self._failure = error if isinstance(error, SeqguardError) else TransientError(f"Kafka: {error}")

    def _on_revoke(self, consumer: confluent_kafka.Consumer, revoked: list[TopicPartition]) -> None:
        """Partitions are no longer ours: what was read of them, and is not in the target, is another's to bring."""
        gone = [self._partitions.pop((each.topic, each.partition), None) for each in revoked]
        self._pending = [(each, item) for each, item in self._pending if each not in gone]
        if self._held and (self._held.topic(), self._held.partition()) not in self._partitions:
            self._held = None
        if is_cooperative(self._properties):
            consumer.incremental_unassign(revoked)
        else:
            consumer.unassign()

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            self._brokers_down = True
        else:
            self._last_error = error.str()
        if error.code() in _REFUSED:
            self._failure = SeqguardError(
                f"Kafka at {self._options.servers} refuses us: {error.str()}. Credentials and TLS are librdkafka's"
                " properties, in the source's option_file"
            )

    def _reach(self, seconds: float) -> None:
        """Ask any broker for anything."""
        consumer = self._running()
        try:
            consumer.list_topics(timeout=seconds)
        except KafkaException as error:
            message = consumer.poll(0)  # lets the callbacks tell why
            assert message is None or message.error()
            raise self._failure or TransientError(
                f"no broker at {self._options.servers} answers: {self._last_error or error.args[0].str()}"
            ) from None
        self._brokers_down = False

    def _judge(self, error: KafkaError, message: confluent_kafka.Message) -> None:
        """An error that came in place of a message."""
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            partition = self._partitions.get((message.topic(), message.partition()))
            if partition is None:  # taken from us meanwhile: its next reader finds the same
                return
            raise self._out_of_range(partition, error.str())
        if error.code() in _REFUSED or error.fatal():
            raise SeqguardError(f"Kafka at {self._options.servers}: {error.str()}")
        if error.code() not in _PASSING:
            raise TransientError(f"Kafka: {error.str()}")
        _log.info("%s", error.str())

    def _out_of_range(self, partition: _Partition, reason: str) -> SeqguardError:
        return SeqguardError(
            f"topic {partition.topic}, partition {partition.number}: the target stands at offset {partition.next},"
            f" which is not there: {reason}. Its messages were deleted before they were read, or the topic was made"
            f" anew. To go on, remove stream {partition.stream} from seqguard_sync.positions in the target, and have"
            " the connector take a new snapshot of the table: what was in the lost messages is not in the target"
        )
