"""Figures for the documentation: a table on the terminal, the same in a page, and the JSON beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parents[1] / "docs" / "measured"


def aligned(cells: Sequence[object], columns: Sequence[str], *, first: int = 28, others: int = 7) -> str:
    """A line for the terminal, below the columns' names: so wide is the first, so wide at least are the others."""
    widths = [max(len(column), others) for column in columns[1:]]
    return "  ".join(
        [
            f"{cells[0]:{first}}",
            *(str(cell).rjust(width) for cell, width in zip(cells[1:], widths, strict=True)),
        ]
    )


def markdown(columns: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """A table for a page."""
    rule = ["---"] * len(columns)
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in (columns, rule, *lines))


def keep(page: str, name: str, figures: dict[str, Any], table: str) -> None:
    """Write docs/measured/NAME.json, and the table into its place in a page there."""
    (FOLDER / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")
    path, text = FOLDER / page, f"<!-- {name} -->\n{figures['machine']}.\n\n{table}\n<!-- /{name} -->"
    place = re.compile(f"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    written, found = place.subn(lambda _: text, path.read_text())
    if not found:
        raise ValueError(f"{path} has no place for the table {name}: <!-- {name} --><!-- /{name} -->")
    path.write_text(written)
