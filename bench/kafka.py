"""Kafka to PostgreSQL: one and two workers, their memory, and how a burst drains.

    python3 tasks.py bench kafka [--quick | --full] [--keep]

Debezium's messages (envelope, no schema part) of revamp_users wait in 4 partitions: first an insert of each row, then
updates of them, round and round. A worker, a process of its own with the source, the writer and the loop of
seqguard, applies them all: the apply rate, from the first batch to the last. When nothing waits any more, a burst is sent
as fast as the broker takes it. Then two workers, on a group and a target of their own, apply all of that from the
beginning. The broker is Tansu in memory, on the same machine; PostgreSQL has fsync on.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import psycopg
from binlog import Silent
from kafka_report import HEAD, Drained, Sent, Step, as_json, cells, draw
from measured import aligned, keep, markdown
from sizes import chosen
from writer import FSYNC

from seqguard.demo.server import embedded_binaries, throwaway
from seqguard.sync.kafka.options import Options
from seqguard.sync.kafka.source import KafkaSource
from seqguard.sync.mapping.table import TableMapping
from seqguard.sync.running.worker import Limits, Worker
from seqguard.sync.target.catalog import read_target
from seqguard.sync.writing.writer import Writer

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from broker import Broker, running, send
from confluent_kafka import Producer
from debezium_messages import Connector, user

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seqguard.sync.event import Batch

PARTITIONS, BATCH, LOOKED_AT = 4, 10_000, 0.2
TOPIC, PLACE = "users", 987_654_321
PROPERTIES = "partition.assignment.strategy=range\nheartbeat.interval.ms=200\n"
TABLE = """
CREATE TABLE legacy_users (
    id serial PRIMARY KEY, username varchar(50) UNIQUE NOT NULL, email varchar(100) UNIQUE NOT NULL,
    full_name varchar(100), status varchar(20), source varchar(20), created_at timestamptz)
"""
COLUMNS = {
    "id": "id",
    "user_name": "username",
    "email_address": "email",
    "display_name": "full_name",
    "account_status": "status",
    "created_at": "created_at",
}


class Size(NamedTuple):
    events: int
    burst: int
    keys: int

    def __str__(self) -> str:
        return (
            f"{self.events:,} events that wait and a burst of {self.burst:,}, of {self.keys:,} rows,"
            f" {PARTITIONS} partitions, batches of {BATCH:,} at most"
        )


QUICK, USUAL, FULL = (
    Size(50_000, 50_000, 10_000),
    Size(500_000, 200_000, 100_000),
    Size(5_000_000, 1_000_000, 1_000_000),
)


def mapping() -> TableMapping:
    return TableMapping(
        "revamp_users",
        "public",
        "legacy_users",
        ("id",),
        COLUMNS,
        values={"account_status": {"Active": "active"}},
        constants={"source": "sync_service"},
        ignore={"source": frozenset({"sync_service"})},
    )


def messages(events: int, keys: int) -> Iterator[tuple[bytes, bytes]]:
    """The burst: a template whose number is replaced."""
    connector, place = Connector(schemas=False), str(PLACE).encode()
    key = connector.key_of(id=PLACE)
    insert, update = (
        connector.envelope("c", after=user(PLACE)),
        connector.envelope("u", user(PLACE), user(PLACE)),
    )
    for number in range(events):
        own = str(number % keys + 1).encode()
        yield key.replace(place, own), (insert if number < keys else update).replace(place, own)


class Feed:
    """Sends the messages to the topic, some now and the others later."""

    def __init__(self, broker: Broker, size: Size) -> None:
        broker.topic(TOPIC, PARTITIONS)
        self._messages = messages(size.events + size.burst, size.keys)
        self._producer = Producer(
            {"bootstrap.servers": broker.servers, "linger.ms": 50, "compression.type": "lz4", "log_level": 0}
        )

    def send(self, events: int) -> list[Sent]:
        """Send so many more; return when how many of them were sent."""
        found, step = [Sent(time.monotonic(), 0)], max(1, events // 20)
        for number, (key, value) in enumerate(islice(self._messages, events), 1):
            send(self._producer, TOPIC, key, value)
            if number % step == 0:
                found.append(Sent(time.monotonic(), number))
        assert self._producer.flush(120) == 0
        return [*found, Sent(time.monotonic(), events)]


def resident() -> int:
    """Kilobytes of memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


class Telling(Silent):
    """A line for each batch: when it was applied, how many events it had, kilobytes."""

    def applied(self, batch: Batch, *_about: object) -> None:
        if batch.changes:
            print(time.monotonic(), sum(1 for _ in batch.changes), resident(), flush=True)


def work(conninfo: str, servers: str, sync: str, option_file: str) -> None:
    """A worker, until it is killed."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        target = read_target(connection, "public", "legacy_users")
    source = KafkaSource(Options(servers, sync, option_file), {TOPIC: [(mapping(), target)]})
    writer = Writer(conninfo, sync, [mapping()])
    Worker(source, writer, Telling(), threading.Event(), Limits(BATCH)).run()


class Group:
    """Workers on a new database."""

    def __init__(self, server: Any, broker: Broker, workers: int, folder: Path) -> None:
        name = f"workers{workers}"
        self.conninfo = server.conninfo(name)
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute(TABLE.encode())
        options = folder / "kafka.properties"
        options.write_text(PROPERTIES)
        self._command = [sys.executable, __file__, "work", self.conninfo, broker.servers, name, str(options)]
        self._outputs = [folder / str(number) for number in range(workers)]
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        for output in self._outputs:
            with output.open("w") as stream:
                self._processes.append(subprocess.Popen(self._command, stdout=stream))
        return self

    def __exit__(self, *_error: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def wait(self, events: int) -> None:
        """Until so many are applied."""
        while sum(step.events for worker in self.steps() for step in worker) < events:
            assert all(process.poll() is None for process in self._processes), "a worker has ended"
            time.sleep(LOOKED_AT)

    def steps(self) -> list[list[Step]]:
        return [steps(output) for output in self._outputs]


def steps(output: Path) -> list[Step]:
    """What a worker has printed in whole lines."""
    whole = output.read_text().rpartition("\n")[0].splitlines()
    return [Step(float(at), int(n), int(size) / 1024) for at, n, size in map(str.split, whole)]


def drain(group: Group, waiting: int, feed: Feed | None = None, burst: int = 0) -> Drained:
    """Have what waits applied, and with a feed a burst after it."""
    with group:
        group.wait(waiting)
        sent = feed.send(burst) if feed else []
        group.wait(waiting + burst)
        found = group.steps()
    with psycopg.connect(group.conninfo) as connection:
        dead = connection.execute("SELECT count(*) FROM seqguard_sync.dead_letters").fetchone()
        assert dead == (0,), dead
    return Drained(found, waiting, sent)


def measure(size: Size) -> list[Drained]:
    with throwaway(embedded_binaries(), FSYNC) as server, running() as broker:
        feed = Feed(broker, size)
        feed.send(size.events)
        with tempfile.TemporaryDirectory() as folder:
            one = drain(Group(server, broker, 1, Path(folder)), size.events, feed, size.burst)
        with tempfile.TemporaryDirectory() as folder:
            two = drain(Group(server, broker, 2, Path(folder)), size.events + size.burst)
    return [one, two]


def main(arguments: Sequence[str]) -> None:
    run = chosen(arguments, __doc__, quick=QUICK, usual=USUAL, full=FULL)
    found = measure(run.size)
    about, table = f"{run.about}; {run.size}", [cells(drained) for drained in found]
    print(about, *(aligned(line, HEAD, first=8) for line in (HEAD, *table)), sep="\n")
    if run.keep:
        keep("sync.md", "kafka", as_json(about, found), markdown(HEAD, table))
        draw(found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(*sys.argv[2:])
    else:
        main(sys.argv[1:])
