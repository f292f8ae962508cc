"""The writer's apply rate, beside what bounds it and beside what it replaces, as ratios in one run.

    python3 tasks.py bench writer [ROUNDS]

bound        the same rows: COPY into a temporary table, one INSERT ... ON CONFLICT, commit; nothing else
writer       changes in, rows and position out: mapped, netted, encoded, sequences brought forward; new rows by COPY,
             the next batch prepared while the server works on one, as a worker does
row by row   an upsert and a commit for each row, of fewer rows

Rows of the example's shape, in batches; fsync is on. First the rows are new (insert), then every one of them
is changed (update). Each round runs every way, one after the other; a figure is the median over the rounds,
a ratio the median of the rounds' ratios.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import psycopg

from seqguard.demo.server import embedded_binaries, throwaway
from seqguard.sync.event import Batch, Change, Position
from seqguard.sync.mapping.table import TableMapping
from seqguard.sync.running.worker import tuned_for_rows
from seqguard.sync.writing.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS, ROWS, BATCH, SINGLE = 5, 100_000, 10_000, 1_000
STREAM = "bench"
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
FSYNC = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "max_wal_size": "4GB"}
COLUMNS = (
    "id",
    "username",
    "email",
    "full_name",
    "phone_number",
    "status",
    "source",
    "created_at",
    "updated_at",
)
TABLE = """
CREATE TABLE {t} (
    id serial PRIMARY KEY, username varchar(50) UNIQUE NOT NULL, email varchar(100) UNIQUE NOT NULL,
    full_name varchar(100), phone_number varchar(20), status varchar(20) DEFAULT 'active',
    source varchar(20) DEFAULT 'legacy', created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now())
"""
MAPPING = {
    "id": "id",
    "user_name": "username",
    "email_address": "email",
    "display_name": "full_name",
    "mobile": "phone_number",
    "account_status": "status",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
UPSERT = "INSERT INTO {t} ({columns}) {rows} ON CONFLICT (id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in COLUMNS[1:]
)
Connection = psycopg.Connection[Any]


def source_row(number: int, version: int) -> dict[str, Any]:
    return {
        "id": number,
        "user_name": f"user{number}",
        "email_address": f"user{number}@example.com",
        "display_name": f"User Number {number} v{version}",
        "mobile": f"+1 202 {number:07}",
        "account_status": "Active",
        "source": "revamp",
        "created_at": AT + timedelta(seconds=number),
        "updated_at": AT + timedelta(seconds=number, days=version),
    }


def changes(count: int, version: int) -> list[Change]:
    rows = [source_row(number, version) for number in range(1, count + 1)]
    before = [source_row(number, version - 1) if version else None for number in range(1, count + 1)]
    return [
        Change("revamp_users", before[i], row, Position(STREAM, {"at": version * count + i}), AT)
        for i, row in enumerate(rows)
    ]


def target_rows(count: int, version: int) -> list[tuple[Any, ...]]:
    return [
        (row["id"], row["user_name"], row["email_address"], row["display_name"], row["mobile"], "active",
         "sync_service", row["created_at"], row["updated_at"])
        for row in (source_row(number, version) for number in range(1, count + 1))
    ]  # fmt: skip


def batched(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]


def timed(work: Callable[[], None], rows: int) -> float:
    """Rows a second."""
    began = time.perf_counter()
    work()
    return rows / (time.perf_counter() - began)


def by_bound(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    columns = ", ".join(COLUMNS)
    upsert = UPSERT.format(t="bound", columns=columns, rows=f"SELECT {columns} FROM staged")
    for batch in batched(rows):
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy(f"COPY staged ({columns}) FROM STDIN".encode()) as copy:
                for row in batch:
                    copy.write_row(row)
            cursor.execute(upsert.encode())


def by_writer(writer: Writer, work: Sequence[Change]) -> None:
    """As a worker does it: the next batch is prepared while the server works on this one."""
    batches = [Batch(part, {STREAM: part[-1].position.offset}) for part in batched(work)]
    with tuned_for_rows(), ThreadPoolExecutor(1) as helper:
        ahead = helper.submit(writer.prepare, batches[0])
        for batch, following in zip_longest(batches, batches[1:]):
            prepared = ahead.result()
            if following:
                ahead = helper.submit(writer.prepare, following)
            writer.apply(batch, prepared)


def by_row(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    values = f"VALUES ({', '.join(['%s'] * len(COLUMNS))})"
    upsert = UPSERT.format(t="single", columns=", ".join(COLUMNS), rows=values).encode()
    for row in rows:
        connection.execute(upsert, row)


def prepare(connection: Connection) -> None:
    for table in ("bound", "written", "single"):
        connection.execute(f"DROP TABLE IF EXISTS {table}".encode())
        connection.execute(TABLE.format(t=table).encode())
    connection.execute("DROP TABLE IF EXISTS staged")
    connection.execute("CREATE TEMPORARY TABLE staged (LIKE bound) ON COMMIT DELETE ROWS")
    connection.execute("DROP SCHEMA IF EXISTS seqguard_sync CASCADE")
    connection.execute("CHECKPOINT")


def mapping() -> TableMapping:
    return TableMapping(
        "revamp_users", "public", "written", ("id",), MAPPING,
        values={"account_status": {"Active": "active", "Inactive": "inactive", "Suspended": "suspended"}},
        constants={"source": "sync_service"}, ignore={"source": frozenset({"sync_service"})},
    )  # fmt: skip


def one_round(connection: Connection, conninfo: str) -> dict[str, dict[str, float]]:
    """Rows a second: by kind of change and way."""
    prepare(connection)
    writer = Writer(conninfo, "bench", [mapping()])
    writer.apply(Batch())
    found: dict[str, dict[str, float]] = {}
    for version, kind in enumerate(("insert", "update")):
        rows, work = target_rows(ROWS, version), changes(ROWS, version)
        found[kind] = {
            "bound": timed(partial(by_bound, connection, rows), ROWS),
            "writer": timed(partial(by_writer, writer, work), ROWS),
            "row by row": timed(partial(by_row, connection, rows[:SINGLE]), SINGLE),
        }
    writer.close()
    different = connection.execute("SELECT * FROM bound EXCEPT SELECT * FROM written").fetchall()
    assert not different, different[:3]
    return found


def main(rounds: int = ROUNDS) -> None:
    with (
        throwaway(embedded_binaries(), FSYNC) as server,
        psycopg.connect(server.conninfo(), autocommit=True) as connection,
    ):
        figures = [one_round(connection, server.conninfo()) for _ in range(rounds)]
        version = connection.info.server_version
    print(
        f"PostgreSQL {version // 10000}, {os.cpu_count()} CPUs, batches of {BATCH}, medians of {rounds} rounds,"
        " rows a second"
    )
    for kind in figures[0]:
        medians = {way: statistics.median(one[kind][way] for one in figures) for way in figures[0][kind]}
        to_bound = statistics.median(one[kind]["writer"] / one[kind]["bound"] for one in figures)
        to_single = statistics.median(one[kind]["writer"] / one[kind]["row by row"] for one in figures)
        cells = "  ".join(f"{way} {rate:9,.0f}" for way, rate in medians.items())
        print(f"{kind:7} {cells}  writer is {to_bound:.2f} of the bound, {to_single:.1f} times row by row")
    print(json.dumps({"server": version, "rounds": rounds, "rows": ROWS, "batch": BATCH, "figures": figures}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
