"""The cost of the guard, as ratios in one run.

    python3 tasks.py bench guard [--quick] [--only TEXT] [--keep]

unguarded      no trigger
empty trigger  a statement-level trigger in PL/pgSQL that does nothing: the floor for triggers
seqguard       the guard
usual recipe   bench/usual_recipe.sql: a statement-level trigger with max(id), currval and setval
row max        a row trigger: setval(seq, (SELECT max(id) ...))

Every work is done under each of them in turn, round after round. A figure is the median over the rounds, a ratio the
median of the rounds' ratios to unguarded. CPU time is that of the backend, the client's is not in it; wall time is
what the client waits.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

import psycopg
from guard_report import COLUMNS, as_json, cells, draw, line
from guard_tables import SHAPES, USERS, Connection, prepare
from guard_works import QUICK, WORKS, Bench, Figure, Scale, memory
from load import machine
from measured import keep, markdown

import seqguard
from seqguard.demo.server import embedded_binaries, throwaway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqguard.demo.server import Server

USUAL_SETTINGS = {"autovacuum": "off", "checkpoint_timeout": "1h", "max_wal_size": "8GB"}
SETTINGS = {**USUAL_SETTINGS, "shared_buffers": "1GB", "max_connections": "50"}


def connect(server: Server, database: str = "postgres") -> Connection:
    """A connection to a database where every guard can be installed."""
    connection = psycopg.connect(server.conninfo(database), autocommit=True, prepare_threshold=None)
    connection.execute("CREATE TABLE first (id serial PRIMARY KEY)")
    seqguard.guard(connection)
    prepare(connection)
    return connection


def measured(scale: Scale, only: str) -> Iterator[Figure]:
    """Every figure, as soon as it is there."""
    with throwaway(embedded_binaries(), SETTINGS) as server, connect(server) as connection:
        bench = Bench(server, connection, scale)
        for work in WORKS:
            if only in work.__name__:
                for shape in SHAPES:
                    yield from work(bench, shape)
    if only in memory.__name__:
        with throwaway(embedded_binaries(), USUAL_SETTINGS) as server, connect(server) as connection:
            for shape in SHAPES:
                yield from memory(server, connection, shape, scale.memory)


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rows and rounds: shows that it works")
    parser.add_argument("--only", default="", choices=[*(work.__name__ for work in WORKS), memory.__name__])
    parser.add_argument(
        "--keep", action="store_true", help="write docs/measured/guard.json, its table and chart"
    )
    options = parser.parse_args(arguments)
    if options.keep and options.only:
        parser.error("--keep keeps the whole table: leave out --only")
    return options


def main(arguments: list[str]) -> int:
    options = parsed(arguments)
    scale = QUICK if options.quick else Scale()
    runs = f"{scale.rounds} rounds of {scale.chunk} transactions, {scale.copy_rounds} of COPY {scale.copied:,}"
    load = f"load average {os.getloadavg()[0]:.1f} before"
    about = f"{machine()}, {load}, fsync=off, {'a quick run: ' if options.quick else ''}{runs}"
    print(about, line(COLUMNS), sep="\n", flush=True)
    figures = []
    for figure in measured(scale, options.only):
        figures.append(figure)
        print(line(cells(figure)), flush=True)
    if options.keep:
        found = {"machine": about, "figures": [as_json(figure) for figure in figures]}
        keep("guard.md", "guard", found, markdown(COLUMNS, [cells(figure) for figure in figures]))
        draw(figures)
    verdicts = [f.met() for f in figures if f.met() is not None]
    print(f"{sum(map(bool, verdicts))} of {len(verdicts)} targets met on table {USERS.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
