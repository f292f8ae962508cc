"""Which letters go into one transaction: those whose rows bring the same columns of their table. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seqguard.sync.event import Change
    from seqguard.sync.writing.letters import Letter

    Lacks = dict[str, frozenset[str]]
    """By source table, mapped columns that the rows do not bring."""


def alike(
    letters: Iterable[Letter], lacks_of: Callable[[Change], frozenset[str] | None]
) -> tuple[list[Letter], Lacks]:
    """The letters like the first of their table, in their order, and what the rows of these lack.

    lacks_of: which columns a change's row is written without, None where it writes none. Such a change (a delete, a
    truncate) does not overtake a row of its table that was before it, nor is it overtaken.
    """
    taken: list[Letter] = []
    lacks: Lacks = {}
    skipped: set[str] = set()
    closed: set[str] = set()
    for letter in letters:
        table, own = letter.change.table, lacks_of(letter.change)
        if own is not None and own != lacks.setdefault(table, own):
            skipped.add(table)
        elif own is None and table in skipped:
            closed.add(table)
        elif table not in closed:
            taken.append(letter)
    return taken, lacks
