"""The writer's apply rate, beside what bounds it and beside what it replaces, as ratios in one run.

    python3 tasks.py bench writer [--quick | --full] [--keep]

bound        the same rows: COPY into a temporary table, one INSERT ... ON CONFLICT, commit; nothing else
writer       changes in, rows and position out: mapped, netted, encoded, sequences brought forward; new rows by COPY,
             the next batch prepared while the server works on one, as a worker does
row by row   an upsert and a commit for each row, of fewer rows

Rows of the example's shape, in batches; fsync is on. First the rows are new (insert), then every one of them
is changed (update). Each round runs every way, one after the other; a figure is the median over the rounds,
a ratio the median of the rounds' ratios.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import zip_longest
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from measured import aligned, keep, markdown
from sizes import chosen

from seqguard.demo.server import embedded_binaries, throwaway
from seqguard.sync.event import Batch, Change, Position
from seqguard.sync.mapping.table import TableMapping
from seqguard.sync.running.worker import tuned_for_rows
from seqguard.sync.writing.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BATCH = 10_000
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
HEAD = ("change", "bound", "writer", "row by row", "writer / bound", "writer / row by row", "target")
WAYS = ("bound", "writer", "row by row")
AT_LEAST, AT_LEAST_SINGLE = 0.5, 20
Connection = psycopg.Connection[Any]
Round = dict[str, dict[str, float]]


class Size(NamedTuple):
    rows: int
    single: int
    rounds: int

    def __str__(self) -> str:
        return f"{self.rounds} rounds of {self.rows:,} rows in batches of {BATCH:,}, {self.single:,} row by row"


QUICK, USUAL, FULL = Size(20_000, 500, 1), Size(100_000, 1_000, 5), Size(1_000_000, 5_000, 3)


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


def one_round(connection: Connection, conninfo: str, size: Size) -> Round:
    """Rows a second: by kind of change and way."""
    prepare(connection)
    writer = Writer(conninfo, "bench", [mapping()])
    writer.apply(Batch())
    found: Round = {}
    for version, kind in enumerate(("insert", "update")):
        rows, work = target_rows(size.rows, version), changes(size.rows, version)
        found[kind] = {
            "bound": timed(partial(by_bound, connection, rows), size.rows),
            "writer": timed(partial(by_writer, writer, work), size.rows),
            "row by row": timed(partial(by_row, connection, rows[: size.single]), size.single),
        }
    writer.close()
    different = connection.execute("SELECT * FROM bound EXCEPT SELECT * FROM written").fetchall()
    assert not different, different[:3]
    return found


def cells(kind: str, figures: Sequence[Round]) -> list[str]:
    """A line of the table: rows a second, and the ratios that the targets are for."""
    rates = [one[kind] for one in figures]
    to_bound = median(rate["writer"] / rate["bound"] for rate in rates)
    to_single = median(rate["writer"] / rate["row by row"] for rate in rates)
    met = to_bound >= AT_LEAST and to_single >= AT_LEAST_SINGLE
    return [
        kind,
        *(f"{median(rate[way] for rate in rates):,.0f}" for way in WAYS),
        f"{to_bound:.2f}",
        f"{to_single:.1f}",
        f">= {AT_LEAST} and {AT_LEAST_SINGLE}: {'met' if met else 'not met'}",
    ]


def draw(figures: Sequence[Round]) -> None:
    from chart import bars

    kinds = list(figures[0])
    rates = {way: [median(one[kind][way] for one in figures) for kind in kinds] for way in WAYS}
    targets = [
        max(AT_LEAST * bound, AT_LEAST_SINGLE * single)
        for bound, single in zip(rates["bound"], rates["row by row"], strict=True)
    ]
    bars("writer", "The writer's apply rate", kinds, rates, axis="rows a second", targets=targets, digits=0)


def main(arguments: Sequence[str]) -> None:
    run = chosen(arguments, __doc__, quick=QUICK, usual=USUAL, full=FULL)
    with (
        throwaway(embedded_binaries(), FSYNC) as server,
        psycopg.connect(server.conninfo(), autocommit=True) as connection,
    ):
        figures = [one_round(connection, server.conninfo(), run.size) for _ in range(run.size.rounds)]
    about = f"{run.about}; {run.size}; rows a second"
    table = [cells(kind, figures) for kind in figures[0]]
    print(about, *(aligned(line, HEAD, first=8) for line in (HEAD, *table)), sep="\n")
    if run.keep:
        keep("sync.md", "writer", {"machine": about, "rounds": figures}, markdown(HEAD, table))
        draw(figures)


if __name__ == "__main__":
    main(sys.argv[1:])
