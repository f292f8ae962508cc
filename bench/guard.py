"""The cost of the guard: server CPU time of the backend, as ratios in one run.

    python3 tasks.py bench guard [ROUNDS]

unguarded     no trigger
guarded       seqguard
usual recipe  bench/usual_recipe.sql, a statement-level trigger with max(id) and setval

Each round runs every work on every kind of table, one after the other; a figure is the
median over the rounds, a ratio the median of the rounds' ratios.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

import seqguard
from seqguard.demo.server import embedded_binaries, throwaway

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, SINGLE, BULK = 7, 20_000, 100_000
AHEAD = 1_000_000  # explicit ids start here: beyond all that the sequence gives, then each one after the last
GUARDS = ("unguarded", "guarded", "usual recipe")
Connection = psycopg.Connection[Any]

NARROW = "CREATE TABLE {t} (id bigserial PRIMARY KEY, v integer)"
WIDE = """
CREATE TABLE {t} (
    id serial PRIMARY KEY, username varchar(50) UNIQUE NOT NULL, email varchar(100) UNIQUE NOT NULL,
    full_name varchar(100), phone_number varchar(20), status varchar(20) DEFAULT 'active',
    source varchar(20) DEFAULT 'legacy', created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE INDEX ON {t} (created_at)
"""
VALUES = {NARROW: ("v", "{n}"), WIDE: ("username, email", "'user' || {n}, 'user' || {n} || '@example.com'")}


def cpu(connection: Connection) -> float:
    """Seconds of CPU time that the backend has used."""
    return int(Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9


class Bench:
    """One table with one kind of guard."""

    def __init__(self, connection: Connection, table: str, shape: str) -> None:
        self.connection, self.table = connection, table
        self.columns, self.values = VALUES[shape]
        self.next = 0

    def loop(self, columns: str, values: str) -> int:
        """Single-row inserts in a loop inside the server."""
        row = values.format(n="i")
        self.run(f"DO $$ BEGIN FOR i IN {self.next + 1} .. {self.next + SINGLE} LOOP"
                 f" INSERT INTO {self.table} ({columns}) VALUES ({row}); END LOOP; END $$")  # fmt: skip
        return self.done(SINGLE)

    def single_default(self) -> int:
        return self.loop(self.columns, self.values)

    def single_ahead(self) -> int:
        return self.loop(f"id, {self.columns}", f"{AHEAD} + i, {self.values}")

    def bulk_default(self) -> int:
        return self.bulk(self.columns, self.values)

    def bulk_explicit(self) -> int:
        return self.bulk(f"id, {self.columns}", f"{AHEAD} + {{n}}, {self.values}")

    def bulk(self, columns: str, values: str) -> int:
        start = self.next + 1
        rows = f"SELECT {values.format(n=f'(n + {start})')} FROM generate_series(1, {BULK}) AS n"
        self.run(f"INSERT INTO {self.table} ({columns}) {rows}")
        return self.done(BULK)

    def run(self, statement: str) -> None:
        self.connection.execute(statement.encode())

    def done(self, rows: int) -> int:
        self.next += rows + 1
        return rows


WORKS: dict[str, Callable[[Bench], int]] = {
    "1 row, default id": Bench.single_default,
    f"{BULK} rows, default ids": Bench.bulk_default,
    "1 row, explicit id ahead": Bench.single_ahead,
    f"{BULK} rows, explicit ids": Bench.bulk_explicit,
}


def prepare(connection: Connection, table: str, shape: str, guard: str) -> Bench:
    """A new table, guarded or not."""
    connection.execute(f"DROP TABLE IF EXISTS {table}".encode())
    connection.execute(shape.format(t=table).encode())
    if guard == "guarded":
        seqguard.guard(connection, table)
    elif guard == "usual recipe":
        connection.execute(
            f"CREATE TRIGGER usual AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION usual_recipe()".encode()
        )
    return Bench(connection, table, shape)


def measure(connection: Connection, rounds: int) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Microseconds a row: by shape, work and guard, one figure a round."""
    figures: dict[str, dict[str, dict[str, list[float]]]] = {}
    for _ in range(rounds):
        for name, shape in {"narrow": NARROW, "legacy_users": WIDE}.items():
            for guard in GUARDS:
                bench = prepare(connection, f"t_{guard.replace(' ', '_')}", shape, guard)
                for work_name, work in WORKS.items():
                    before = cpu(connection)
                    rows = work(bench)
                    cost = (cpu(connection) - before) * 1e6 / rows
                    figures.setdefault(name, {}).setdefault(work_name, {}).setdefault(guard, []).append(cost)
    return figures


def main(rounds: int = ROUNDS) -> None:
    with (
        throwaway(embedded_binaries()) as server,
        psycopg.connect(server.conninfo(), autocommit=True) as connection,
    ):
        connection.execute(Path(__file__).with_name("usual_recipe.sql").read_bytes())
        figures = measure(connection, rounds)
        version = connection.info.server_version
    print(f"PostgreSQL {version // 10000}, backend CPU in microseconds a row, medians of {rounds} rounds")
    for shape, works in figures.items():
        for work, by_guard in works.items():
            medians = {guard: statistics.median(costs) for guard, costs in by_guard.items()}
            ratios = {
                guard: statistics.median(map(float.__truediv__, costs, by_guard["unguarded"]))
                for guard, costs in by_guard.items()
            }
            cells = "  ".join(f"{guard} {medians[guard]:7.2f} ({ratios[guard]:5.2f})" for guard in GUARDS)
            print(f"{shape:13} {work:27} {cells}")
    print(json.dumps({"server": version, "rounds": rounds, "figures": figures}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
