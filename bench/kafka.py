"""Kafka to PostgreSQL: one and two workers, their memory, and how a burst drains.

    python3 tasks.py bench kafka [EVENTS] [KEYS]

A burst of Debezium's messages (envelope, no schema part) of revamp_users waits in 4 partitions: first an insert
of each of KEYS rows, then updates of them, round and round. Then workers, each a process of its own with the
source and the writer of seqguard, read it all: one, and after it two on a group and a target of their own.
The clock runs from the first change applied to the last. The broker is Tansu in memory, on the same machine;
PostgreSQL has fsync on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from seqguard.demo.server import embedded_binaries, throwaway
from seqguard.sync.kafka.options import Options
from seqguard.sync.kafka.source import KafkaSource
from seqguard.sync.mapping.table import TableMapping
from seqguard.sync.target.catalog import read_target
from seqguard.sync.writing.writer import Writer

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from broker import Broker, running, send
from confluent_kafka import Producer
from debezium_messages import Connector, user

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS, KEYS, PARTITIONS, BATCH = 500_000, 100_000, 4, 10_000
TOPIC, PLACE = "users", 987_654_321
FSYNC = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "max_wal_size": "4GB"}
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


def fill(broker: Broker, events: int, keys: int) -> None:
    broker.topic(TOPIC, PARTITIONS)
    producer = Producer({"bootstrap.servers": broker.servers, "linger.ms": 50, "compression.type": "lz4"})
    for key, value in messages(events, keys):
        send(producer, TOPIC, key, value)
    assert producer.flush(120) == 0


def resident() -> int:
    """Kilobytes of memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def work(conninfo: str, servers: str, sync: str, option_file: str) -> None:
    """A worker: until it is killed, a line for each batch: when, how many changes, kilobytes."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        target = read_target(connection, "public", "legacy_users")
    source = KafkaSource(Options(servers, sync, option_file), {TOPIC: [(mapping(), target)]})
    writer = Writer(conninfo, sync, [mapping()])
    source.start(writer.stored)
    while True:
        batch = source.poll(BATCH, 1.0)
        writer.apply(batch)
        source.committed(batch.positions)
        if batch.positions:
            print(time.monotonic(), sum(1 for _ in batch.changes), resident(), flush=True)


def drain(server: Any, broker: Broker, workers: int, events: int) -> dict[str, Any]:
    """Read the whole burst into a new database: when how many changes were applied, and the workers' memory."""
    name = f"workers{workers}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    with psycopg.connect(server.conninfo(name), autocommit=True) as connection:
        connection.execute(TABLE.encode())
    with tempfile.TemporaryDirectory() as folder:
        options = Path(folder) / "kafka.properties"
        options.write_text(PROPERTIES)
        command = [sys.executable, __file__, "work", server.conninfo(name), broker.servers, name, str(options)]
        outputs = [Path(folder) / str(number) for number in range(workers)]
        processes = []
        try:
            for output in outputs:
                with output.open("w") as stream:
                    processes.append(subprocess.Popen(command, stdout=stream))
            while applied(outputs) < events:
                assert all(process.poll() is None for process in processes), "a worker has ended"
                time.sleep(0.2)
        finally:
            for process in processes:
                process.kill()
                process.wait()
        found = [lines(output) for output in outputs]
    with psycopg.connect(server.conninfo(name)) as connection:
        dead = connection.execute("SELECT count(*) FROM seqguard_sync.dead_letters").fetchone()
        assert dead == (0,), dead
    return summary(found, events)


def lines(output: Path) -> list[tuple[float, int, int]]:
    """What a worker has printed in whole lines."""
    whole = output.read_text().rpartition("\n")[0].splitlines()
    return [(float(at), int(count), int(size)) for at, count, size in map(str.split, whole)]


def applied(outputs: list[Path]) -> int:
    return sum(count for output in outputs for _, count, _ in lines(output))


def summary(found: list[list[tuple[float, int, int]]], events: int) -> dict[str, Any]:
    """rate: changes a second; quarters: the rate in each quarter of the burst; memory: megabytes at each."""
    steps = sorted(step for worker in found for step in worker)
    start, done, marks = steps[0][0], 0, [(steps[0][0], 0)]
    for at, count, _ in steps[1:]:
        done += count
        if done >= (events - steps[0][1]) * len(marks) / 4:
            marks.append((at, done))
    quarters = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(marks)]
    memory = [
        [worker[max(0, len(worker) * part // 4 - 1)][2] / 1024 for part in (1, 2, 3, 4)]
        for worker in found
        if worker
    ]
    rate = done / (steps[-1][0] - start)
    return {
        "rate": rate,
        "quarters": quarters,
        "megabytes": memory,
        "events": [sum(step[1] for step in worker) for worker in found],
        "batches": [len(worker) for worker in found],
    }


def main(events: int = EVENTS, keys: int = KEYS) -> None:
    with throwaway(embedded_binaries(), FSYNC) as server, running() as broker:
        began = time.monotonic()
        fill(broker, events, keys)
        filled = events / (time.monotonic() - began)
        figures = {workers: drain(server, broker, workers, events) for workers in (1, 2)}
    print(
        f"{events} events of {keys} rows, {PARTITIONS} partitions, batches of {BATCH}, {os.cpu_count()} CPUs;"
    )
    print(f"produced at {filled:,.0f} events a second")
    for workers, found in figures.items():
        quarters = " ".join(f"{rate:,.0f}" for rate in found["quarters"])
        memory = "; ".join(" ".join(f"{size:.0f}" for size in worker) for worker in found["megabytes"])
        print(
            f"{workers} worker(s): {found['rate']:,.0f} events a second; by quarters of the burst: {quarters}"
        )
        print(f"  megabytes of each worker at each quarter: {memory}; events of each: {found['events']}")
        print(f"  in {found['batches']} batches")
    print(f"two workers are {figures[2]['rate'] / figures[1]['rate']:.2f} times one")
    print(json.dumps({"events": events, "keys": keys, "cpus": os.cpu_count(), "figures": figures}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
