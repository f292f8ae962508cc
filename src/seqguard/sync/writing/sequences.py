"""Before rows are written, the sequences of their columns are brought to where the rows lead.

By the rules of check and the moves of fix, and before the commit: a value too many is drawn when the rows then
fail, which is the safe side. A guard finds nothing left to do; where this role may not move a sequence, the guard does.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.checking import judged
from seqguard.fixing import carry_out, plan
from seqguard.model import Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seqguard.model import FedColumn
    from seqguard.sync.event import Value
    from seqguard.sync.mapping.step import Step
    from seqguard.sync.writing.sink import Sink

_TIMEOUTS = pg.Timeouts(lock=100)
_CATCHING_UP = pg.Timeouts(lock=100, statement=10_000)
_PAUSE = 10.0
"""Seconds before a sequence that could not be moved is tried again."""


class Sequences:
    """The sequences that feed columns which a sync writes."""

    def __init__(self, connection: pg.Connection, sinks: Iterable[Sink]) -> None:
        self._owed: dict[FedColumn, int] = {}
        self._not_before: dict[str, float] = {}
        fed = pg.fed_columns(connection, pg.Timeouts())
        self._columns = {
            sink.mapping.source: [
                fact
                for fact in fed
                if fact.table_oid == sink.target.oid and fact.column_name in sink.columns and not fact.unjudged
            ]
            for sink in sinks
        }
        self._now = {_place(fact): fact for facts in self._columns.values() for fact in facts}
        self._behind = set(self._now.values())

    def advance(self, connection: pg.Connection, values: Mapping[FedColumn, int]) -> dict[str, str]:
        """Bring every sequence to the furthest of its values; returns what could not be moved, and why.

        In transactions of its own. A sequence that could not be moved is tried again later, with the privileges that
        there are then. The first time, and then too, it is also brought beyond the rows that are there.
        """
        if any(time.monotonic() >= at for at in self._not_before.values()):
            self._read_again(connection)
        problems = self._advance(connection, values) | self._catch_up(connection)
        guarded = {fact.sequence for fact in self._now.values() if fact.guard_state == "installed"}
        return {name: problem for name, problem in problems.items() if name not in guarded}

    def _read_again(self, connection: pg.Connection) -> None:
        """What could not be moved, as it is now."""
        for fact in pg.fed_columns(connection, pg.Timeouts()):
            if _place(fact) in self._now:
                self._now[_place(fact)] = fact
                if fact.sequence in self._not_before:
                    self._behind.add(fact)

    def _catch_up(self, connection: pg.Connection) -> dict[str, str]:
        """Bring sequences beyond the rows that are there. A column that takes too long to read is left as it is."""
        facts, self._behind = sorted(self._behind, key=_place), set()
        if not facts:
            return {}
        problems = _moved(connection, facts, _CATCHING_UP)
        again = {
            fact.sequence for fact in facts if fact.sequence_unreadable or fact.sequence not in problems.unread
        }
        self._put_off(again, problems.all)
        return problems.all

    def _put_off(self, tried: set[str], problems: Mapping[str, str]) -> None:
        for name in tried - problems.keys():
            self._not_before.pop(name, None)
        self._not_before |= dict.fromkeys(problems.keys() & tried, time.monotonic() + _PAUSE)

    def _advance(self, connection: pg.Connection, values: Mapping[FedColumn, int]) -> dict[str, str]:
        furthest = {**self._owed, **values}
        facts = [fact for fact in furthest if self._not_before.get(fact.sequence, 0) <= time.monotonic()]
        if not facts:
            return {}
        further = {fact: _further(fact, furthest, self._owed) for fact in facts}
        problems = _advance(
            connection, {self._now.get(_place(fact), fact): value for fact, value in further.items()}
        )
        self._owed = {
            fact: value for fact, value in furthest.items() if fact.sequence in problems or fact not in facts
        }
        self._put_off({fact.sequence for fact in facts}, problems)
        return problems

    def furthest(self, steps: Sequence[Step]) -> dict[FedColumn, int]:
        """The furthest value that these steps bring for each column."""
        found: dict[FedColumn, int] = {}
        for source, facts in self._columns.items():
            if not facts:
                continue
            rows = [step.row for step in steps if step.table.source == source and hasattr(step, "row")]
            for fact in facts:
                values = _numbers(fact, (row[fact.column_name or ""] for row in rows))
                if values:
                    found[fact] = max(values) if fact.increment > 0 else min(values)
        return found


def _place(fact: FedColumn) -> tuple[int, int, str]:
    return fact.sequence_oid, fact.table_oid or 0, fact.column_name or ""


def _further(fact: FedColumn, furthest: Mapping[FedColumn, int], owed: Mapping[FedColumn, int]) -> int:
    both = (furthest[fact], owed.get(fact, furthest[fact]))
    return max(both) if fact.increment > 0 else min(both)


def _numbers(fact: FedColumn, values: Iterable[Value]) -> list[int]:
    """The values as the sequence counts."""
    if fact.number_pattern:
        pattern = re.compile(fact.number_pattern)
        return [
            int(found[1]) for value in values if isinstance(value, str) and (found := pattern.search(value))
        ]
    rounded = math.floor if fact.increment > 0 else math.ceil
    return [
        value if isinstance(value, int) else rounded(value)
        for value in values
        if isinstance(value, int) or (isinstance(value, Decimal | float) and math.isfinite(value))
    ]


def _advance(connection: pg.Connection, furthest: Mapping[FedColumn, int]) -> dict[str, str]:
    """Judge the sequences as if the rows were there, and move those that are behind."""
    facts = [
        fact._replace(furthest_query=f"{value:d}", column_unreadable=None) for fact, value in furthest.items()
    ]
    return _moved(connection, facts, _TIMEOUTS).all


@dataclass(frozen=True, slots=True)
class _Problems:
    """What could not be done, and why, by sequence."""

    unread: Mapping[str, str]
    unmoved: Mapping[str, str]

    @property
    def all(self) -> dict[str, str]:
        return {**self.unread, **self.unmoved}


def _moved(connection: pg.Connection, facts: Sequence[FedColumn], timeouts: pg.Timeouts) -> _Problems:
    """Move the sequences that are behind."""
    reports = judged(connection, facts, timeouts)
    unread = {report.sequence: "; ".join(report.notes) for report in reports if report.status == "unreadable"}
    return _Problems(unread, carry_out(connection, plan(Report("", "", tuple(reports))), timeouts))
