"""What bench/check.py found, as a table, as JSON, and as a chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from check_works import ALONE, CHECK, FIX, FLOOR, JUDGED, ONE_BY_ONE, STATES, WORKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from check_works import Figure

COLUMNS = ("case", *(f"{name}, s" for name in WORKS), "check / floor", "-j 1 in CPU", "check / with states", "one by one / check", "judged so / check", "fix / check",
           "round trips", "one by one's")  # fmt: skip
PAIRS = (
    (CHECK, FLOOR, "wall"),
    (ALONE, FLOOR, "cpu"),
    (CHECK, STATES, "wall"),
    (ONE_BY_ONE, CHECK, "wall"),
    (JUDGED, CHECK, "wall"),
    (FIX, CHECK, "wall"),
)


def cells(figure: Figure) -> list[str]:
    """A line of the table."""
    return [
        figure.case,
        *(shown(figure.seconds(name), 3) for name in WORKS),
        *(shown(figure.ratio(*pair), 2) for pair in PAIRS),
        *(f"{trips:,}" if (trips := figure.round_trips.get(name)) else "" for name in (ALONE, ONE_BY_ONE)),
    ]


def shown(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def as_json(machine: str, figures: Sequence[Figure]) -> dict[str, Any]:
    """Every time of every round."""
    return {"machine": machine, "cases": [_case(figure) for figure in figures]}


def _case(figure: Figure) -> dict[str, Any]:
    return {
        "case": figure.case,
        "sequences": figure.sequences,
        "seconds": {name: [round(time.wall, 4) for time in times] for name, times in figure.times.items()},
        "server_cpu": {name: [round(time.cpu, 4) for time in times] for name, times in figure.times.items()},
        "round_trips": figure.round_trips,
    }


def draw(figures: Sequence[Figure]) -> None:
    """The growth with the number of tables, as docs/measured/check.svg."""
    from chart import lines

    many = [figure for figure in figures if figure.many]
    series = {name: [(figure.sequences, figure.seconds(name) or 0.0) for figure in many] for name in WORKS}
    lines("check", "Time by the number of tables", series, x="tables", y="seconds", log=True)
