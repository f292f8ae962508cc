"""What a run of steps comes to: the last step of each row, between steps that nothing may be moved across. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seqguard.sync.mapping.step import Delete, Rekey, Truncate, Upsert

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from seqguard.sync.mapping.step import Key, Step

    Table = tuple[str, str]  # schema and name in the target


@dataclass(frozen=True, slots=True)
class Net:
    """The net change: by source table, the rows that are to be there and the rows that are not."""

    upserts: Mapping[str, list[Upsert]] = field(default_factory=dict)
    deletes: Mapping[str, list[Delete]] = field(default_factory=dict)


Segment = Net | Rekey | Truncate


def segments(steps: Iterable[Step], parents: Container[Table] = frozenset()) -> Iterator[Segment]:
    """The steps in their order, with every run of upserts and deletes taken together.

    A change of the key and a truncate stand alone: what comes before them must have been done. Rows of parents,
    tables that foreign keys point at, take others with them when they are deleted, of which the source tells
    nothing: one that is deleted and comes back ends the run, and one that comes and is deleted does both.
    """
    run = _Run()
    for step in steps:
        if isinstance(step, Upsert | Delete):
            if _table(step) in parents and run.has_deleted(step):
                yield from run.net()
                run = _Run()
            run.add(step, passing=_table(step) in parents)
            continue
        yield from run.net()
        run = _Run()
        yield step
    yield from run.net()


class _Run:
    """Upserts and deletes that are taken together. Rows are told apart by their target: two sources may lead to one."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, Key], Upsert | Delete] = {}
        self._passing: dict[tuple[str, str, Key], Upsert] = {}

    def has_deleted(self, step: Upsert | Delete) -> bool:
        """Whether a step brings back what this run deletes."""
        return isinstance(step, Upsert) and isinstance(self._last.get(_place(step)), Delete)

    def add(self, step: Upsert | Delete, *, passing: bool) -> None:
        """Only the last step of a row counts; with passing, what it was before it was deleted, too."""
        place = _place(step)
        before = self._last.get(place)
        if passing and isinstance(step, Delete) and isinstance(before, Upsert):
            self._passing[place] = before
        self._last[place] = step

    def net(self) -> Iterator[Net]:
        """The net change, if there is any."""
        upserts: dict[str, list[Upsert]] = {}
        deletes: dict[str, list[Delete]] = {}
        for step in (*self._passing.values(), *self._last.values()):
            if isinstance(step, Upsert):
                upserts.setdefault(step.table.source, []).append(step)
            else:
                deletes.setdefault(step.table.source, []).append(step)
        if self._last:
            yield Net(upserts, deletes)


def _table(step: Upsert | Delete) -> Table:
    return step.table.target_schema, step.table.target_table


def _place(step: Upsert | Delete) -> tuple[str, str, Key]:
    return step.table.target_schema, step.table.target_table, step.key


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
