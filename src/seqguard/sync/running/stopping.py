"""SIGTERM and SIGINT: finish the batch and stop. What takes too long is cut off; its transaction is rolled back."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

GRACE = 5.0
"""Seconds for the batch that is under way."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_on_signals(grace: float = GRACE) -> Iterator[threading.Event]:
    """An event that the first signal sets. A second one, or the end of the grace, does what it did before."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (*_SIGNALS, signal.SIGALRM)}

    def cut_off(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        raise KeyboardInterrupt

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.set()
        for one in _SIGNALS:
            signal.signal(one, cut_off)
        signal.signal(signal.SIGALRM, lambda _, frame: cut_off(number, frame))
        signal.setitimer(signal.ITIMER_REAL, grace)

    for number in _SIGNALS:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
