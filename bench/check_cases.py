"""The databases that bench/check.py measures check and fix on."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from check_works import (
    ALONE,
    CHECK,
    FLOOR,
    JUDGED,
    ONE_BY_ONE,
    STATES,
    WORKS,
    Figure,
    connected,
    round_trips,
    timed,
)

import seqguard
from seqguard.demo.ports import free_port
from seqguard.demo.server import embedded_binaries, throwaway

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from proxy import proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from check_works import Connection

SETTINGS = {
    "max_locks_per_transaction": "4096",
    "shared_buffers": "1GB",
    "autovacuum": "off",
    "max_wal_size": "8GB",
}
ROUNDS, LARGE_ROUNDS = 5, 3
LARGE = 20_000
"""From so many tables on, fewer rounds."""
TOGETHER = 500
"""Tables that are made, or written to, in one transaction."""
ROUND_TRIP = 0.005
QUICK_WORKS = (FLOOR, STATES, ONE_BY_ONE, JUDGED, ALONE, CHECK)


@dataclass
class Case:
    """A database, how its sequences fall behind before each round, and what is timed."""

    name: str
    conninfo: str
    drift: Callable[[Connection, int], object]
    works: Sequence[str]
    rounds: int
    many: bool = False
    counted: bool = True

    def measured(self) -> Figure:
        with connected(self.conninfo) as connection:
            self.drift(connection, 0)
            found = len(seqguard.check(connection).sequences)
            figure = Figure(self.name, found, self.many)
        if self.counted:
            figure.round_trips = {
                name: round_trips(self.conninfo, WORKS[name])
                for name in self.works
                if name in (ONE_BY_ONE, ALONE)
            }
        for number in range(self.rounds):
            with connected(self.conninfo) as connection:
                self.drift(connection, number + 1)
            for name in self.works:
                figure.times.setdefault(name, []).append(timed(self.conninfo, WORKS[name]))
        return figure


@contextmanager
def cases(sizes: Sequence[int], rows: int) -> Iterator[list[Case]]:
    """Every case, in databases of one server."""
    port = free_port()
    over_tcp = {"listen_addresses": "127.0.0.1", "port": str(port)}
    with ExitStack() as stack:
        stack.enter_context(throwaway(embedded_binaries(), SETTINGS | over_tcp))
        link = stack.enter_context(proxy(("127.0.0.1", port), delay=ROUND_TRIP / 2))
        yield [
            *(tables(port, count) for count in sizes),
            over_link(link.port, min(10_000, max(sizes))),
            others(port, 1_000),
            guarded(port, 1_000),
            partitions(port, 1_000),
            *large(port, rows),
        ]


def conninfo_of(port: int, name: str) -> str:
    return f"host=127.0.0.1 port={port} user=postgres dbname={name}"


def database(port: int, name: str) -> str:
    with connected(conninfo_of(port, "postgres")) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    return conninfo_of(port, name)


def for_each(connection: Connection, count: int, statement: str) -> None:
    """Run a statement with %s for the number of each table."""
    for start in range(1, count + 1, TOGETHER):
        numbers = range(start, min(start + TOGETHER, count + 1))
        connection.execute("; ".join(statement.replace("%s", str(number)) for number in numbers).encode())


def with_tables(port: int, name: str, count: int, prefix: str = "") -> str:
    """A database with tables t1, t2, ... and catalogs that nobody has analyzed, as after a restore."""
    conninfo = database(port, name)
    with connected(conninfo) as connection:
        connection.execute(prefix.encode() or b"SELECT")
        for_each(connection, count, "CREATE TABLE t%s (id serial PRIMARY KEY)")
        connection.execute("RESET ROLE")
    return conninfo


def drifting(count: int) -> Callable[[Connection, int], object]:
    return lambda connection, number: for_each(
        connection, count, f"INSERT INTO t%s VALUES ({16 + 10 * number}) ON CONFLICT DO NOTHING"
    )


def tables(port: int, count: int) -> Case:
    conninfo = with_tables(port, f"tables_{count}", count)
    rounds = LARGE_ROUNDS if count >= LARGE else ROUNDS
    return Case(f"{count:,} tables", conninfo, drifting(count), tuple(WORKS), rounds, many=True)


def over_link(port: int, count: int) -> Case:
    """The same database as the case with so many tables, behind a delaying proxy."""
    return Case(
        f"{count:,} tables, 5 ms round trip",
        conninfo_of(port, f"tables_{count}"),
        lambda *_: None,
        QUICK_WORKS,
        LARGE_ROUNDS,
        counted=False,
    )


def others(port: int, count: int) -> Case:
    role = "CREATE ROLE app; GRANT ALL ON SCHEMA public TO app; SET ROLE app"
    conninfo = with_tables(port, "others", count, role)
    return Case(f"{count:,} tables of another role", conninfo, drifting(count), tuple(WORKS), ROUNDS)


def guarded(port: int, count: int) -> Case:
    conninfo = with_tables(port, "guarded", count)
    with connected(conninfo) as connection:
        seqguard.guard(connection)
    return Case(f"{count:,} guarded tables", conninfo, drifting(count), QUICK_WORKS, ROUNDS)


def partitions(port: int, count: int) -> Case:
    conninfo = database(port, "partitions")
    with connected(conninfo) as connection:
        connection.execute("CREATE TABLE p (id bigserial PRIMARY KEY) PARTITION BY HASH (id)")
        for_each_partition = f"CREATE TABLE p%s PARTITION OF p FOR VALUES WITH (MODULUS {count}, REMAINDER %s)"
        for_each(connection, count - 1, for_each_partition)
        connection.execute(for_each_partition.replace("%s", "0").encode())
        connection.execute("INSERT INTO p SELECT generate_series(1, 10000); ANALYZE")
    return Case(f"a table with {count:,} partitions", conninfo, lambda *_: None, QUICK_WORKS, ROUNDS)


def large(port: int, rows: int) -> Iterator[Case]:
    for name, key, count in (("an index", "PRIMARY KEY", rows), ("no index", "", rows // 10)):
        conninfo = database(port, f"large_{name.split()[0]}")
        with connected(conninfo) as connection:
            connection.execute(f"CREATE UNLOGGED TABLE big (id bigserial {key})")
            connection.execute(f"INSERT INTO big SELECT generate_series(1, {count})")
            connection.execute("VACUUM ANALYZE big")
        yield Case(f"{count:,} rows with {name}", conninfo, lambda *_: None, QUICK_WORKS, ROUNDS)
