"""Charts for docs/measured: SVG that is the same for the same figures, with text that stays text.

    bars("guard", "Cost of the guard", ["COPY", "INSERT"], {"seqguard": [1.02, 1.05]}, axis="ratio", targets=[1.03, 1.08])
    lines("check", "Time of check", {"seqguard": [(100, 0.1), (1000, 0.4)]}, x="sequences", y="seconds", log=True)

Each writes docs/measured/NAME.svg, or FOLDER/NAME.svg, and returns its path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from measured import FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#999999",
)  # told apart by everybody
MARKERS = "osD^vPX"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "seqguard",
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "path.simplify": True,
}
SLOT, INCH = 0.8, 0.21
"""The part of a group's place that its bars fill, and the height of a bar."""


def bars(
    name: str,
    title: str,
    groups: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    axis: str,
    targets: Sequence[float | None] = (),
    limit: float | None = None,
    start: float = 0.0,
    digits: int = 2,
    folder: Path = FOLDER,
) -> Path:
    """Horizontal bars, one group below the other, a bar for each series, its figure at its end.

    A group's target is a line across its bars. The axis goes from start to limit; a longer bar ends there.
    None leaves a bar or a target out.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 1.5 + INCH * len(groups) * (len(series) + 1)), layout="constrained")
        axes = figure.subplots()
        end = limit or max(v for values in (*series.values(), targets) for v in values if v is not None) * 1.12
        height = SLOT / len(series)
        for i, (label, values) in enumerate(series.items()):
            places = [group - SLOT / 2 + height * (i + 0.5) for group in range(len(groups))]
            lengths = [max(min(value, end) - start, 0) if value is not None else 0 for value in values]
            axes.barh(places, lengths, height, left=start, color=COLOURS[i], label=label)
            _figures(axes, places, values, start, end, digits)
        _targets(axes, targets)
        axes.set(xlim=(start, end), xlabel=axis, yticks=range(len(groups)), yticklabels=groups)
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        return _save(figure, title, name, folder)


def _figures(
    axes: Any, places: Sequence[float], values: Sequence[float | None], start: float, end: float, digits: int
) -> None:
    """Each bar's figure: behind its end, or inside when the end is the axis' own."""
    for place, value in zip(places, values, strict=True):
        if value is None:
            continue
        inside = value > start + (end - start) * 0.93
        axes.annotate(
            f"{value:,.{digits}f}", (min(max(value, start), end), place), xytext=(-4 if inside else 4, -1),
            textcoords="offset points", ha="right" if inside else "left", va="center", size=8.5,
            color="white" if inside else "black",
            bbox=None if inside else {"fc": "white", "ec": "none", "pad": 0.6}, zorder=3,
        )  # fmt: skip


def _targets(axes: Any, targets: Sequence[float | None]) -> None:
    known = [(group, target) for group, target in enumerate(targets) if target is not None]
    if known:
        rows, at = [group for group, _ in known], [target for _, target in known]
        axes.vlines(
            at,
            [row - 0.45 for row in rows],
            [row + 0.45 for row in rows],
            color="black",
            lw=1.6,
            label="target",
        )


def lines(
    name: str,
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x: str,
    y: str,
    log: bool = False,
    folder: Path = FOLDER,
) -> Path:
    """A line for each series through its points (x, y); with log, both axes are logarithmic."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        axes = figure.subplots()
        for i, (label, points) in enumerate(series.items()):
            axes.plot(*zip(*points, strict=True), color=COLOURS[i], marker=MARKERS[i], ms=5, label=label)
        axes.set(xlabel=x, ylabel=y)
        for axis in (axes.xaxis, axes.yaxis):
            _scale(axis, log=log)
        if not log:
            axes.set_ylim(bottom=0)
        return _save(figure, title, name, folder)


def _scale(axis: Any, *, log: bool) -> None:
    """Whole numbers with commas, not powers of ten."""
    if log:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.set_major_locator(LogLocator())
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _save(figure: Figure, title: str, name: str, folder: Path) -> Path:
    figure.suptitle(title, size=13)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9.5)
    path = folder / f"{name}.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
    return path
