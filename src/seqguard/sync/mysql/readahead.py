"""Reads a source ahead in a thread, while the writer waits for the target."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from seqguard.errors import SeqguardError
from seqguard.sync.event import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from seqguard.sync.event import Change, Offset

AHEAD = 20_000
"""Changes that may wait to be taken."""


class ReadAhead:
    """Takes small batches from an iterator in a thread, and hands them on as larger ones."""

    def __init__(self, batches: Iterator[Batch], fill: Callable[[Mapping[str, Offset]], bool]) -> None:
        """At the positions where fill holds, full batches are better than early ones."""
        self._batches, self._fill = batches, fill
        self._ready: deque[Batch] = deque()
        self._waiting = 0
        self._error: Exception | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="seqguard-read-ahead", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for batch in self._batches:
                if not self._put(batch):
                    return
        except Exception as error:  # noqa: BLE001 - raised again by poll
            self._fail(error)
        else:
            self._fail(SeqguardError("the source has ended"))

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _put(self, batch: Batch) -> bool:
        """Wait for room; return whether anyone still wants it."""
        with self._changed:
            while self._waiting >= AHEAD and not self._closed:
                self._changed.wait()
            self._ready.append(batch)
            self._waiting += len(batch.changes)
            self._changed.notify_all()
            return not self._closed

    def poll(self, limit: int, seconds: float) -> Batch:
        """At most so many changes, as soon as there are some, at the latest after so many seconds.

        While fill holds for what was taken, more is waited for. Raises what the iterator raised, once everything before it is taken.
        """
        deadline = time.monotonic() + seconds
        changes: list[Change] = []
        positions: dict[str, Offset] = {}
        stopped: dict[str, str] = {}
        with self._changed:
            while (not changes or self._fill(positions)) and (self._ready or self._wait(deadline)):
                if not self._take(limit, changes, positions, stopped):
                    break
            if not positions and self._error:
                raise self._error
            self._changed.notify_all()
        return Batch(changes, positions, stopped)

    def _wait(self, deadline: float) -> bool:
        """Whether something came before the deadline."""
        left = deadline - time.monotonic()
        while not self._ready and not self._error and left > 0:
            self._changed.wait(left)
            left = deadline - time.monotonic()
        return bool(self._ready)

    def _take(
        self, limit: int, changes: list[Change], positions: dict[str, Offset], stopped: dict[str, str]
    ) -> bool:
        """Move what is ready, as far as the limit allows; a batch is cut only where it alone is beyond it.

        Returns whether there is room for more.
        """
        while self._ready:
            if changes and len(changes) + len(self._ready[0].changes) > limit:
                return False
            batch = self._cut(self._ready.popleft(), limit)
            self._waiting -= len(batch.changes)
            changes += batch.changes
            positions.update(batch.positions)
            stopped.update(batch.stopped)
        self._changed.notify_all()
        return len(changes) < limit

    def _cut(self, batch: Batch, limit: int) -> Batch:
        if len(batch.changes) <= limit:
            return batch
        first, rest = batch.changes[:limit], batch.changes[limit:]
        self._ready.appendleft(Batch(rest, batch.positions, batch.stopped))
        last = first[-1].position
        return Batch(first, {last.stream: last.offset}, batch.stopped)

    def close(self) -> None:
        """Stop taking. The thread ends with the batch that it waits for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(seconds)
