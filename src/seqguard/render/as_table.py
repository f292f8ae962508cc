"""Results as text for people: what needs attention, a summary, and what to run next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seqguard.render.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seqguard.model import Guard, Report, SequenceReport

_COLOURS = {
    "ok": "green",
    "behind": "red",
    "exhausted": "red",
    "unreadable": "yellow",
    "unjudged": "yellow",
    "installed": "green",
    "outdated": "yellow",
    "disabled": "yellow",
    "missing": "red",
}
_NOTED_STATUSES = ("exhausted", "unreadable", "unjudged")


def check(report: Report, *, everything: bool = False) -> str:
    """The verdicts that need attention, or all of them."""
    shown = [s for s in report.sequences if everything or s.status != "ok"]
    rows = [(s.sequence, _columns(s), _number(s.next_value), _number(s.furthest), s.status) for s in shown]
    lines = _table(("sequence", "feeds", "next value", "furthest", "status"), rows, right=(2, 3), status=4)
    return "\n".join([*lines, *_notes(shown, everything=everything), _summary(report), *_next_step(report)])


def fix(report: Report) -> str:
    """What was moved and what was left."""
    moved = [s for s in report.sequences if s.repair and s.repair.moved_to is not None and s.status != "behind"]
    left = [s for s in report.sequences if s.status != "ok" and s not in moved]
    lines = [
        f"{click.style('moved', fg='green')}  {printable(f'{s.sequence}: {_where_now(s)}')}" for s in moved
    ]
    lines += [f"{click.style('left', fg='red')}   {printable(f'{s.sequence}: {_why_left(s)}')}" for s in left]
    return "\n".join([*lines, f"{len(moved)} moved forward, {len(left)} left, {_in_sync(report)} in sync."])


def guards(result: Sequence[Guard]) -> str:
    """Guards with their state."""
    rows = [(g.table, g.column, g.sequence, g.name or "", g.state) for g in result]
    lines = _table(("table", "column", "sequence", "trigger", "guard"), rows, status=4)
    notes = [
        printable(f"  {g.table}.{g.column}: moved {g.sequence} to {g.moved_to}")
        for g in result
        if g.moved_to is not None
    ]
    notes += [printable(f"  {_guarded(g)}: {g.problem}") for g in result if g.problem]
    counts = ", ".join(
        f"{count} {state}"
        for state in ("installed", "outdated", "disabled", "missing", "unguardable")
        if (count := sum(g.state == state for g in result))
    )
    return "\n".join([*lines, *notes, f"{_counted(len(result), 'fed column')}: {counts or 'no guard'}."])


def _guarded(guard: Guard) -> str:
    return f"{guard.table}.{guard.column}" if guard.column else guard.table


def unguarded(result: Sequence[Guard]) -> str:
    """Guards that were removed, and those that could not be."""
    lines = [
        printable(
            f"left     {g.name} on {g.table}: {g.problem}" if g.problem else f"removed  {g.name} on {g.table}"
        )
        for g in result
    ]
    return "\n".join([*lines, f"{_counted(sum(not g.problem for g in result), 'guard')} removed."])


def plain(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, right: tuple[int, ...] = ()) -> list[str]:
    """Lines of a table without colours; no line when there is no row."""
    return _table(head, rows, right=right, status=0)


def streams(rows: Sequence[tuple[str, ...]], letters: Sequence[str]) -> str:
    """How far each stream of a sync has come: name, position, lag, backlog, changes, rate; and its letters."""
    head = ("stream", "position", "behind", "waiting", "changes", "per second")
    lines = plain(head, rows, right=(2, 3, 4, 5))
    return "\n".join([*lines, f"letters: {', '.join(letters) or 'none'}"])


def _columns(sequence: SequenceReport) -> str:
    first, *others = [f"{c.table}.{c.column}" for c in sequence.columns] or ["(no column)"]
    return f"{first} and {len(others)} more" if others else first


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _notes(shown: Iterable[SequenceReport], *, everything: bool) -> list[str]:
    return [
        printable(f"  {sequence.sequence}: {note}")
        for sequence in shown
        for note in sequence.notes
        if everything or sequence.status in _NOTED_STATUSES
    ]


def _summary(report: Report) -> str:
    if not report.sequences:
        return printable(f"No sequence feeds a column in database {report.database}.")
    counts = ", ".join(f"{count} {status}" for status, count in report.summary.items() if count)
    return f"{_counted(len(report.sequences), 'sequence')}: {counts or 'none'}."


def _next_step(report: Report) -> list[str]:
    if report.summary["behind"]:
        return ["Next: seqguard fix moves them forward; seqguard guard keeps them there."]
    return []


def _where_now(sequence: SequenceReport) -> str:
    now = f"next value is {sequence.next_value}"
    return now if sequence.status == "ok" else f"{now}. Still {_why_left(sequence)}"


def _why_left(sequence: SequenceReport) -> str:
    problem = (sequence.repair and sequence.repair.problem) or "; ".join(sequence.notes)
    if not problem or problem.startswith(sequence.status):
        return problem or sequence.status
    return f"{sequence.status}. {problem}"


def _in_sync(report: Report) -> int:
    return report.summary["ok"]


def _table(
    head: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, right: tuple[int, ...] = (), status: int
) -> list[str]:
    if not rows:
        return []
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(row: tuple[str, ...]) -> str:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        cells[status] = click.style(row[status], fg=_COLOURS.get(row[status]))
        return "  ".join(cells).rstrip()

    return [line(head), *(line(row) for row in rows)]
