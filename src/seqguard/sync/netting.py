"""What a run of steps comes to: the last step of each row, between steps that nothing may be moved across. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seqguard.sync.step import Delete, Rekey, Truncate, Upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seqguard.sync.step import Key, Step


@dataclass(frozen=True, slots=True)
class Net:
    """The net change: by source table, the rows that are to be there and the rows that are not."""

    upserts: Mapping[str, list[Upsert]] = field(default_factory=dict)
    deletes: Mapping[str, list[Delete]] = field(default_factory=dict)


Segment = Net | Rekey | Truncate


def segments(steps: Iterable[Step]) -> Iterator[Segment]:
    """The steps in their order, with every run of upserts and deletes taken together.

    A change of the key and a truncate stand alone: what comes before them must have been done.
    """
    last: dict[tuple[str, str, Key], Upsert | Delete] = {}
    for step in steps:
        if isinstance(step, Upsert | Delete):
            table = step.table
            last[table.target_schema, table.target_table, step.key] = step
            continue
        yield from _net(last)
        last = {}
        yield step
    yield from _net(last)


def _net(last: Mapping[tuple[str, str, Key], Upsert | Delete]) -> Iterator[Net]:
    """Rows are told apart by their target: two source tables may lead to one."""
    upserts: dict[str, list[Upsert]] = {}
    deletes: dict[str, list[Delete]] = {}
    for step in last.values():
        if isinstance(step, Upsert):
            upserts.setdefault(step.table.source, []).append(step)
        else:
            deletes.setdefault(step.table.source, []).append(step)
    if last:
        yield Net(upserts, deletes)


def parents_first(references: Mapping[int, Iterable[int]]) -> list[int]:
    """Tables, by oid, in an order in which each comes after those that it references.

    Within a cycle the order is arbitrary.
    """
    ordered: dict[int, None] = {}
    entered: set[int] = set()

    def visit(table: int) -> None:
        if table in entered or table not in references:
            return
        entered.add(table)
        for parent in sorted(references[table]):
            visit(parent)
        ordered[table] = None

    for table in sorted(references):
        visit(table)
    return list(ordered)
