"""What a run of steps comes to: the last step of each row, between steps that nothing may be moved across. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from seqguard.sync.mapping.step import Delete, Rekey, Truncate, Upsert

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from seqguard.sync.mapping.step import Key, Step

    Table = tuple[str, str]  # schema and name in the target


@dataclass(frozen=True, slots=True)
class Net:
    """The net change: by source table, the rows that are to be there and the rows that are not.

    rounds: the same for tables whose steps are to keep their order.
    """

    upserts: Mapping[str, list[Upsert]] = field(default_factory=dict)
    deletes: Mapping[str, list[Delete]] = field(default_factory=dict)
    rounds: Mapping[str, list[Round]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Round:
    """Steps of one table: deletes, then upserts in their order. No row is upserted twice."""

    deletes: list[Delete] = field(default_factory=list)
    upserts: list[Upsert] = field(default_factory=list)


Segment = Net | Rekey | Truncate


def segments(
    steps: Iterable[Step],
    parents: Container[Table] = frozenset(),
    ordered: Mapping[str, Container[str]] = MappingProxyType({}),
) -> Iterator[Segment]:
    """The steps in their order, with every run of upserts and deletes taken together.

    A change of the key and a truncate stand alone: what comes before them must have been done. Rows of parents,
    tables that foreign keys point at, take others with them when they are deleted, of which the source tells
    nothing: one that is deleted and comes back ends the run, and one that comes and is deleted does both.

    ordered: source tables whose rows hand unique values to one another, with the columns of these. Their steps
    keep their order, except that deletes of parents still come last. Each must be alone with its target.
    """
    run = _Run(ordered)
    for step in steps:
        if isinstance(step, Upsert | Delete):
            if _table(step) in parents and run.has_deleted(step):
                yield from run.net()
                run = _Run(ordered)
            run.add(step, passing=_table(step) in parents)
            continue
        yield from run.net()
        run = _Run(ordered)
        yield step
    yield from run.net()


class _Run:
    """Upserts and deletes that are taken together. Rows are told apart by their target: two sources may lead to one."""

    def __init__(self, ordered: Mapping[str, Container[str]]) -> None:
        self._rounds = {source: _Rounds(columns) for source, columns in ordered.items()}
        self._last: dict[tuple[str, str, Key], Upsert | Delete] = {}
        self._passing: dict[tuple[str, str, Key], Upsert] = {}

    def has_deleted(self, step: Upsert | Delete) -> bool:
        """Whether a step brings back what this run deletes."""
        return isinstance(step, Upsert) and isinstance(self._last.get(_place(step)), Delete)

    def add(self, step: Upsert | Delete, *, passing: bool) -> None:
        """Only the last step of a row counts; with passing, what it was before it was deleted, too."""
        place = _place(step)
        rounds = self._rounds.get(step.table.source)
        if rounds and not (passing and isinstance(step, Delete)):
            rounds.add(step)
            if not passing:
                return
        before = self._last.get(place)
        if passing and isinstance(step, Delete) and isinstance(before, Upsert):
            self._passing[place] = before
        self._last[place] = step

    def net(self) -> Iterator[Net]:
        """The net change, if there is any."""
        upserts: dict[str, list[Upsert]] = {}
        deletes: dict[str, list[Delete]] = {}
        for step in (*self._passing.values(), *self._last.values()):
            if isinstance(step, Delete):
                deletes.setdefault(step.table.source, []).append(step)
            elif step.table.source not in self._rounds:
                upserts.setdefault(step.table.source, []).append(step)
        rounds = {source: found.rounds for source, found in self._rounds.items() if found.rounds}
        if self._last or rounds:
            yield Net(upserts, deletes, rounds)


class _Rounds:
    """The steps of one table in as few rounds as keep their order.

    A delete may come sooner than other rows' steps: it takes nothing from them. A row that changes again, but not in
    its unique values, has its last state at once.
    """

    def __init__(self, columns: Container[str]) -> None:
        self._columns = columns
        self._last: dict[Key, tuple[int, int]] = {}
        self.rounds: list[Round] = []

    def add(self, step: Upsert | Delete) -> None:
        """The next step of the table."""
        last = self._last.get(step.key)
        if last and isinstance(step, Upsert) and self._is_alike(step, last):
            self.rounds[last[0]].upserts[last[1]] = step
            return
        if not self.rounds or (last and last[0] == len(self.rounds) - 1):
            self.rounds.append(Round())
        number = len(self.rounds) - 1
        if isinstance(step, Delete):
            self.rounds[number].deletes.append(step)
            self._last.pop(step.key, None)
        else:
            self._last[step.key] = number, len(self.rounds[number].upserts)
            self.rounds[number].upserts.append(step)

    def _is_alike(self, step: Upsert, last: tuple[int, int]) -> bool:
        before = self.rounds[last[0]].upserts[last[1]].row
        return all(before[name] == value for name, value in step.row.items() if name in self._columns)


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
