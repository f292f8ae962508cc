"""What bench/guard.py found, as a table, as JSON, and as a chart."""

from __future__ import annotations

from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from guard_tables import EMPTY, GUARDS, ROW_MAX, SEQGUARD, UNGUARDED, USERS, USUAL
from guard_works import MICROSECONDS, Figure
from measured import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = ("work", "table", "unit", "unguarded", EMPTY, SEQGUARD, "spread", USUAL, ROW_MAX, "wall time", "target",
           "verdict")  # fmt: skip
DRAWN = (EMPTY, SEQGUARD, USUAL, ROW_MAX)
START, LIMIT = 1.0, 2.0


def line(figure_cells: Sequence[object]) -> str:
    """A line for the terminal."""
    return aligned(figure_cells, COLUMNS, first=52, others=12)


def cells(figure: Figure) -> list[object]:
    """A line of the table: the unguarded figure, the ratios to it, and the target."""
    ratios = {guard: figure.ratio(guard) for guard in GUARDS}
    low, _, high = spread(figure.ratios(SEQGUARD))
    return [
        figure.work,
        figure.shape,
        figure.unit,
        number(median(figure.samples[UNGUARDED])),
        *(ratio(ratios[guard]) for guard in (EMPTY, SEQGUARD)),
        f"{low:.2f} to {high:.2f}",
        *(ratio(ratios[guard]) for guard in (USUAL, ROW_MAX)),
        f"{median(figure.ratios(SEQGUARD, figure.wall)):.3f}" if figure.wall else "",
        target(figure),
        verdict(figure),
    ]


def ratio(value: float) -> str:
    return f"{value:.3f}" if value else "fails"


def number(value: float) -> str:
    return f"{value:,.1f}"


def target(figure: Figure) -> str:
    if figure.at_most is not None:
        return f"<= {figure.at_most:.3g}"
    return "" if figure.at_least is None else f">= {figure.at_least:.3g}"


def verdict(figure: Figure) -> str:
    """Whether the target is met, and whether a trigger could."""
    if figure.met() is None:
        return ""
    if figure.met():
        return "met"
    return "not met" if figure.met(EMPTY) else "not met, nor by an empty trigger"


def spread(ratios: Sequence[float]) -> tuple[float, float, float]:
    """The quartiles; of a single ratio, itself."""
    if len(ratios) == 1:
        return ratios[0], ratios[0], ratios[0]
    low, middle, high = quantiles(ratios, n=4, method="inclusive")
    return low, middle, high


def as_json(figure: Figure) -> dict[str, Any]:
    """Medians and quartiles, by guard."""
    return {
        "work": figure.work,
        "table": figure.shape,
        "unit": figure.unit,
        "rounds": len(figure.samples[UNGUARDED]),
        "at_most": figure.at_most,
        "at_least": figure.at_least,
        "met": figure.met(),
        "guards": {guard: _of(figure, guard) for guard in GUARDS},
    }


def _of(figure: Figure, guard: str) -> dict[str, Any]:
    found = {"median": round(median(figure.samples[guard]), 3), "ratio": _rounded(figure.ratios(guard))}
    if figure.wall:
        wall = figure.ratios(guard, figure.wall)
        found |= {"wall": round(median(figure.wall[guard]), 3), "wall_ratio": _rounded(wall)}
    return found


def _rounded(ratios: Sequence[float]) -> dict[str, float]:
    names = ("lower quartile", "median", "upper quartile")
    return dict(zip(names, (round(value, 4) for value in spread(ratios)), strict=True))


def draw(figures: Sequence[Figure]) -> None:
    """The ratios of CPU time on the table that the targets are for."""
    from chart import bars

    drawn = [f for f in figures if f.unit == MICROSECONDS and f.shape == USERS.name]
    bars(
        "guard",
        "What guards cost: CPU time of the backend, table legacy_users",
        [f.work for f in drawn],
        {guard: [f.ratio(guard) for f in drawn] for guard in DRAWN},
        axis="times the unguarded table's, where bars begin; cut at 2",
        targets=[f.at_most for f in drawn],
        limit=LIMIT,
        start=START,
    )
