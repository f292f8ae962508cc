"""What is told of the work: metrics at once, a log line every few seconds, a bar while a snapshot runs."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from seqguard.sync.event import Batch
    from seqguard.sync.failure import TransientError
    from seqguard.sync.metrics import Metrics
    from seqguard.sync.worker import Applied

EVERY = 10.0
"""Seconds between two lines that say how it goes."""


class Reporter:
    """The worker's watch. unit is what the source counts its backlog in: events or bytes."""

    def __init__(self, logger: FilteringBoundLogger, metrics: Metrics, unit: str) -> None:
        self._logger = logger
        self._metrics = metrics
        self._unit = unit
        self._at: datetime | None = None
        self._told = time.monotonic()
        self._events = 0
        self._is_idle = False
        self._stopped: dict[str, str] = {}

    def started(self) -> None:
        """Reading begins, or begins anew."""
        self._logger.info("reading")
        self._is_idle = False

    def applied(self, batch: Batch, applied: Applied, seconds: float) -> None:
        """A batch was committed."""
        for stream, offset in batch.positions.items():
            self._metrics.position(stream, offset)
        for table, count in applied.dead.items():
            self._metrics.dead(table, count)
            self._logger.warning("dead letters", table=table, count=count)
        for table, count in applied.events.items():
            self._metrics.events(table, count)
            self._events += count
        self._tell_stopped(batch)
        if batch.changes:
            self._at = batch.changes[-1].at
            self._metrics.applied(seconds, self._at)

    def _tell_stopped(self, batch: Batch) -> None:
        for table, why in batch.stopped.items():
            if self._stopped.get(table) != why:
                self._stopped[table] = why
                self._logger.error("table stopped", table=table, why=why)

    def looked(self, lag: int | None, *, idle: bool) -> None:
        """The source says how much waits there."""
        seconds = 0.0 if idle or self._at is None else (datetime.now(UTC) - self._at).total_seconds()
        self._metrics.lag(max(0.0, seconds))
        if lag is not None:
            self._metrics.backlog(self._unit, lag)
        caught_up = idle and not lag
        if time.monotonic() - self._told >= EVERY or (caught_up and not self._is_idle):
            self._tell(lag, caught_up=caught_up)
        self._is_idle = caught_up

    def _tell(self, lag: int | None, *, caught_up: bool) -> None:
        now = time.monotonic()
        if self._events or not self._is_idle:
            rate = round(self._events / max(now - self._told, 0.001))
            event = "caught up" if caught_up else "working"
            self._logger.info(event, events=self._events, per_second=rate, **{f"{self._unit}_waiting": lag})
        self._told, self._events = now, 0

    def failed(self, error: TransientError, wait: float) -> None:
        """Something failed for a moment; the next try is in so many seconds."""
        self._metrics.retry()
        self._logger.warning("trying again", error=str(error), seconds=round(wait, 1))
