"""How much waits at the source behind a position, for those who do not read the source themselves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from seqguard.errors import SeqguardError
from seqguard.sync.event import Offset
from seqguard.sync.mapping.config import BinlogSource, KafkaSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from confluent_kafka import Consumer

    from seqguard.sync.mapping.config import Config


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in a stream: how much, None when that is not known; lost says why reading cannot go on there."""

    count: int | None = None
    lost: str | None = None


Backlog = Callable[[str, Offset], Waiting]
"""What waits in a stream behind an offset."""

_PURGED = (
    "the source's binlog does not go back to the stored position any more: changes are lost to sync. Take a new snapshot"
    " with `seqguard sync run FILE --snapshot`"
)
_SECONDS = 5.0
_ONE_FETCH = {"enable.partition.eof": True, "fetch.message.max.bytes": 1024, "queued.min.messages": 1}
"""The end of a partition comes with what is fetched from it: not every broker that is asked for it alone tells it right."""

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


def unit_of(config: Config) -> str:
    """What a backlog is counted in."""
    return "events" if isinstance(config.source, KafkaSource) else "bytes"


@contextmanager
def open_backlog(config: Config) -> Iterator[Backlog]:
    """Something to ask the source. One that cannot be reached, or refuses, answers None.

    Raises SeqguardError for properties that librdkafka does not take.
    """
    opened = _kafka(config.source) if isinstance(config.source, KafkaSource) else _binlog(config.source)
    with ExitStack() as stack:
        try:
            ask = stack.enter_context(opened)
        except SeqguardError:
            yield lambda _stream, _offset: Waiting()
        else:
            yield partial(_answer, ask)


def _answer(ask: Backlog, stream: str, offset: Offset) -> Waiting:
    try:
        return ask(stream, offset)
    except SeqguardError:
        return Waiting()


@contextmanager
def _binlog(source: BinlogSource) -> Iterator[Backlog]:
    from seqguard.sync.mysql import binlog_server, client

    with closing(client.connect(source.mysql.option_file)) as connection:

        def waiting(_stream: str, offset: Offset) -> Waiting:
            file, pos, server_id = str(offset["file"]), int(str(offset["pos"])), int(str(offset["server_id"]))
            if binlog_server.is_purged(connection, server_id, file, pos):
                return Waiting(lost=_PURGED)
            if "snapshot" in offset:
                return Waiting()
            return Waiting(binlog_server.bytes_between(connection, file, pos))

        yield waiting


def _kafka(source: KafkaSource) -> AbstractContextManager[Backlog]:
    import confluent_kafka

    from seqguard.sync.kafka.options import Options, properties, telling_mistakes

    options = Options(source.bootstrap_servers, source.group, source.option_file)
    with telling_mistakes():
        return _ends(confluent_kafka.Consumer({**properties(options), **_ONE_FETCH}, logger=_log))


@contextmanager
def _ends(consumer: Consumer) -> Iterator[Backlog]:
    import confluent_kafka

    with closing(consumer):

        def waiting(stream: str, offset: Offset) -> Waiting:
            topic, _, number = stream.rpartition("/")
            reached = int(str(offset["offset"]))
            at = confluent_kafka.TopicPartition(topic, int(number), reached)
            try:
                consumer.assign([at])
                consumer.poll(_SECONDS)
                _, high = consumer.get_watermark_offsets(at, cached=True)
            except confluent_kafka.KafkaException:
                return Waiting()
            return Waiting(None if high < 0 else max(0, high - reached))

        yield waiting
