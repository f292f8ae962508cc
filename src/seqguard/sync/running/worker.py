"""The loop: what the source brings goes to the writer; what fails for a moment is tried again."""

from __future__ import annotations

import gc
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from seqguard.errors import SeqguardError
from seqguard.sync.failure import LostStreamError, TransientError
from seqguard.sync.running.backoff import backoff

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from seqguard.sync.event import Batch
    from seqguard.sync.source import Source
    from seqguard.sync.writing.writer import Applied, Prepared, Writer

POLL_SECONDS, LAST_POLL_SECONDS = 1.0, 0.2
"""How long a poll may wait for changes, no longer than a stop may take; and where none may be left to come."""
_WELL_AFTER = 10.0
"""Seconds of reading in peace after which a failure is over, though no change came."""
_PATIENCE = 60.0
"""Seconds of waiting for the target with the source left open. A Kafka consumer that is not asked for longer is put out."""
_AHEAD_FROM = 500
"""Changes in a batch that are worth the next one's preparation in a thread."""
_TURN = 0.0005
"""Seconds until another thread gets its turn. Python's own, 0.005, is long beside a server's answers."""
_COLLECTED_AFTER = 20_000
"""New objects before cyclic garbage is looked for: rows are many objects, and never cyclic."""


class Watch(Protocol):
    """Who is told of what happens."""

    def started(self) -> None:
        """Reading begins, or begins anew."""

    def took(self, batch: Batch) -> None:
        """A batch is at hand, to be applied."""

    def applied(self, batch: Batch, applied: Applied, seconds: float) -> None:
        """A batch was committed."""

    def stopped(self, tables: Mapping[str, str]) -> None:
        """These source tables are not written any more, and why."""

    def looked(self, lag: int | None, *, idle: bool) -> None:
        """The source says how much waits there."""

    def failed(self, error: TransientError, wait: float, lag: int | None) -> None:
        """Something failed for a moment; the next try is in so many seconds. lag as in looked(), if it is known."""

    def recovered(self) -> None:
        """Whatever failed before, the work goes on."""


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
    _well_since: float = field(default=0.0, init=False)
    _next: tuple[Batch, Future[Prepared]] | None = field(default=None, init=False)
    _ended: SeqguardError | None = field(default=None, init=False)

    def run(self) -> None:
        """Work, and start anew from the stored position after every TransientError.

        Raises SeqguardError for what no further try can mend.
        """
        done = False
        with tuned_for_rows():
            while not (done or self.stop.is_set()):
                try:
                    done = self._session()
                except TransientError as error:
                    self._pause(error)

    def _pause(self, error: TransientError) -> None:
        wait = backoff(self._failures)
        self._failures += 1
        self.watch.failed(error, wait, self._lag())
        self.stop.wait(wait)
        self._well_since = time.monotonic()

    def _lag(self) -> int | None:
        try:
            return self.source.lag()
        except SeqguardError:
            return None

    def _session(self) -> bool:
        """From the stored position until the stop, an error, or, when asked for, the end."""
        self._next = self._ended = None
        helper = ThreadPoolExecutor(1, thread_name_prefix="seqguard-prepare")
        with closing(self.writer), closing(self.source), helper:
            self.source.start(self.writer.stored)
            self._well_since = time.monotonic()
            self.watch.started()
            while not self.stop.is_set():
                if self._turn(helper) and self.limits.until_caught_up:
                    return True
        return False

    def _turn(self, helper: ThreadPoolExecutor) -> bool:
        """Take what is there to the target; return whether nothing is left."""
        batch, prepared = self._take()
        if self.source.may_run_ahead and len(batch.changes) >= _AHEAD_FROM:
            self._look_ahead(helper)
        began = time.monotonic()
        self.watch.took(batch)
        applied = self._apply(batch, prepared)
        self.source.committed(batch.positions)
        if batch.changes or time.monotonic() - self._well_since >= _WELL_AFTER:
            self._failures = 0
            self.watch.recovered()
        self.watch.applied(batch, applied, time.monotonic() - began)
        self.watch.stopped(self.writer.stopped)
        lag = self.source.lag()
        self.watch.looked(lag, idle=not batch.changes)
        return not batch.changes and lag == 0

    def _apply(self, batch: Batch, prepared: Prepared | None) -> Applied:
        """Apply a batch, waiting for the target: a source that is closed makes its group share out anew, or reads again."""
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return self.writer.apply(batch, prepared)
            except LostStreamError:
                raise
            except TransientError as error:
                if time.monotonic() > until:
                    raise
                self._pause(error)
                if self.stop.is_set():
                    raise

    def _take(self) -> tuple[Batch, Prepared | None]:
        """The batch that is prepared, or what comes next."""
        if self._next:
            (batch, prepared), self._next = self._next, None
            return batch, prepared.result()
        if self._ended:
            raise self._ended
        seconds = LAST_POLL_SECONDS if self.limits.until_caught_up else POLL_SECONDS
        return self.source.poll(self.limits.batch_size, seconds), None

    def _look_ahead(self, helper: ThreadPoolExecutor) -> None:
        """Have the next batch prepared while the server works on this one, which is applied even if none can be had."""
        try:
            batch = self.source.poll(self.limits.batch_size, 0)
        except SeqguardError as error:
            self._ended = error
            return
        self._next = batch, helper.submit(self.writer.prepare, batch)


@contextmanager
def tuned_for_rows() -> Iterator[None]:
    """Python's own settings while a worker runs."""
    turn, (collected_after, *older) = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(_TURN)
    gc.set_threshold(_COLLECTED_AFTER, *older)
    try:
        yield
    finally:
        sys.setswitchinterval(turn)
        gc.set_threshold(collected_after, *older)
