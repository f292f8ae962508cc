"""How long to wait after a failure."""

from __future__ import annotations

import random

FIRST_WAIT, LONGEST_WAIT = 0.1, 30.0


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubled each time, half of it by chance."""
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures, 16))
    return longest * random.uniform(0.5, 1)  # noqa: S311 - chance, not secrecy
