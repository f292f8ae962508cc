"""What the worker asks of a source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from seqguard.sync.event import Batch, Offset

Stored = Callable[[str], Offset | None]
"""Where a stream stood when the target last committed, None when it never has."""


class Source(Protocol):
    """A stream, or several, of changes.

    may_run_ahead: whether a batch may be asked for before the one before it is applied. Not where what was read may
    be taken from us, and given to another worker, with the next poll.
    """

    may_run_ahead: bool

    def start(self, stored: Stored) -> None:
        """Connect, and go on from where the target stands; from a snapshot when it stands nowhere.

        stored is kept: a Kafka source asks again for each partition that it is assigned.
        """

    def poll(self, limit: int, seconds: float) -> Batch:
        """At most so many changes, as soon as some are there and at the latest after so many seconds.

        Raises TransientError when the connection is lost: the worker closes, waits and starts again.
        """

    def committed(self, positions: Mapping[str, Offset]) -> None:
        """The target has stored these positions: a source may tell its server."""

    def lag(self) -> int | None:
        """How many changes, or bytes of binlog, wait at the source; None when that is not known."""

    def close(self) -> None:
        """Let go of everything. May be called twice."""
