"""What bench/kafka.py found, as a table, as JSON, and as charts."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = ("workers", "events a second", "in quarters", "waited at most", "drained at, a second", "/ apply rate",
        "MB at a tenth", "MB at the end", "events of each")  # fmt: skip
POINTS = 24
AGED = 0.1
"""The part of its batches after which a worker has all that it works with."""


Point = TypeVar("Point")


class Step(NamedTuple):
    """A batch that was applied: when, how many events were in it, and the worker's megabytes."""

    at: float
    events: int
    megabytes: float


class Sent(NamedTuple):
    """So many events of the burst had been sent."""

    at: float
    events: int


@dataclass
class Drained:
    """What each worker did with the events that waited, and the first one with a burst after them."""

    workers: list[list[Step]]
    events: int
    sent: list[Sent]

    @property
    def steps(self) -> list[Step]:
        return sorted(step for worker in self.workers for step in worker)

    @property
    def waiting(self) -> list[Step]:
        """The batches of what waited before."""
        done = accumulate(step.events for step in self.steps)
        return [step for step, total in zip(self.steps, done, strict=True) if total <= self.events]

    @property
    def burst(self) -> list[Step]:
        """The batches that were applied after the last event of the burst was sent."""
        return [step for step in self.steps if self.sent and step.at > self.sent[-1].at]

    def quarters(self) -> list[float]:
        """Events a second in each quarter of what waited."""
        steps, size = self.waiting, len(self.waiting) / 4
        return [rate(steps[int(size * part) : int(size * (part + 1)) + 1]) for part in range(4)]

    def behind(self) -> list[tuple[float, float]]:
        """Seconds since the burst began, and how many of its events were not applied."""
        began = self.sent[0].at
        times = sorted({*(sent.at for sent in self.sent), *(step.at for step in self.steps if step.at > began)})
        return [(at - began, float(self._sent(at) - self._applied(at, began))) for at in times]

    def _sent(self, at: float) -> int:
        return self.sent[bisect_right([sent.at for sent in self.sent], at) - 1].events

    def _applied(self, at: float, began: float) -> int:
        return sum(step.events for step in self.steps if began < step.at <= at)


def rate(steps: Sequence[Step]) -> float:
    """Events a second, from the first batch applied to the last; 0 when there are too few to say."""
    if len(steps) < 2:  # noqa: PLR2004 - a rate has a beginning and an end
        return 0.0
    return sum(step.events for step in steps[1:]) / (steps[-1].at - steps[0].at)


def cells(drained: Drained) -> list[str]:
    """A line of the table."""
    apply, burst = rate(drained.waiting), rate(drained.burst)
    aged = [worker[int(len(worker) * AGED)] for worker in drained.workers]
    return [
        str(len(drained.workers)),
        f"{apply:,.0f}",
        " ".join(f"{quarter:,.0f}" for quarter in drained.quarters()),
        f"{max(n for _, n in drained.behind()):,.0f}" if drained.sent else "",
        f"{burst:,.0f}" if burst else "",
        f"{burst / apply:.2f}" if burst else "",
        " ".join(f"{step.megabytes:.0f}" for step in aged),
        " ".join(f"{worker[-1].megabytes:.0f}" for worker in drained.workers),
        " ".join(f"{sum(step.events for step in worker):,}" for worker in drained.workers),
    ]


def as_json(about: str, found: Sequence[Drained]) -> dict[str, Any]:
    """Every quarter, and the points of the charts."""
    return {"machine": about, "runs": [_run(drained) for drained in found]}


def _run(drained: Drained) -> dict[str, Any]:
    return {
        "workers": len(drained.workers),
        "rate": rate(drained.waiting),
        "quarters": drained.quarters(),
        "burst": rate(drained.burst),
        "batches": [len(worker) for worker in drained.workers],
        "behind": thinned(drained.behind()) if drained.sent else [],
        "megabytes": [thinned(memory(worker)) for worker in drained.workers],
    }


def memory(worker: Sequence[Step]) -> list[tuple[float, float]]:
    """Megabytes over the events that the worker has applied."""
    done = accumulate(step.events for step in worker)
    return [(float(total), step.megabytes) for total, step in zip(done, worker, strict=True)]


def thinned(points: Sequence[Point]) -> list[Point]:
    """Few enough of them to draw, with the first and the last."""
    if len(points) <= POINTS:
        return list(points)
    return [points[round(i * (len(points) - 1) / (POINTS - 1))] for i in range(POINTS)]


def draw(found: Sequence[Drained]) -> None:
    from chart import lines

    one, two = found
    names = {
        "one worker": one.workers[0],
        "the first of two": two.workers[0],
        "the second of two": two.workers[1],
    }
    lines("kafka-memory", "Memory of a worker", {name: thinned(memory(worker)) for name, worker in names.items()},
          x="events that it has applied", y="megabytes")  # fmt: skip
    behind = one.behind()
    top = max(behind, key=lambda point: point[1])
    ideal = [top, (top[0] + top[1] / rate(one.waiting), 0.0)]
    lines("kafka-burst", "One worker after a burst", {"waiting": thinned(behind), "at the apply rate": ideal},
          x="seconds since the burst began", y="events not applied yet")  # fmt: skip
