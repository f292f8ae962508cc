"""How much a benchmark does: --quick shows that it works, --full takes the time that it takes."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from load import machine

if TYPE_CHECKING:
    from collections.abc import Sequence


Size = TypeVar("Size")


@dataclass(frozen=True)
class Chosen(Generic[Size]):
    """The size that was asked for, what a page says of the run, and whether to keep it."""

    size: Size
    about: str
    keep: bool


def chosen(
    arguments: Sequence[str], description: str | None, *, quick: Size, usual: Size, full: Size
) -> Chosen[Size]:
    """What the arguments ask for: --quick, --full, or the usual size; --keep."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", action="store_true", help="few rows: shows that it works")
    sizes.add_argument("--full", action="store_true", help="many rows: takes longer")
    parser.add_argument(
        "--keep", action="store_true", help="write the table and charts of docs/measured/sync.md"
    )
    options = parser.parse_args(arguments)
    size = quick if options.quick else full if options.full else usual
    run = ", a quick run" if options.quick else ", the full size" if options.full else ""
    about = f"{machine()}, fsync=on, load average {os.getloadavg()[0]:.1f} before{run}"
    return Chosen(size, about, options.keep)
