"""check and fix on many tables, as ratios in one run.

    python3 tasks.py bench check [TABLES]

floor       the catalog query and the max() reads alone, in the same batches, results thrown away
one by one  one statement a table, as most public fixers do
check, fix  seqguard, in the same process
"""

from __future__ import annotations

import json
import socket
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg

import seqguard
from seqguard import pg
from seqguard.checking import BATCH, batches
from seqguard.demo.server import embedded_binaries, throwaway

ROUNDS = 5
Connection = psycopg.Connection[Any]
Work = Callable[[Connection], object]


def for_each_table(connection: Connection, count: int, statement: str) -> None:
    """Run a statement with %s for the number of each table, 500 to a transaction."""
    for start in range(1, count + 1, 500):
        numbers = range(start, min(start + 500, count + 1))
        connection.execute("; ".join(statement.replace("%s", str(number)) for number in numbers).encode())


def floor(connection: Connection) -> None:
    facts = pg.fed_columns(connection, pg.Timeouts())
    for batch in batches(facts, range(len(facts))):
        connection.execute("\nUNION ALL\n".join(f"({facts[i].furthest_query})" for i in batch))


def one_by_one(connection: Connection) -> None:
    names = connection.execute(
        "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ).fetchall()
    for (name,) in names:
        connection.execute("SELECT pg_get_serial_sequence(%s, 'id')", [name])
        connection.execute(f"SELECT max(id) FROM {name}")
        connection.execute(f"SELECT last_value, is_called FROM {name.rstrip()}_id_seq")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def timed(conninfo: str, work: Work) -> float:
    """Seconds that work takes on a connection of its own, as a command would."""
    with psycopg.connect(conninfo, autocommit=True, prepare_threshold=None) as connection:
        started = time.perf_counter()
        work(connection)
        return time.perf_counter() - started


def main(count: int = 10_000) -> None:
    port = free_port()
    settings = {"max_locks_per_transaction": "1024", "listen_addresses": "127.0.0.1", "port": str(port)}
    with throwaway(embedded_binaries(), settings):
        conninfo = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
        with psycopg.connect(conninfo, autocommit=True) as connection:
            version = connection.info.server_version
            for_each_table(connection, count, "CREATE TABLE t%s (id serial PRIMARY KEY)")
            connection.execute("ANALYZE")
        seconds: dict[str, list[float]] = {}
        works: dict[str, Work] = {
            "floor": floor,
            "one by one": one_by_one,
            "check": seqguard.check,
            "fix": seqguard.fix,
        }
        for number in range(ROUNDS):
            with psycopg.connect(conninfo, autocommit=True) as connection:
                for_each_table(connection, count, f"INSERT INTO t%s VALUES ({16 + 10 * number})")
            for name, work in works.items():
                seconds.setdefault(name, []).append(timed(conninfo, work))
    report(count, version, seconds)


def report(count: int, version: int, seconds: dict[str, list[float]]) -> None:
    """A table of medians, and of the medians of the ratios round by round."""
    print(
        f"{count} serial tables, each with one explicit row, PostgreSQL {version // 10000}, batches of {BATCH}"
    )
    for name, values in seconds.items():
        print(f"  {name:11} {statistics.median(values):7.3f} s")
    pairs = (("check", "floor"), ("one by one", "check"), ("fix", "check"))
    ratios = {f"{a} / {b}": statistics.median(map(float.__truediv__, seconds[a], seconds[b])) for a, b in pairs}
    for name, ratio in ratios.items():
        print(f"  {name:20} {ratio:5.2f}")
    print(json.dumps({"tables": count, "server": version, "seconds": seconds, "ratios": ratios}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
