"""The loop: what the source brings goes to the writer; what fails for a moment is tried again."""

from __future__ import annotations

import random
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from seqguard.sync.failure import TransientError

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from seqguard.sync.event import Batch
    from seqguard.sync.source import Source
    from seqguard.sync.writing.writer import Applied, Writer

FIRST_WAIT, LONGEST_WAIT = 0.1, 30.0
POLL_SECONDS, LAST_POLL_SECONDS = 1.0, 0.2
"""How long a poll may wait for changes, no longer than a stop may take; and where none may be left to come."""


class Watch(Protocol):
    """Who is told of what happens."""

    def started(self) -> None:
        """Reading begins, or begins anew."""

    def applied(self, batch: Batch, applied: Applied, seconds: float) -> None:
        """A batch was committed."""

    def stopped(self, tables: Mapping[str, str]) -> None:
        """These source tables are not written any more, and why."""

    def looked(self, lag: int | None, *, idle: bool) -> None:
        """The source says how much waits there."""

    def failed(self, error: TransientError, wait: float) -> None:
        """Something failed for a moment; the next try is in so many seconds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken at once, and when the work is done."""

    batch_size: int = 5_000
    until_caught_up: bool = False


@dataclass
class Worker:
    """Runs until stop is set, or until nothing is left when that is asked for."""

    source: Source
    writer: Writer
    watch: Watch
    stop: threading.Event
    limits: Limits = Limits()
    _failures: int = field(default=0, init=False)

    def run(self) -> None:
        """Work, and start anew from the stored position after every TransientError.

        Raises SeqguardError for what no further try can mend.
        """
        done = False
        while not (done or self.stop.is_set()):
            try:
                done = self._session()
            except TransientError as error:
                self._pause(error)

    def _pause(self, error: TransientError) -> None:
        wait = backoff(self._failures)
        self._failures += 1
        self.watch.failed(error, wait)
        self.stop.wait(wait)

    def _session(self) -> bool:
        """From the stored position until the stop, an error, or, when asked for, the end."""
        with closing(self.writer), closing(self.source):
            self.source.start(self.writer.stored)
            self.watch.started()
            while not self.stop.is_set():
                if self._turn() and self.limits.until_caught_up:
                    return True
        return False

    def _turn(self) -> bool:
        """Take what is there to the target; return whether nothing is left."""
        seconds = LAST_POLL_SECONDS if self.limits.until_caught_up else POLL_SECONDS
        batch = self.source.poll(self.limits.batch_size, seconds)
        began = time.monotonic()
        applied = self.writer.apply(batch)
        self.source.committed(batch.positions)
        self._failures = 0
        self.watch.applied(batch, applied, time.monotonic() - began)
        self.watch.stopped(self.writer.stopped)
        lag = self.source.lag()
        self.watch.looked(lag, idle=not batch.changes)
        return not batch.changes and lag == 0


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubled each time, half of it by chance."""
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures, 16))
    return longest * random.uniform(0.5, 1)  # noqa: S311 - chance, not secrecy
