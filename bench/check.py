"""check and fix on many tables and on large ones, as ratios in one run.

    python3 tasks.py bench check [--quick] [--rows N] [--keep]

floor       a bare catalog query and the max() of every column, 100 to a statement: what the server has to do
with states the same, and last_value and is_called of every sequence: the least that a verdict can be made of
one by one  the same catalog query, then one statement a table that reads max, last_value and is_called
judged one by one  check's catalog query and verdicts, with one statement a table
check, fix  seqguard, in the same process, over two connections from 2,000 columns on; everything is behind
check -j 1  the same over one

Each on a new connection to a server on this machine, over TCP, in turn, round after round. Seconds are medians, ratios
the medians of the rounds' ratios. CPU is that of the backend, and so are round trips those of one connection: how often
the client sends after it has received, from libpq's trace; for what is sent ahead, more than it waits for.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from check_cases import Case, cases
from check_report import COLUMNS, as_json, cells, draw
from load import machine
from measured import aligned, keep, markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from check_works import Figure

SIZES, QUICK_SIZES = (100, 1_000, 10_000, 50_000), (100, 1_000)


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to 1,000 tables: shows that it works")
    parser.add_argument(
        "--rows", type=int, default=10_000_000, metavar="N",
        help="rows of the large table with an index, a tenth of it in the one without; 100000000 takes 8 GB",
    )  # fmt: skip
    parser.add_argument(
        "--keep", action="store_true", help="write docs/measured/check.json, its table and chart"
    )
    return parser.parse_args(arguments)


def measured(found: list[Case]) -> Iterator[Figure]:
    for case in found:
        yield case.measured()


def main(arguments: list[str]) -> None:
    options = parsed(arguments)
    sizes, rows = (QUICK_SIZES, 100_000) if options.quick else (SIZES, options.rows)
    print(aligned(COLUMNS, COLUMNS, first=44), flush=True)
    figures = []
    with cases(sizes, rows) as found:
        for figure in measured(found):
            figures.append(figure)
            print(aligned(cells(figure), COLUMNS, first=44), flush=True)
    if options.keep:
        on = f"{machine()}, fsync=off" + (", a quick run" if options.quick else "")
        lines = [cells(figure) for figure in figures]
        keep("check.md", "check", as_json(on, figures), markdown(COLUMNS, lines))
        draw(figures)


if __name__ == "__main__":
    main(sys.argv[1:])
