"""What is told of the work: metrics at once, a log line every few seconds, a bar while a snapshot runs."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from seqguard.sync.running.bar import Bar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.typing import FilteringBoundLogger

    from seqguard.sync.event import Batch
    from seqguard.sync.failure import TransientError
    from seqguard.sync.mysql.snapshot import Progress
    from seqguard.sync.running.metrics import Metrics
    from seqguard.sync.writing.writer import Applied

EVERY = 10.0
"""Seconds between two lines that say how it goes."""


class Reporter:
    """The worker's watch. unit is what the source counts its backlog in; snapshot tells how far one is."""

    def __init__(
        self,
        logger: FilteringBoundLogger,
        metrics: Metrics,
        unit: str,
        snapshot: Callable[[], Progress | None],
    ) -> None:
        self._logger = logger
        self._bar = Bar()
        self._snapshot = snapshot
        self._metrics = metrics
        self._unit = unit
        self._at: datetime | None = None
        self._told = time.monotonic()
        self._events = 0
        self._is_idle = False
        self._stopped: dict[str, str] = {}
        self._older: set[tuple[str, frozenset[str]]] = set()

    def started(self) -> None:
        """Reading begins, or begins anew."""
        self._logger.info("reading")
        self._is_idle = False

    def took(self, batch: Batch) -> None:
        """A batch is at hand, to be applied."""
        if batch.changes:
            times = (change.at for change in batch.changes if change.at)
            self._metrics.behind_since(min(times, default=datetime.now(UTC)))
        for table, columns in batch.lacks.items():
            if columns and (table, columns) not in self._older:
                self._older.add((table, columns))
                self._logger.warning("rows from before new columns", table=table, columns=sorted(columns))

    def applied(self, batch: Batch, applied: Applied, seconds: float) -> None:
        """A batch was committed."""
        self._count(batch, applied, seconds)
        self._bar.show(self._snapshot())
        for table, count in applied.dead.items():
            self._logger.warning("dead letters", table=table, count=count)
        for table, count in applied.waiting.items():
            self._logger.info("waiting for the rows that they reference", table=table, count=count)
        for table in applied.in_order:
            self._logger.info("written in the order of changes: a unique constraint refused a row", table=table)
        for sequence, why in applied.sequences.items():
            self._logger.warning("sequence not moved", sequence=sequence, why=why)

    def stopped(self, tables: Mapping[str, str]) -> None:
        """These source tables are not written any more, and why; the others go on."""
        for table, why in tables.items():
            if self._stopped.get(table) != why:
                self._stopped[table] = why
                self._logger.error("table stopped", table=table, why=why)
        self._metrics.stopped(len(tables))

    def _count(self, batch: Batch, applied: Applied, seconds: float) -> None:
        for stream, offset in batch.positions.items():
            self._metrics.position(stream, offset)
        for table, count in applied.changes.items():
            self._metrics.events(table, count)
            self._events += count
        for table, count in applied.dead.items():
            self._metrics.dead(table, count)
        self._metrics.rows(applied.upserts, applied.deletes)
        if batch.changes:
            self._at = batch.changes[-1].at
            self._metrics.applied(seconds, self._at)

    def looked(self, lag: int | None, *, idle: bool) -> None:
        """The source says how much waits there."""
        self._metrics.behind_since(None if idle or lag == 0 else self._at)
        self._count_backlog(lag)
        caught_up = idle and lag == 0
        if time.monotonic() - self._told >= EVERY or (caught_up and not self._is_idle):
            self._tell(lag, caught_up=caught_up)
        self._is_idle = caught_up

    def _count_backlog(self, lag: int | None) -> None:
        if lag is not None:
            self._metrics.backlog(self._unit, lag)

    def _tell(self, lag: int | None, *, caught_up: bool) -> None:
        now = time.monotonic()
        if self._events or not self._is_idle:
            rate = round(self._events / max(now - self._told, 0.001))
            event = "caught up" if caught_up else "working"
            self._logger.info(event, events=self._events, per_second=rate, **self._left(lag))
        self._told, self._events = now, 0

    def _left(self, lag: int | None) -> dict[str, int | None]:
        snapshot = self._snapshot()
        if snapshot:
            return {"snapshot_rows": snapshot.rows, "of_about": snapshot.estimate}
        return {f"{self._unit}_waiting": lag}

    def close(self) -> None:
        """Take the bar away. May be called twice."""
        self._bar.close()

    def failed(self, error: TransientError, wait: float, lag: int | None) -> None:
        """Something failed for a moment; the next try is in so many seconds."""
        self.close()
        self._metrics.failed()
        self._count_backlog(lag)
        self._logger.warning("trying again", error=str(error), seconds=round(wait, 1))

    def recovered(self) -> None:
        """Whatever failed before, the work goes on."""
        self._metrics.recovered()
