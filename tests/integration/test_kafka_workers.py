"""Workers of one consumer group, with the real writer: members come and go, and nothing is lost or applied twice."""

from __future__ import annotations

import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from broker import Broker, running
from conftest import Connect, Connection, one, rows
from debezium_messages import Connector, user
from platforms import until

from seqguard.sync.event import BadMessage, Batch, Position
from seqguard.sync.kafka.options import Options
from seqguard.sync.kafka.source import KafkaSource
from seqguard.sync.mapping.table import TableMapping
from seqguard.sync.running.worker import Limits, Worker
from seqguard.sync.target.catalog import read_target
from seqguard.sync.writing import positions
from seqguard.sync.writing.writer import Limits as WriterLimits
from seqguard.sync.writing.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from seqguard.sync.source import Stored


FAST = "session.timeout.ms=6000\nheartbeat.interval.ms=200\nreconnect.backoff.max.ms=200\n"
SECONDS = 60.0
TABLE = """
CREATE TABLE legacy_users (
    id serial PRIMARY KEY, username varchar(50) UNIQUE NOT NULL, email varchar(100) UNIQUE NOT NULL,
    full_name varchar(100), status varchar(20), source varchar(20), created_at timestamptz)
"""
MAPPING = TableMapping(
    "revamp_users",
    "public",
    "legacy_users",
    ("id",),
    {
        "id": "id",
        "user_name": "username",
        "email_address": "email",
        "display_name": "full_name",
        "account_status": "status",
        "created_at": "created_at",
    },
    values={"account_status": {"Active": "active", "Inactive": "inactive", "Suspended": "suspended"}},
    constants={"source": "sync_service"},
    ignore={"source": frozenset({"sync_service"})},
)
CONNECTOR = Connector()
USERS, PARTITIONS = 2_000, 4
Message = tuple[bytes | None, bytes | None]


class Silent:
    """A watch that only counts."""

    def __init__(self) -> None:
        self.changes = self.failures = 0

    def started(self) -> None: ...

    def took(self, batch: Batch) -> None: ...

    def applied(self, batch: Batch, applied: Any, seconds: float) -> None:  # noqa: ARG002
        self.changes += len(batch.changes)

    def stopped(self, tables: Mapping[str, str]) -> None: ...

    def looked(self, lag: int | None, *, idle: bool) -> None: ...

    def failed(self, error: Exception, wait: float, lag: int | None) -> None:  # noqa: ARG002
        self.failures += 1

    def recovered(self) -> None: ...


class Member:
    """A worker in a thread."""

    def __init__(self, source: KafkaSource, writer: Writer, limits: Limits) -> None:
        self.stop, self.watch = threading.Event(), Silent()
        worker = Worker(source, writer, self.watch, self.stop, limits)
        self.thread = threading.Thread(target=worker.run, daemon=True)

    def end(self) -> None:
        self.stop.set()
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()


def member(dsn: str, options: Options, topic: str) -> Member:
    with psycopg.connect(dsn, autocommit=True) as connection:
        target = read_target(connection, "public", "legacy_users")
    source = KafkaSource(options, {topic: [(MAPPING, target)]})
    return Member(source, Writer(dsn, "group", [MAPPING]), Limits(batch_size=50))


@contextmanager
def at_work(working: Member) -> Iterator[Member]:
    working.thread.start()
    try:
        yield working
    finally:
        working.end()


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with running() as found:
        yield found


def history() -> Iterator[Message]:
    """Every user comes; every third changes; every fifth goes, with its tombstone."""
    for number in range(1, USERS + 1):
        key = CONNECTOR.key_of(id=number)
        yield key, CONNECTOR.envelope("c", after=user(number))
        if number % 3 == 0:
            after = user(number, account_status="Inactive")
            yield key, CONNECTOR.envelope("u", user(number), after)
        if number % 5 == 0:
            yield key, CONNECTOR.envelope("d", user(number))
            yield key, None


def repeated() -> list[Message]:
    """Updates that change nothing, of users that have come first and stay."""
    return [
        (CONNECTOR.key_of(id=n), CONNECTOR.envelope("u", user(n), user(n)))
        for n in range(1, 40)
        if n % 3 and n % 5
    ]


def expected() -> list[tuple[Any, ...]]:
    left = (number for number in range(1, USERS + 1) if number % 5)
    return [(n, f"user{n}", "active" if n % 3 else "inactive", "sync_service") for n in left]


def found(db: Connection) -> list[tuple[Any, ...]]:
    return rows(db, "SELECT id, username, status, source FROM legacy_users ORDER BY id")


def read_so_far(db: Connection) -> int:
    """How many messages are behind the stored positions, 0 before there are any."""
    try:
        return int(
            one(db, """SELECT coalesce(sum(("offset"->>'offset')::int), 0) FROM seqguard_sync.positions""")
        )
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return 0


def wait_for(db: Connection, count: int, working: Member) -> None:
    deadline = time.monotonic() + SECONDS
    while read_so_far(db) < count:
        assert working.thread.is_alive(), "the worker has ended"
        assert time.monotonic() < deadline, f"{read_so_far(db)} of {count}"
        time.sleep(0.05)


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_members_come_and_go_and_every_change_is_applied_once(
    broker: Broker, db: Connection, dsn: str, tmp_path: Path, strategy: str
) -> None:
    db.execute(TABLE.encode())
    path = tmp_path / "kafka.properties"
    path.write_text(f"{FAST}partition.assignment.strategy={strategy}\n")
    topic = broker.topic(f"users-{secrets.token_hex(4)}", PARTITIONS)
    options = Options(broker.servers, f"group-{secrets.token_hex(4)}", str(path))
    messages = list(history())
    third = len(messages) // 3
    with at_work(member(dsn, options, topic)) as first:
        broker.produce(topic, messages[:third])
        wait_for(db, 1, first)
        with at_work(member(dsn, options, topic)) as second:
            broker.produce(topic, messages[third : 2 * third])
            deadline, more = time.monotonic() + SECONDS, 0
            while not second.watch.changes:
                assert time.monotonic() < deadline, "the second member gets nothing"
                broker.produce(topic, repeated())
                more += len(repeated())
                time.sleep(0.1)
            first.end()
            broker.produce(topic, messages[2 * third :])
            wait_for(db, len(messages) + more, second)
    assert found(db) == expected()
    assert read_so_far(db) == len(messages) + more
    assert rows(db, "SELECT * FROM seqguard_sync.dead_letters") == []
    assert one(db, "INSERT INTO legacy_users (username, email) VALUES ('own', 'own') RETURNING id") > USERS - 5


class Counting(KafkaSource):
    """Knows how often it was started."""

    starts = 0

    def start(self, stored: Stored) -> None:
        self.starts += 1
        super().start(stored)


def test_a_member_that_waits_for_the_target_stays_in_the_group(
    broker: Broker, db: Connection, dsn: str, connect: Connect, tmp_path: Path
) -> None:
    db.execute(TABLE.encode())
    path = tmp_path / "kafka.properties"
    path.write_text(FAST)
    topic = broker.topic(f"users-{secrets.token_hex(4)}")
    broker.produce(topic, [(CONNECTOR.key_of(id=1), CONNECTOR.envelope("c", after=user(1)))])
    source = Counting(
        Options(broker.servers, topic, str(path)),
        {topic: [(MAPPING, read_target(db, "public", "legacy_users"))]},
    )
    working = Member(source, Writer(dsn, "group", [MAPPING], WriterLimits(lock_timeout=50)), Limits())
    holder = connect()
    holder.execute("BEGIN; LOCK TABLE legacy_users IN SHARE MODE")
    with at_work(working):
        until(lambda: working.watch.failures >= 3, "the worker meets the lock")
        holder.execute("COMMIT")
        until(lambda: working.watch.changes, "the worker goes on")
    assert (source.starts, found(db)) == (1, [(1, "user1", "active", "sync_service")])


def test_a_message_that_cannot_be_read_is_a_dead_letter_that_no_retry_applies(db: Connection, dsn: str) -> None:
    db.execute(TABLE.encode())
    db.execute("INSERT INTO legacy_users (id, username, email) VALUES (1, 'a', 'a')")
    places = [Position("users/0", {"offset": number}) for number in (1, 2)]
    bad = [BadMessage("revamp_users", place, "no JSON", b"\0key", b"\xff\0") for place in places]
    with closing(Writer(dsn, "bad", [MAPPING])) as writer:
        assert writer.stored("users/0") is None
        applied = writer.apply(Batch(bad=bad, positions={"users/0": {"offset": 2}}))
        assert applied.dead == {"revamp_users": 2}
        letters = (
            "SELECT id, key, state, error, after->'message value' FROM seqguard_sync.dead_letters ORDER BY id"
        )
        before = rows(db, letters)
        assert writer.retry([letter[0] for letter in before]) == 0
    assert rows(db, letters) == before
    assert [letter[1:] for letter in before] == [
        (f'["users/0", {{"offset": {n}}}]', "dead", "the message cannot be read: no JSON", {"bytes": "ff00"})
        for n in (1, 2)
    ]
    assert one(db, "SELECT count(*) FROM legacy_users") == 1
    assert read_so_far(db) == 2


def test_workers_that_start_at_once_on_a_new_target_install_its_schema_once(
    db: Connection, connect: Connect
) -> None:
    others = [connect(), connect()]
    holder = connect()
    with ThreadPoolExecutor() as pool:
        holder.execute("BEGIN")
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [positions._INSTALLERS])  # noqa: SLF001
        done = [pool.submit(positions.install, other) for other in others]
        deadline = time.monotonic() + SECONDS
        while one(db, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'") < len(done):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        holder.execute("COMMIT")
    assert [each.result() for each in done] == [None, None]
    assert rows(db, "SELECT version FROM seqguard_sync.version") == [(len(positions.MIGRATIONS),)]
