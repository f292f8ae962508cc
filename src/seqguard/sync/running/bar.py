"""The bar of a snapshot on a terminal: rows, rows a second, time left. Elsewhere nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqguard.sync.mysql.snapshot import Progress


class Bar:
    """Shown from the first row to the last. close() leaves it as it was last."""

    def __init__(self) -> None:
        self._shown: Any = None
        self._task: Any = None

    def show(self, progress: Progress | None) -> None:
        """How far it is; None when there is no snapshot, or none any more."""
        if progress is None:
            self.close()
        elif sys.stderr.isatty() or self._shown:
            self._update(progress)

    def _update(self, progress: Progress) -> None:
        if self._shown is None:
            self._shown = _bar()
            self._shown.start()
            self._task = self._shown.add_task("snapshot")
        self._shown.update(self._task, completed=progress.rows, total=max(progress.rows, progress.estimate))

    def close(self) -> None:
        """Take it off the terminal's last line. May be called twice."""
        if self._shown:
            self._shown.stop()
            self._shown = None


def _bar() -> Any:
    from rich import progress
    from rich.console import Console

    class Rate(progress.ProgressColumn):
        """Rows a second; not known at first."""

        def render(self, task: progress.Task) -> str:
            return "" if task.speed is None else f"{task.speed:,.0f} rows/s"

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TextColumn("{task.completed:,.0f} of about {task.total:,.0f} rows"),
        Rate(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
    )
