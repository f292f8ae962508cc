"""Before rows are written, the sequences of their columns are brought to where the rows lead.

By the rules of check and the moves of fix, and before the commit: a value too many is drawn when the rows then
fail, which is the safe side. A guard finds nothing left to do; where this role may not move a sequence, the guard does.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.checking import read
from seqguard.fixing import carry_out, plan
from seqguard.model import Report
from seqguard.rules import report_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seqguard.model import FedColumn
    from seqguard.sync.event import Value
    from seqguard.sync.mapping.step import Step
    from seqguard.sync.writing.sink import Sink

_TIMEOUTS = pg.Timeouts(lock=100)
_PAUSE = 10.0
"""Seconds before a sequence that could not be moved is tried again."""


class Sequences:
    """The sequences that feed columns which a sync writes."""

    def __init__(self, connection: pg.Connection, sinks: Iterable[Sink]) -> None:
        self._columns: dict[str, list[FedColumn]] = {}
        self._owed: dict[FedColumn, int] = {}
        self._not_before: dict[str, float] = {}
        fed = pg.fed_columns(connection, pg.Timeouts())
        for sink in sinks:
            self._columns[sink.mapping.source] = [
                fact
                for fact in fed
                if fact.table_oid == sink.target.oid and fact.column_name in sink.columns and not fact.unjudged
            ]

    def advance(self, connection: pg.Connection, values: Mapping[FedColumn, int]) -> dict[str, str]:
        """Bring every sequence to the furthest of its values; returns what could not be moved, and why.

        In transactions of its own. A sequence that could not be moved is tried again with a later batch.
        """
        furthest = {**self._owed, **values}
        facts = [fact for fact in furthest if self._not_before.get(fact.sequence, 0) <= time.monotonic()]
        if not facts:
            return {}
        problems = _advance(connection, {fact: _further(fact, furthest, self._owed) for fact in facts})
        self._owed = {
            fact: value for fact, value in furthest.items() if fact.sequence in problems or fact not in facts
        }
        self._not_before = {name: time.monotonic() + _PAUSE for name in problems}
        guarded = {fact.sequence for fact in facts if fact.guard_state == "installed"}
        return {name: problem for name, problem in problems.items() if name not in guarded}

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
        replace(fact, furthest_query=f"{value:d}", column_unreadable=None) for fact, value in furthest.items()
    ]
    by_sequence: dict[int, list[int]] = {}
    for number, fact in enumerate(facts):
        by_sequence.setdefault(fact.sequence_oid, []).append(number)
    readings = read(connection, facts, _TIMEOUTS)
    reports = [
        report_on(tuple(facts[i] for i in numbers), tuple(readings[i] for i in numbers))
        for numbers in by_sequence.values()
    ]
    unread = {report.sequence: "; ".join(report.notes) for report in reports if report.status == "unreadable"}
    return unread | carry_out(connection, plan(Report("", "", tuple(reports))), _TIMEOUTS)
