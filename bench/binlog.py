"""From MySQL's binlog to PostgreSQL, beside plain reading, as ratios in one run.

    python3 tasks.py bench binlog [--quick | --full] [--keep]

plain        the rows read with pymysql, written by COPY into the table itself, one transaction: no sync at all
snapshot     the same rows by sync: source, mapping, writer, positions, sequences
read         changes taken from the source and dropped: what the source alone can do
library      the same events by mysql-replication's own decoder of rows
applied      changes from the source into PostgreSQL

The binlog holds single-row transactions (small), and transactions of 1,000 rows in statements of 100 (large). Each
round runs every way, one after the other; a figure is the median over the rounds, in rows a second. CPU time is that
of the process that reads and writes, with all its threads; the servers' is not in it.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import closing
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from measured import aligned, keep, markdown
from pymysql.cursors import SSCursor
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import WriteRowsEvent
from sizes import chosen
from writer import COLUMNS, FSYNC, MAPPING, TABLE

from seqguard.demo import mariadb
from seqguard.demo.server import embedded_binaries, throwaway
from seqguard.sync.mapping.table import TableMapping
from seqguard.sync.mysql import client
from seqguard.sync.mysql.binlog import BinlogSource
from seqguard.sync.running.worker import Limits, Worker
from seqguard.sync.writing.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seqguard.demo.mariadb import MariaDB

BATCH = 10_000
HEAD = ("work", "rows a second", "µs a row", "µs CPU a row", "CPU / time", "/ plain", "target")
SNAPSHOT, AT_LEAST = "snapshot", 0.5
NAMES = {
    "plain": "plain read + COPY",
    SNAPSHOT: "snapshot",
    "library": "decoder of mysql-replication",
    "read": "source alone",
    "applied": "into PostgreSQL",
}
LOGS = {"large": "transactions of 1,000 rows", "small": "transactions of one row"}
SOURCE = """
CREATE TABLE {t} (
    id int AUTO_INCREMENT PRIMARY KEY, user_name varchar(50) UNIQUE NOT NULL, email_address varchar(100) UNIQUE NOT NULL,
    display_name varchar(100), mobile varchar(20), account_status enum('Active', 'Inactive', 'Suspended'),
    source varchar(20) DEFAULT 'revamp', created_at timestamp DEFAULT current_timestamp,
    updated_at timestamp DEFAULT current_timestamp)
"""
FILL = """
INSERT INTO {t} (user_name, email_address, display_name, mobile, account_status)
SELECT concat('user', seq), concat('user', seq, '@example.com'), concat('User Number ', seq), concat('+1 202 ', seq), 'Active'
FROM seq_{first}_to_{last}
"""
PLAIN = ", ".join((*list(MAPPING)[:5], "lower(account_status)", "'sync_service'", "created_at", "updated_at"))


class Silent:
    """Nobody watches the worker."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_arguments, **_named: None


class Bench:
    """A MariaDB with rows, and a PostgreSQL."""

    def __init__(self, source: MariaDB, dsn: str) -> None:
        self.source, self.dsn = source, dsn
        self.run("CREATE DATABASE bench", None)

    def run(self, statement: str, database: str | None = "bench") -> Any:
        with self.source.connect(database) as connection:
            return client.query(connection, statement)

    def prepare(self) -> None:
        """An empty target that no sync has touched."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS seqguard_sync CASCADE")
            connection.execute("DROP TABLE IF EXISTS written")
            connection.execute(TABLE.format(t="written").encode())
            connection.execute("CHECKPOINT")

    def plain(self) -> None:
        with (
            self.source.connect("bench", cursorclass=SSCursor) as mysql_connection,
            mysql_connection.cursor() as cursor,
            psycopg.connect(self.dsn) as connection,
            connection.cursor().copy(f"COPY written ({', '.join(COLUMNS)}) FROM STDIN".encode()) as copy,
        ):
            cursor.execute(f"SELECT {PLAIN} FROM users ORDER BY id")
            for row in cursor:
                copy.write_row(row)

    def binlog(self, table: str) -> BinlogSource:
        values = {"account_status": {"Active": "active", "Inactive": "inactive", "Suspended": "suspended"}}
        mapping = TableMapping(
            table, "public", "written", ("id",), MAPPING, values=values, constants={"source": "sync_service"}
        )
        self.mapping = mapping
        option_file = self.source.option_file
        return BinlogSource([mapping], database="bench", replica_id=4001, option_file=option_file)

    def applied(self, table: str, offset: Any = None) -> None:
        with (
            closing(self.binlog(table)) as source,
            closing(Writer(self.dsn, "bench", [self.mapping])) as writer,
        ):
            start = source.start
            source.start = lambda stored: start(lambda stream: stored(stream) or offset)  # type: ignore[method-assign]
            Worker(source, writer, Silent(), threading.Event(), Limits(BATCH, until_caught_up=True)).run()

    def read(self, table: str, offset: Any) -> None:
        with closing(self.binlog(table)) as source:
            source.start(lambda _: offset)
            while source.poll(BATCH, 0.1).changes or source.lag() != 0:
                continue

    def library(self, table: str, offset: Any) -> None:
        folder = self.source.folder
        reader = BinLogStreamReader(
            {"unix_socket": str(folder / "socket"), "user": "root"}, 4002, log_file=offset["file"],
            log_pos=offset["pos"], resume_stream=True, only_events=[WriteRowsEvent], only_tables=[table],
            freeze_schema=True, enable_logging=False,
        )  # fmt: skip
        for event in reader:
            _ = event.rows

    def offset(self) -> dict[str, Any]:
        file, pos = self.run("SHOW MASTER STATUS")[0][:2]
        return {"server_id": 1, "file": file, "pos": pos}

    def write(self, table: str, rows: int, size: int) -> dict[str, Any]:
        """Insert rows in transactions of a size, in statements of at most 100; return the position before."""
        self.run(f"DROP TABLE IF EXISTS {table}")
        self.run(SOURCE.format(t=table))
        before = self.offset()
        with self.source.connect("bench") as connection:
            step = min(size, 100)
            for first in range(1, rows + 1, step):
                if size > step and first % size == 1:
                    client.query(connection, "START TRANSACTION")
                client.query(connection, FILL.format(t=table, first=first, last=first + step - 1))
                if size > step and (first + step - 1) % size == 0:
                    client.query(connection, "COMMIT")
        return before


class Time(NamedTuple):
    """Seconds a row, on the clock and of this process's CPU."""

    clock: float
    cpu: float


class Size(NamedTuple):
    rows: int
    small: int
    large: int
    rounds: int

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds; a table of {self.rows:,} rows; a binlog of {self.large:,} rows in large"
            f" transactions, and of {self.small:,} in small ones"
        )


QUICK, USUAL, FULL = (
    Size(20_000, 2_000, 10_000, 1),
    Size(300_000, 20_000, 200_000, 3),
    Size(1_000_000, 50_000, 500_000, 3),
)
Figures = dict[str, list[Time]]


def timed(work: Callable[[], None], rows: int) -> Time:
    began, used = time.perf_counter(), time.process_time()
    work()
    return Time((time.perf_counter() - began) / rows, (time.process_time() - used) / rows)


def measure(bench: Bench, size: Size) -> Figures:
    bench.run(SOURCE.format(t="users"))
    bench.run(FILL.format(t="users", first=1, last=size.rows))
    logs = {
        "large": (size.large, bench.write("large", size.large, 1000)),
        "small": (size.small, bench.write("small", size.small, 1)),
    }
    figures: Figures = {}
    for _ in range(size.rounds):
        for name, work in {"plain": bench.plain, SNAPSHOT: lambda: bench.applied("users")}.items():
            bench.prepare()
            figures.setdefault(name, []).append(timed(work, size.rows))
        for table, (count, offset) in logs.items():
            bench.prepare()
            for name, way in {"library": bench.library, "read": bench.read, "applied": bench.applied}.items():
                figures.setdefault(f"{name}, {table}", []).append(timed(partial(way, table, offset), count))
    return figures


def label(name: str) -> str:
    """What a page calls a figure."""
    way, _, log = name.partition(", ")
    return f"{LOGS[log]}: {NAMES[way]}" if log else NAMES[way]


def rate(times: Sequence[Time]) -> float:
    """Rows a second."""
    return median(1 / time.clock for time in times)


def cells(name: str, figures: Figures) -> list[str]:
    """A line of the table."""
    times = figures[name]
    plain = median(a.clock / b.clock for a, b in zip(figures["plain"], times, strict=True))
    verdict = f">= {AT_LEAST}: {'met' if plain >= AT_LEAST else 'not met'}"
    return [
        label(name),
        f"{rate(times):,.0f}",
        f"{median(time.clock for time in times) * 1e6:.1f}",
        f"{median(time.cpu for time in times) * 1e6:.1f}",
        f"{median(time.cpu / time.clock for time in times):.2f}",
        f"{plain:.2f}" if name == SNAPSHOT else "",
        verdict if name == SNAPSHOT else "",
    ]


def draw(figures: Figures) -> None:
    from chart import bars

    tables, axis = ("plain", SNAPSHOT), "rows a second"
    bars("snapshot", "A table's snapshot", [NAMES[name] for name in tables],
         {"rows a second": [rate(figures[name]) for name in tables]},
         axis=axis, targets=[None, AT_LEAST * rate(figures["plain"])], digits=0)  # fmt: skip
    ways = {
        NAMES[way]: [rate(figures[f"{way}, {log}"]) for log in LOGS] for way in ("library", "read", "applied")
    }
    bars("binlog", "From the binlog", list(LOGS.values()), ways, axis=axis, digits=0)


def main(arguments: Sequence[str]) -> None:
    run = chosen(arguments, __doc__, quick=QUICK, usual=USUAL, full=FULL)
    with mariadb.throwaway() as source, throwaway(embedded_binaries(), FSYNC) as target:
        bench = Bench(source, target.conninfo())
        version = bench.run("SELECT version()", None)[0][0]
        figures = measure(bench, run.size)
    about = f"MariaDB {version}, {run.about}; {run.size}"
    table = [cells(name, figures) for name in figures]
    print(about, *(aligned(line, HEAD, first=58) for line in (HEAD, *table)), sep="\n")
    if run.keep:
        found = {name: [time._asdict() for time in times] for name, times in figures.items()}
        keep("sync.md", "binlog", {"machine": about, "seconds a row": found}, markdown(HEAD, table))
        draw(figures)


if __name__ == "__main__":
    main(sys.argv[1:])
