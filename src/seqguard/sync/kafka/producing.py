"""Messages to a topic: all of them kept by the brokers, or an error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import confluent_kafka
from confluent_kafka import KafkaException

from seqguard.sync.failure import TransientError
from seqguard.sync.kafka.options import producer_properties, telling_mistakes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import KafkaError

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


class Topic:
    """A topic that messages are sent to."""

    def __init__(self, servers: str, topic: str, option_file: str | None, seconds: float = 5.0) -> None:
        """Connects with the first message, and gives up after so many seconds.

        Raises SeqguardError when the option file cannot be read, or is not what librdkafka takes.
        """
        limits = {"message.timeout.ms": int(seconds * 1000)}
        self._servers, self._topic, self._seconds = servers, topic, seconds
        properties = {**producer_properties(servers, option_file), **limits}
        with telling_mistakes():
            self._producer = confluent_kafka.Producer(properties, logger=_log)

    def send(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Send messages, key and value each; returns when the brokers have them.

        Raises TransientError when they have not taken every one: some of them may be there.
        """
        failed: list[str] = []

        def delivered(error: KafkaError | None, _: object) -> None:
            if error:
                failed.append(error.str())

        try:
            for key, value in messages:
                self._producer.produce(self._topic, key=key, value=value, on_delivery=delivered)
            left = self._producer.flush(self._seconds + 1)
        except (KafkaException, BufferError) as error:
            raise TransientError(f"topic {self._topic} at {self._servers}: {error}") from None
        if failed or left:
            reason = failed[0] if failed else "no broker answers"
            raise TransientError(f"topic {self._topic} at {self._servers}: {reason}")
