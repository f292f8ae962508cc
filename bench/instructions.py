"""A second opinion on the guard's cost: instructions, counted by valgrind, the same in every run and on a busy machine.

    python3 tasks.py bench instructions [--quick] [--keep]

A server in single-user mode does each work under callgrind, once with a hundred rows and once with many more; the
difference, to each row, is what is told: what a session does once, such as planning a function's queries, is not in it. unguarded, empty trigger and seqguard are those of bench/guard.py; WHEN (false) is a
row trigger that is never called. Table legacy_users, PostgreSQL as it is installed by pip.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from itertools import product
from typing import TYPE_CHECKING, Any

import psycopg
from guard import connect
from guard_tables import EMPTY, NEVER, SEQGUARD, UNGUARDED, USED, USERS, Table
from guard_works import ascending, blocks
from load import machine
from measured import aligned, keep, markdown

from seqguard.demo.server import embedded_binaries, throwaway

if TYPE_CHECKING:
    from pathlib import Path

    from seqguard.demo.server import Server

FEW, ROWS, QUICK = 100, 1_100, 300
VARIANTS = (UNGUARDED, EMPTY, NEVER, SEQGUARD)
COLUMNS = ("instructions a row", UNGUARDED, EMPTY, NEVER, SEQGUARD)
NAMES, VALUES = ", ".join(USERS.columns), ", ".join(USERS.values)
LOOP = "DO $$ BEGIN FOR n IN 1 .. {{rows}} LOOP INSERT INTO t ({columns}) VALUES ({values}); END LOOP; END $$"
BULK = "INSERT INTO t ({columns}) SELECT {values} FROM generate_series(1, {{rows}}) AS n"
DEFAULT = {"columns": NAMES, "values": VALUES}
EXPLICIT = {"columns": f"id, {NAMES}", "values": f"{USED} + n, {VALUES}"}
WORKS = {
    "1 row a statement, default ids": LOOP.format(**DEFAULT),
    "1 row a statement, explicit ids": LOOP.format(**EXPLICIT),
    "all in one, default ids": BULK.format(**DEFAULT),
    "all in one, explicit ids": BULK.format(**EXPLICIT),
    "COPY, default ids": f"COPY t ({NAMES}) FROM '{{folder}}/default-{{rows}}'",
    "COPY, explicit ids": f"COPY t (id, {NAMES}) FROM '{{folder}}/explicit-{{rows}}'",
}


def database(work: int, variant: int, rows: int) -> str:
    return f"work_{work}_{variant}_{rows}"


def prepare(server: Server, rows: int) -> None:
    """A database for every work and variant, and the files for COPY."""
    for variant, guard in enumerate(VARIANTS):
        with psycopg.connect(server.conninfo("template1"), autocommit=True) as connection:
            table = Table(connection, USERS)
            table.empty()
            table.guard(guard)
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            for work, count in product(range(len(WORKS)), (FEW, rows)):
                connection.execute(f"CREATE DATABASE {database(work, variant, count)}".encode())
    for count in (FEW, rows):
        for name, id_of in (("default", None), ("explicit", ascending)):
            (server.folder / f"{name}-{count}").write_bytes(b"".join(blocks(USERS, count, id_of)))


def instructions(server: Server, database_name: str, statement: str) -> int:
    """How many instructions a server in single-user mode executes, with this statement in its life."""
    command: list[str | Path] = [
        "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", server.binaries / "postgres", "--single",
        "-D", server.folder / "data", "-c", "jit=off", "-c", "autovacuum=off", database_name,
    ]  # fmt: skip
    done = subprocess.run(command, input=f"{statement}\n", capture_output=True, text=True, check=False,
                          cwd=server.folder, user="nobody" if os.geteuid() == 0 else None)  # fmt: skip
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found or "ERROR" in done.stderr:
        raise RuntimeError(done.stderr[-2000:])
    return int(found[1])


def a_row(server: Server, work: int, variant: int, rows: int) -> float:
    """Instructions that a row costs."""
    statement = list(WORKS.values())[work]
    few, all_of_them = (
        instructions(server, database(work, variant, n), statement.format(rows=n, folder=server.folder))
        for n in (FEW, rows)
    )
    return (all_of_them - few) / (rows - FEW)


def cells(work: str, found: dict[str, float]) -> list[object]:
    """The unguarded figure, and what each variant adds to it."""
    base = found[UNGUARDED]
    added = (f"{count - base:+,.0f} ({count / base:.3f})" for name, count in found.items() if name != UNGUARDED)
    return [work, f"{base:,.0f}", *added]


def measured(rows: int) -> dict[str, dict[str, float]]:
    """Instructions a row, by work and variant; each line is printed when it is there."""
    found: dict[str, dict[str, float]] = {}
    with throwaway(embedded_binaries()) as server:
        with connect(server, "template1"):
            pass
        prepare(server, rows)
        server.stop("fast")
        for i, work in enumerate(WORKS):
            found[work] = {guard: a_row(server, i, j, rows) for j, guard in enumerate(VARIANTS)}
            print(aligned(cells(work, found[work]), COLUMNS, first=34, others=18), flush=True)
    return found


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} rows at most, not {ROWS}")
    parser.add_argument(
        "--keep", action="store_true", help="write docs/measured/instructions.json and its table"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    options = parsed(arguments)
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not installed: apt-get install valgrind")
    rows = QUICK if options.quick else ROWS
    about = f"{machine()}, {FEW:,} and {rows:,} rows"
    print(about, aligned(COLUMNS, COLUMNS, first=34, others=18), sep="\n", flush=True)
    found = measured(rows)
    if options.keep:
        figures: dict[str, Any] = {"machine": about, "instructions": found}
        lines = [cells(work, by_variant) for work, by_variant in found.items()]
        keep("guard.md", "instructions", figures, markdown(COLUMNS, lines))


if __name__ == "__main__":
    main(sys.argv[1:])
