"""The letters of one transaction: those that were stored for the rows at hand, and those that come up. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seqguard.sync.letters import Letter, key_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seqguard.sync.event import Change, Row
    from seqguard.sync.letters import State
    from seqguard.sync.mapping import TableMapping

    Place = tuple[str, str]
    """A source table and a key in it."""


class Pending:
    """At most one letter for each row. order tells which of two changes of a row is the later one."""

    def __init__(self, mappings: Mapping[str, TableMapping], changes: Sequence[Change]) -> None:
        self._mappings = mappings
        self._changes = changes
        self._order: dict[int, int] = {}
        self._letters: dict[Place, tuple[int, Letter]] = {}
        self._replaced: list[int] = []
        self._untouched: set[int | None] = set()

    def __bool__(self) -> bool:
        return bool(self._letters)

    @property
    def letters(self) -> list[Letter]:
        """Every letter that there is at the end."""
        return [letter for _, letter in self._letters.values()]

    @property
    def changed(self) -> list[Letter]:
        """Letters that are new, or that were tried again in vain."""
        return [letter for letter in self.letters if letter.id not in self._untouched]

    @property
    def replaced(self) -> list[int]:
        """Stored letters that are no more."""
        return self._replaced

    def load(self, letter: Letter) -> None:
        """A letter that is stored, older than every change; unless it is one of them, tried again."""
        place = (letter.change.table, letter.key)
        self._letters[place] = (self._place_of(letter.change), letter)
        self._untouched.add(letter.id)

    def add(self, change: Change, state: State, sqlstate: str, error: str, detail: str) -> None:
        """A change that could not be applied takes the place of what was there for its row."""
        key, old_key = keys_of(change, self._mappings[change.table])
        index = self._place_of(change)
        letter = Letter(change, key, old_key, state, sqlstate, error, detail)
        before = self._letters.get((change.table, key))
        if before and before[1].id is not None and before[0] == index:
            letter = replace(
                letter,
                id=before[1].id,
                created=before[1].created,
                attempts=before[1].attempts,
                old_key=before[1].old_key,
            )
            self._untouched.discard(letter.id)
        else:
            self._remove(change.table, (key, old_key), index)
        if before is None or before[0] <= index:
            self._letters[change.table, key] = (index, letter)

    def applied(self, changes: Iterable[Change]) -> None:
        """These changes are applied: older letters of their rows are no more."""
        if not self._letters:
            return
        for change in changes:
            if change.before is None and change.after is None:
                self._remove_table(change.table, self._place_of(change))
            else:
                keys = keys_of(change, self._mappings[change.table])
                self._remove(change.table, keys, self._place_of(change))

    def _remove(self, table: str, keys: Iterable[str | None], index: int) -> None:
        for key in keys:
            if key is not None and (table, key) in self._letters and self._letters[table, key][0] <= index:
                self._drop((table, key))

    def _remove_table(self, table: str, index: int) -> None:
        for place in [p for p, (older, _) in self._letters.items() if p[0] == table and older <= index]:
            self._drop(place)

    def _drop(self, place: Place) -> None:
        _, letter = self._letters.pop(place)
        if letter.id is not None:
            self._replaced.append(letter.id)

    def _place_of(self, change: Change) -> int:
        if not self._order:
            self._order = {id(change): index for index, change in enumerate(self._changes)}
        return self._order.get(id(change), -1)


def keys_of(change: Change, mapping: TableMapping) -> tuple[str, str | None]:
    """The row that a change is of, and which it was before where its key has changed."""
    old = None if change.before is None else _key(change.before, mapping)
    new = old if change.after is None else _key(change.after, mapping)
    return new or "[]", None if old == new else old


def _key(row: Row, mapping: TableMapping) -> str:
    return key_text(tuple(row.get(name) for name in mapping.key))
